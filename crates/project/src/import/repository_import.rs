//! Data of another repository in this project, with the memory of where it came from.

use camino::Utf8PathBuf;
use ketch_dvc::{DvcFile, ObjectId, OutputEntry};
use ketch_store::Reporter;
use serde::Serialize;

use super::destination::{Destination, named};
use super::repository::Surroundings;
use super::source::Source;
use super::taken::Taken;
use super::{Bringing, OnExisting, SourceSpec};
use crate::content::Content;
use crate::{CommitId, Project, ProjectError, RemoteChoice};

/// What to import from where.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    pub source: SourceSpec,
    /// In the repository: data of DVC's, something inside of it, or what Git tracks.
    pub path: String,
    /// Where it goes: a name, or a directory that it goes into.
    pub out: Option<Utf8PathBuf>,
    /// Where relative paths and addresses begin, absolute.
    pub directory: Utf8PathBuf,
    pub existing: OnExisting,
    pub bringing: Bringing,
    /// How to talk to remotes. Its name has no meaning here: the remote is the repository's.
    pub transfer: RemoteChoice,
    /// The folder below `.ketch/trash` for what is overwritten and saved nowhere.
    pub trash: String,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// The `.dvc` file, relative to the root.
    pub file: Utf8PathBuf,
    /// The data, relative to the root.
    pub path: Utf8PathBuf,
    /// Where it comes from, as the `.dvc` file records it.
    pub url: String,
    /// The commit that it comes from, unless nothing was looked up.
    pub revision: Option<CommitId>,
    /// None where it was not downloaded.
    pub id: Option<ObjectId>,
    /// In bytes.
    pub size: Option<u64>,
    /// Of a directory.
    pub files: Option<u64>,
    /// For `git add`, relative to the root.
    pub changed_files: Vec<Utf8PathBuf>,
    /// What was overwritten, saved nowhere, and is in the trash now.
    pub trashed: Vec<Utf8PathBuf>,
}

/// Brings data of another repository into the project and records where it is from.
///
/// The `.dvc` file is written when all objects are in the cache and before the data is put in
/// place, so that whatever stops this on its way leaves a project that `checkout` puts right.
pub fn import(
    project: &Project,
    options: &ImportOptions,
    reporter: &dyn Reporter,
) -> Result<ImportReport, ProjectError> {
    let _lock = project.lock()?;
    let path = named(&options.directory, &options.path, options.out.as_deref());
    let destination = Destination::check(project, &path, options.existing)?;
    let scratch = project.root().join(".dvc/tmp");
    let around = Surroundings {
        bases: &[&options.directory, project.root()],
        scratch: &scratch,
    };
    options.source.check_given(around.bases)?;
    let mut commit = None;
    let mut taken = None;
    if options.bringing != Bringing::Record {
        let mut source = Source::open(&options.source, None, around, &options.transfer)?;
        source.require_remote()?;
        let picked = source.pick(&options.path, project.cache())?;
        if options.bringing == Bringing::Data {
            taken = Some(source.take(&picked, project.cache(), reporter)?);
        }
        commit = Some(source.repository.commit.clone());
    }
    let mut file = DvcFile {
        frozen: true,
        deps: vec![dependency(&options.path, &options.source, commit.as_ref())],
        outs: vec![output(&destination.name, taken.as_ref())],
        ..DvcFile::default()
    };
    if commit.is_some() {
        file.md5 = file.definition_checksum();
    }
    let entry = file.outs.first().cloned();
    let changed_files = destination.record(project, file)?;
    let mut trashed = Vec::new();
    if let (Some(entry), Some(_)) = (entry, &taken) {
        trashed = destination.lay_out(project, &entry, &options.trash, reporter)?;
    }
    project.remember();
    Ok(ImportReport {
        file: project.shown(&destination.file),
        path: project.shown(&destination.path),
        url: options.source.url.clone(),
        revision: commit,
        id: taken.as_ref().map(|taken| taken.id.clone()),
        size: taken.as_ref().map(|taken| taken.size),
        files: taken.as_ref().and_then(|taken| taken.files),
        changed_files,
        trashed,
    })
}

/// The dependency on a path of another repository.
pub(super) fn dependency(path: &str, spec: &SourceSpec, commit: Option<&CommitId>) -> OutputEntry {
    let mut dependency = OutputEntry::new(path);
    dependency.repo = Some(spec.to_value(commit));
    dependency
}

/// The output of an import, with its content if that was brought.
pub(super) fn output(name: &str, taken: Option<&Taken>) -> OutputEntry {
    if let Some(taken) = taken {
        return Content {
            id: taken.id.clone(),
            size: taken.size,
            files: taken.files,
            executable: false,
        }
        .entry(name);
    }
    let mut entry = OutputEntry::new(name);
    entry.hash = Some("md5".to_owned());
    entry
}
