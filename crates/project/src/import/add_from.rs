//! Data from somewhere else, tracked here without the memory of where it came from.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::DvcFile;
use ketch_store::Reporter;
use serde::Serialize;

use super::destination::{Destination, named};
use super::url_import::{send, unexecutable};
use super::url_source::UrlSource;
use super::{ImportError, OnExisting};
use crate::paths::{is_url, join, overlap, read_if_there};
use crate::versioned::keep_versions;
use crate::{AddReport, AddedData, Project, ProjectError, RemoteChoice};

/// What to track, and under which name.
#[derive(Debug, Clone)]
pub struct AddFromOptions {
    /// A path, a URL, or `remote://NAME/PATH`.
    pub source: String,
    /// Where it goes: a name, or a directory that it goes into. Without it, data of the project
    /// stays where it is, and other data goes into `directory`.
    pub out: Option<Utf8PathBuf>,
    /// Where relative paths begin, absolute.
    pub directory: Utf8PathBuf,
    /// What to do about something at `out`.
    pub existing: OnExisting,
    pub to: AddDestination,
    /// How to talk to remotes; its name is that of the remote for [`AddDestination::Remote`].
    pub transfer: RemoteChoice,
    /// The folder below `.ketch/trash` for what is overwritten and saved nowhere.
    pub trash: String,
}

/// Where data from elsewhere goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddDestination {
    /// Into cache and work tree.
    #[default]
    Workspace,
    /// To a remote of ours, and into neither.
    Remote,
}

/// What is tracked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddFromReport {
    #[serde(flatten)]
    pub added: AddReport,
    /// What was overwritten, saved nowhere, and is in the trash now.
    pub trashed: Vec<Utf8PathBuf>,
}

/// Tracks a copy of data from anywhere: from outside of the project, from a URL, or from another
/// place in it.
///
/// A `.dvc` file that is there keeps what people wrote into it. As with DVC, what goes to a remote
/// alone is not put into `.gitignore`: there is nothing here for Git to see.
///
/// # Errors
///
/// Where data cannot be imported either, and where source and destination hold one another.
pub fn add_from(
    project: &Project,
    options: &AddFromOptions,
    reporter: &dyn Reporter,
) -> Result<AddFromReport, ProjectError> {
    let _lock = project.lock()?;
    let existing = match options.out {
        Some(_) => options.existing,
        None => OnExisting::Replace,
    };
    let destination = Destination::check(project, &place(project, options), existing)?;
    let source = UrlSource::open(
        &options.source,
        &[],
        &options.directory,
        Some(project.root()),
        &options.transfer,
    )?;
    refuse_nested(project, source.local(), &destination.path)?;
    let (_, content) = match options.to {
        AddDestination::Workspace => source.take(&options.source, project.cache(), reporter)?,
        AddDestination::Remote => send(
            project,
            &source,
            &options.source,
            &options.transfer,
            reporter,
        )?,
    };
    let content = unexecutable(&content);
    let mut file = match read_if_there(&destination.file)? {
        Some(text) => DvcFile::parse(&text, project.shown(&destination.file).as_str())?,
        None => DvcFile::default(),
    };
    let known = file
        .outs
        .iter()
        .position(|out| out.path == destination.name);
    let entry = if let Some(entry) = known.and_then(|place| file.outs.get_mut(place)) {
        let earlier = entry.clone();
        content.record(entry);
        keep_versions(project, &earlier, entry)?;
        entry.clone()
    } else {
        let entry = content.entry(&destination.name);
        file.outs = vec![entry.clone()];
        entry
    };
    let mut trashed = Vec::new();
    let changed_files = match options.to {
        AddDestination::Workspace => {
            let changed = destination.record(project, file)?;
            trashed = destination.lay_out(project, &entry, &options.trash, reporter)?;
            changed
        }
        AddDestination::Remote => destination.write(project, file, None)?,
    };
    project.remember();
    Ok(AddFromReport {
        added: AddReport {
            data: vec![AddedData {
                path: project.shown(&destination.path),
                id: content.id,
                size: content.size,
                files: content.files,
                absent: 0,
            }],
            changed_files,
        },
        trashed,
    })
}

fn place(project: &Project, options: &AddFromOptions) -> Utf8PathBuf {
    let here = join(&options.directory, &options.source);
    let is_inside = here != project.root() && here.starts_with(project.root());
    if options.out.is_none() && is_inside && !is_url(&options.source) {
        return here;
    }
    named(&options.directory, &options.source, options.out.as_deref())
}

/// A folder has no place in itself, and what is replaced must not take the source along.
fn refuse_nested(
    project: &Project,
    source: Option<&Utf8Path>,
    path: &Utf8Path,
) -> Result<(), ProjectError> {
    let Some(source) = source else {
        return Ok(());
    };
    // Links lead to one place by several names.
    let real = crate::project::canonical(source).unwrap_or_else(|_| source.to_owned());
    if real != path && overlap(&real, path) {
        return Err(ImportError::Nested {
            path: project.shown(path),
            origin: project.shown(source),
        }
        .into());
    }
    Ok(())
}
