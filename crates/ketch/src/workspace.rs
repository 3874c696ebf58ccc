//! What many commands begin with.

use std::fmt::Display;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_control::tracking_path;
use ketch_project::{Project, ProjectError, RemoteChoice};
use ketch_tracking::{TrackingError, TrackingStore};

use crate::exit::CommandError;
use crate::password;
use crate::printer::Printer;
use crate::settings::Settings;

/// The project that the command works in; tells what `ketch.toml` says in vain.
pub(crate) fn open_project(
    settings: &Settings,
    printer: &Printer,
) -> Result<Project, CommandError> {
    let project = Project::discover_with(
        &settings.directory,
        settings.dvc_files.clone(),
        settings.patience,
    )
    .map_err(|error| {
        let without_git = matches!(error, ProjectError::NotAGitRepository { .. });
        let error = CommandError::from(error);
        if without_git {
            error.of_any_command()
        } else {
            error
        }
    })?;
    for warning in &project.config().warnings {
        printer.warning(warning);
    }
    Ok(project)
}

/// The remote that a command asks for, with what the account brings along.
pub(crate) fn remote_choice(
    settings: &Settings,
    name: Option<String>,
    jobs: Option<usize>,
) -> RemoteChoice {
    RemoteChoice {
        name,
        jobs,
        environment: settings.remote_environment.clone(),
        ask_password: Some(password::ask),
        ..RemoteChoice::default()
    }
}

/// The tracking database, made if it is not there.
pub(crate) fn open_tracking(
    project: &Project,
    settings: &Settings,
) -> Result<TrackingStore, CommandError> {
    let tracking = TrackingStore::open(&tracking_path(&project.state_dir()?))?;
    Ok(match settings.seed {
        Some(seed) => tracking.with_seed(seed),
        None => tracking,
    })
}

/// The tracking database for reading; none where nothing was recorded yet.
pub(crate) fn read_tracking(
    project: &Project,
    settings: &Settings,
) -> Result<Option<TrackingStore>, CommandError> {
    match TrackingStore::open_read_only(&tracking_path(&project.state_dir()?)) {
        Ok(tracking) => Ok(Some(tracking)),
        Err(TrackingError::NoDatabase { .. }) => Ok(None),
        // Reading an older schema means bringing it up to date.
        Err(TrackingError::OlderSchema { .. }) => open_tracking(project, settings).map(Some),
        Err(error) => Err(error.into()),
    }
}

/// Who acts: the name that Git would put on a commit, or else that of the account.
pub(crate) fn actor(project: &Project, settings: &Settings) -> Result<String, CommandError> {
    let identity = project
        .git()
        .run(&["var", "GIT_AUTHOR_IDENT"])
        .unwrap_or_default();
    // `Name <address> seconds zone`
    let name = identity.split_once(" <").map(|(name, _)| name.trim());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    settings.login.clone().ok_or_else(|| {
        CommandError::user("nobody knows who you are, and the audit log has to")
            .hint("set `git config user.name` and `git config user.email`")
    })
}

/// Says what belongs into Git now, by the command that puts it there; nothing where the project does
/// without.
pub(crate) fn hint_to_record(printer: &Printer, project: &Project, command: impl Display) {
    if !project.git().is_declined() {
        printer.hint(format_args!("record it in Git: `{command}`"));
    }
}

/// A path on the command line as the project knows it: one that exists below the current
/// directory is that one, anything else (a stage's name, an output that is gone) stays.
pub(crate) fn target(project: &Project, settings: &Settings, target: &str) -> String {
    let here = settings.directory.join(target);
    let exists = here.symlink_metadata().is_ok();
    match here.strip_prefix(project.root()) {
        Ok(below) if exists => below.to_string(),
        _ => target.to_owned(),
    }
}

/// A path below the root as it is called from the current directory, with `..` where that is needed;
/// absolute from outside of the project.
pub(crate) fn from_here(project: &Project, settings: &Settings, path: &Utf8Path) -> Utf8PathBuf {
    let Ok(below) = settings.directory.strip_prefix(project.root()) else {
        return project.root().join(path);
    };
    let common = below.components().zip(path.components());
    let common = common.take_while(|(here, there)| here == there).count();
    let up = below.components().skip(common).map(|_| "..");
    let down = path.components().skip(common);
    up.chain(down.map(|part| part.as_str())).collect()
}

/// [`from_here`] of each, as text.
pub(crate) fn files_from_here(
    project: &Project,
    settings: &Settings,
    paths: &[Utf8PathBuf],
) -> Vec<String> {
    paths
        .iter()
        .map(|path| from_here(project, settings, path).into_string())
        .collect()
}
