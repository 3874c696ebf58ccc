//! What imports wait for: newer data where they come from, and objects that are not here.

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use ketch_store::remote::TransferReport;
use serde::Serialize;

use super::repository::{SourceRepository, Surroundings};
use super::source::Source;
use super::update::Import;
use super::url_settings::settings_of;
use super::url_source::UrlSource;
use super::{ImportError, SourceSpec};
use crate::stage::Index;
use crate::transfer::RemoteTransfer;
use crate::{Project, ProjectError, RemoteChoice};

/// An import whose repository has moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportUpdate {
    /// The `.dvc` file, relative to the root.
    pub file: Utf8PathBuf,
    /// The path there.
    pub source: String,
    /// The repository.
    pub url: String,
    /// What it is locked to.
    pub from: Option<String>,
    /// What there is now.
    pub revision: String,
}

/// Asks every repository that data is imported from whether it has a newer commit, as DVC's
/// `status` does: whether the data itself is newer is not looked at.
pub fn import_updates(
    project: &Project,
    directory: &camino::Utf8Path,
) -> Result<Vec<ImportUpdate>, ProjectError> {
    let mut updates = Vec::new();
    for data in &Index::load(project)?.data {
        let Some(import) = Import::read(project, &data.file)? else {
            continue;
        };
        let repo = import.dependency.repo.as_ref();
        let Some((spec, lock)) = repo.and_then(SourceSpec::of_value) else {
            continue;
        };
        let home = import.file.parent().unwrap_or(project.root());
        let scratch = project.root().join(".dvc/tmp");
        let around = Surroundings {
            bases: &[directory, project.root(), home],
            scratch: &scratch,
        };
        let newest = SourceRepository::newest(&spec, around)?;
        if lock.as_deref() != Some(newest.as_str()) {
            updates.push(ImportUpdate {
                file: project.shown(&import.file),
                source: import.dependency.path.clone(),
                url: spec.url,
                from: lock,
                revision: newest.to_string(),
            });
        }
    }
    Ok(updates)
}

/// Fetches the objects of imports that the cache lacks from where they were imported.
///
/// What is recorded of the data has to be what is there at the commit that the import is locked
/// to; otherwise somebody wrote another history, and nothing is believed.
pub(crate) fn fetch_imports(
    project: &Project,
    files: &[Utf8PathBuf],
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<Vec<RemoteTransfer>, ProjectError> {
    let mut transfers = Vec::new();
    for file in files {
        let Some(import) = Import::read(project, &project.root().join(file))? else {
            continue;
        };
        let Some(id) = import.entry.md5.clone() else {
            continue;
        };
        if import.has_versions() {
            transfers.push(fetch_versions(project, &import, &id, choice, reporter)?);
            continue;
        }
        let repo = import.dependency.repo.as_ref();
        let Some((spec, lock)) = repo.and_then(SourceSpec::of_value) else {
            continue;
        };
        let mut transfer = TransferReport::default();
        if project.cache().contains_all(&id) {
            transfer.present = count(project, &id)?;
        } else {
            transfer = fetch_one(project, &import, &spec, lock.as_deref(), choice, reporter)?;
        }
        transfers.push(RemoteTransfer {
            remote: spec.url,
            transfer,
        });
    }
    Ok(transfers)
}

/// Of a URL: the very versions that are recorded.
fn fetch_versions(
    project: &Project,
    import: &Import,
    id: &ObjectId,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<RemoteTransfer, ProjectError> {
    let url = super::address::shown(&import.dependency.path);
    let mut transfer = TransferReport::default();
    if project.cache().contains_all(id) {
        transfer.present = count(project, id)?;
    } else {
        let settings = settings_of(import.dependency.fs_config.as_ref());
        let root = Some(project.root());
        let path = &import.dependency.path;
        let source = UrlSource::open(path, &settings, import.folder(), root, choice)?;
        let taken = source.take_recorded(&import.dependency, project.cache(), reporter)?;
        if taken.id != *id {
            let file = project.shown(&import.file);
            return Err(ImportError::OtherData { file, url }.into());
        }
        transfer.objects = count(project, id)?;
        transfer.bytes = taken.size;
    }
    Ok(RemoteTransfer {
        remote: url,
        transfer,
    })
}

fn count(project: &Project, id: &ObjectId) -> Result<usize, ProjectError> {
    if !id.is_directory() {
        return Ok(1);
    }
    Ok(project.cache().manifest(id)?.entries().len() + 1)
}

fn fetch_one(
    project: &Project,
    import: &Import,
    spec: &SourceSpec,
    lock: Option<&str>,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<TransferReport, ProjectError> {
    let home = import.file.parent().unwrap_or(project.root());
    let scratch = project.root().join(".dvc/tmp");
    let around = Surroundings {
        bases: &[project.root(), home],
        scratch: &scratch,
    };
    // The remote that was chosen is one of ours; what it is called there nobody knows.
    let theirs = RemoteChoice {
        name: None,
        ..choice.clone()
    };
    let mut source = Source::open(spec, lock, around, &theirs)?;
    let picked = source.pick(&import.dependency.path, project.cache())?;
    let taken = source.take(&picked, project.cache(), reporter)?;
    if !import.entry.md5.as_ref().is_some_and(|id| taken.is(id)) {
        return Err(ImportError::OtherData {
            file: project.shown(&import.file),
            url: super::address::shown(&spec.url),
        }
        .into());
    }
    let mut report = taken.fetched;
    // What came out of Git was moved too.
    if report.objects == 0 {
        report.objects = count(project, &taken.id)?;
        report.bytes = taken.size;
    }
    Ok(report)
}
