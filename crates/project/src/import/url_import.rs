//! Data of a URL in this project, with the memory of where it came from.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::remote::upload;
use ketch_store::{Cache, Durability, Reporter, TemporaryFolder};

use super::destination::{Destination, named};
use super::repository_import::{ImportReport, output};
use super::url_source::UrlSource;
use super::{Bringing, OnExisting};
use crate::content::Content;
use crate::paths::{from_folder, is_url, relative};
use crate::{Project, ProjectError, RemoteChoice};

/// What to import from where.
#[derive(Debug, Clone)]
pub struct UrlImportOptions {
    /// A path, a URL, or `remote://NAME/PATH`.
    pub url: String,
    /// Where it goes: a name, or a directory that it goes into.
    pub out: Option<Utf8PathBuf>,
    /// Where relative paths begin, absolute.
    pub directory: Utf8PathBuf,
    pub existing: OnExisting,
    pub to: UrlDestination,
    /// Options for the server, as a remote has them; recorded too.
    pub settings: Vec<(String, String)>,
    /// How to talk to remotes; its name has a meaning for [`UrlDestination::Remote`] only.
    pub transfer: RemoteChoice,
    /// The folder below `.ketch/trash` for what is overwritten and saved nowhere.
    pub trash: String,
}

/// Where the data of a URL goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlDestination {
    /// Into cache and work tree, as far as [`Bringing`] says.
    Workspace(Bringing),
    /// To a remote of ours, and into neither.
    Remote,
}

/// Brings data of a URL into the project and records where it is from, and in what state it was.
///
/// Paths inside of the project are recorded as the `.dvc` file sees them, as are relative ones; all
/// others as they were given.
pub fn import_url(
    project: &Project,
    options: &UrlImportOptions,
    reporter: &dyn Reporter,
) -> Result<ImportReport, ProjectError> {
    let _lock = project.lock()?;
    let path = named(&options.directory, &options.url, options.out.as_deref());
    let destination = Destination::check(project, &path, options.existing)?;
    let source = UrlSource::open(
        &options.url,
        &options.settings,
        &options.directory,
        Some(project.root()),
        &options.transfer,
    )?;
    let folder = destination.path.parent().unwrap_or(project.root());
    let shown = recorded_url(project, &options.url, &source, folder);
    let mut file = DvcFile {
        frozen: true,
        outs: vec![output(&destination.name, None)],
        ..DvcFile::default()
    };
    let mut content = None;
    let dependency = match options.to {
        UrlDestination::Workspace(Bringing::Data) => {
            let (dependency, taken) = source.take(&shown, project.cache(), reporter)?;
            content = Some(taken);
            dependency
        }
        UrlDestination::Workspace(Bringing::State) => {
            source.state(&shown, project.cache(), reporter)?
        }
        UrlDestination::Workspace(Bringing::Record) => {
            let mut dependency = OutputEntry::new(&shown);
            dependency.hash = Some("md5".to_owned());
            dependency.version_id = source.version().map(str::to_owned);
            dependency.fs_config = super::url_settings::settings_value(&options.settings);
            dependency
        }
        UrlDestination::Remote => {
            let (dependency, taken) = send(project, &source, &shown, &options.transfer, reporter)?;
            content = Some(taken);
            dependency
        }
    };
    file.deps = vec![dependency];
    if let Some(content) = &content {
        file.outs = vec![unexecutable(content).entry(&destination.name)];
    }
    // What was sent to a remote of ours is there, and stays with what is pushed.
    let is_brought = matches!(
        options.to,
        UrlDestination::Workspace(Bringing::Data | Bringing::State)
    );
    if source.has_versions() && is_brought {
        for out in &mut file.outs {
            out.push = false;
        }
    }
    if options.to != UrlDestination::Workspace(Bringing::Record) {
        file.md5 = file.definition_checksum();
    }
    let entry = file.outs.first().cloned();
    let changed_files = destination.record(project, file)?;
    let mut trashed = Vec::new();
    if let (Some(entry), UrlDestination::Workspace(Bringing::Data)) = (entry, options.to) {
        trashed = destination.lay_out(project, &entry, &options.trash, reporter)?;
    }
    project.remember();
    Ok(ImportReport {
        file: project.shown(&destination.file),
        path: project.shown(&destination.path),
        url: shown,
        revision: None,
        id: content.as_ref().map(|content| content.id.clone()),
        size: content.as_ref().map(|content| content.size),
        files: content.and_then(|content| content.files),
        changed_files,
        trashed,
    })
}

/// DVC does not give an import the right to be executed.
pub(super) fn unexecutable(content: &Content) -> Content {
    Content {
        executable: false,
        ..content.clone()
    }
}

/// Streams the data through a cache of its own to a remote of the project.
pub(super) fn send(
    project: &Project,
    source: &UrlSource,
    shown: &str,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<(OutputEntry, Content), ProjectError> {
    let (remote, options) = choice.chosen(project)?;
    // An object has its name only when all of it was read.
    let scratch = TemporaryFolder::make_in(&project.root().join(".dvc/tmp"))?;
    let cache = Cache::open_with(scratch.path(), Durability::Buffered);
    let (dependency, content) = source.take(shown, &cache, reporter)?;
    let ids = std::slice::from_ref(&content.id);
    upload(&cache, &*remote, ids, options, reporter)?;
    Ok((dependency, content))
}

/// The URL as the `.dvc` file in `folder` has it.
fn recorded_url(project: &Project, url: &str, source: &UrlSource, folder: &Utf8Path) -> String {
    let Some(local) = source.local().filter(|_| !is_url(url)) else {
        return url.to_owned();
    };
    if Utf8Path::new(url).is_absolute() && relative(project.root(), local).is_err() {
        return url.to_owned();
    }
    from_folder(folder, local).into_string()
}
