//! What commands about other repositories and URLs have in common.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{
    Bringing, ImportError, ImportReport, Project, ProjectError, RemoteChoice, SourceSpec,
    settings_on_top,
};

use ketch_store::StoreError;
use ketch_store::remote::RemoteError;

use crate::exit::CommandError;
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::tidy;
use crate::workspace::{files_from_here, from_here, hint_to_record, remote_choice};

/// How to read another repository.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Branch, tag or commit there [default: the newest commit of the default branch]
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,

    #[command(flatten)]
    settings: SourceSettingsArgs,
}

/// Settings that come on top of those of the repository.
#[derive(Debug, Args)]
pub(crate) struct SourceSettingsArgs {
    /// Configuration file that comes on top of the repository's own
    #[arg(long, value_name = "FILE")]
    config: Option<String>,

    /// Remote of the repository to use instead of its default one
    #[arg(long, value_name = "NAME")]
    remote: Option<String>,

    /// Options of that remote
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = key_value)]
    remote_config: Vec<(String, String)>,
}

impl SourceArgs {
    pub(super) fn spec(&self, url: &str) -> Result<SourceSpec, CommandError> {
        let settings = &self.settings;
        let all = settings.config.is_some()
            && settings.remote.is_some()
            && !settings.remote_config.is_empty();
        if all {
            return Err(CommandError::user(
                "`--config` cannot be used with both `--remote` and `--remote-config`",
            ));
        }
        Ok(SourceSpec::new(url, self.rev.clone()).with_settings(
            settings.config.clone(),
            settings.remote.clone(),
            &settings.remote_config,
        ))
    }

    pub(super) fn revision(&self) -> Option<String> {
        self.rev.clone()
    }

    /// Remotes of a project of this machine, with what was given on top.
    pub(super) fn transfer(
        &self,
        project: &Project,
        settings: &Settings,
    ) -> Result<RemoteChoice, CommandError> {
        let source = self.spec(project.root().as_str())?;
        Ok(RemoteChoice {
            on_top: settings_on_top(project, &source, &settings.directory)?,
            ..remote_choice(settings, None, None)
        })
    }
}

/// `name=value`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("this is not NAME=VALUE".to_owned()),
    }
}

/// A path that is not there, or data that is nowhere, is to DVC no failure of the command, but one
/// that it did not expect.
pub(super) fn of_nothing_there(error: ProjectError) -> CommandError {
    let nothing = matches!(
        error,
        ProjectError::Import(
            ImportError::NotThere { .. }
                | ImportError::NotInDirectory { .. }
                | ImportError::Missing { .. }
                | ImportError::NoStorage { .. }
                | ImportError::NoConfigFile { .. }
        ) | ProjectError::Store(StoreError::Remote(RemoteError::NotConfigured))
    );
    let error = CommandError::from(error);
    if nothing {
        error.of_any_command()
    } else {
        error
    }
}

/// Remotes as they are configured, for the account where there is no project, with so many objects
/// at once.
pub(super) fn transfer(settings: &Settings, jobs: Option<usize>) -> RemoteChoice {
    let shared = &settings.dvc_files;
    RemoteChoice {
        configs: shared
            .system
            .iter()
            .chain(&shared.global)
            .cloned()
            .collect(),
        ..remote_choice(settings, None, jobs)
    }
}

/// Where clones are while they are read.
pub(super) fn scratch(settings: &Settings) -> Utf8PathBuf {
    settings.cache.join("clones")
}

/// The root of the project that the command was started in, if it was in one.
pub(super) fn project_root(settings: &Settings) -> Option<Utf8PathBuf> {
    let project = |path: &&Utf8Path| path.join(".dvc").is_dir();
    let found = settings.directory.ancestors().find(project);
    found.map(Utf8Path::to_owned)
}

/// A source as it is shown: DVC makes a path that leads out of the project an absolute one.
/// `folder` is where the path begins.
pub(super) fn shown_source(
    source: &str,
    folder: &Utf8Path,
    project: &Project,
    printer: &Printer,
) -> String {
    let place = tidy(&folder.join(source));
    let is_url = source.contains("://");
    if !printer.speaks_dvc() || is_url || place.starts_with(project.root()) {
        return source.to_owned();
    }
    place.into_string()
}

/// Says what was imported, and what belongs into Git now. DVC imports nothing where it was told to
/// look nothing up.
pub(super) fn tell(
    printer: &Printer,
    project: &Project,
    settings: &Settings,
    source: &str,
    report: &ImportReport,
    bringing: Option<Bringing>,
    trash: &str,
) {
    printer.json(report);
    if !printer.speaks_dvc() || bringing != Some(Bringing::Record) {
        printer.line(format_args!(
            "Importing '{source}' -> '{}'",
            from_here(project, settings, &report.path)
        ));
    }
    tell_trash(printer, &report.trashed, trash);
    let files = files_from_here(project, settings, &report.changed_files);
    if printer.speaks_dvc() {
        if !project.autostage() {
            tell_to_track(printer, project, &files);
        }
        return;
    }
    if !files.is_empty() {
        hint_to_record(
            printer,
            project,
            format_args!("git add {}", files.join(" ")),
        );
    }
}

/// Says where the way back is.
pub(super) fn tell_trash(printer: &Printer, trashed: &[Utf8PathBuf], trash: &str) {
    if !trashed.is_empty() {
        printer.note(format_args!(
            "what was overwritten and saved nowhere is in .ketch/trash/{trash}"
        ));
    }
}
