//! What imports wait for: objects that are not here.

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use ketch_store::remote::TransferReport;

use super::repository::Surroundings;
use super::source::Source;
use super::update::Import;
use super::url_import::unexecutable;
use super::url_settings::settings_of;
use super::url_source::UrlSource;
use super::url_state::same_state;
use super::{ImportError, SourceSpec, fetched};
use crate::content::Content;
use crate::transfer::RemoteTransfer;
use crate::{Project, ProjectError, RemoteChoice};

/// Fetches the objects of imports that the cache lacks from where they were imported.
///
/// What is recorded of the data has to be what is there: at the commit that the import is locked to,
/// or at the URL now; otherwise somebody wrote another history, and nothing is believed. An import
/// that never looked anything up is left alone, as by DVC. When some fail the others are fetched
/// nevertheless.
pub(crate) fn fetch_imports(
    project: &Project,
    files: &[Utf8PathBuf],
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<Vec<RemoteTransfer>, ProjectError> {
    // The remote that was chosen is one of ours; what it is called there nobody knows.
    let theirs = RemoteChoice {
        name: None,
        ..choice.clone()
    };
    let mut transfers = Vec::new();
    let mut failure = None;
    for file in files {
        let Some(import) = Import::read(project, &project.root().join(file))? else {
            continue;
        };
        match fetch_import(project, &import, &theirs, reporter) {
            Ok(transfer) => transfers.extend(transfer),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(transfers),
    }
}

fn fetch_import(
    project: &Project,
    import: &Import,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<Option<RemoteTransfer>, ProjectError> {
    let spec = import
        .dependency
        .repo
        .as_ref()
        .and_then(SourceSpec::of_value);
    let known = match &import.entry.md5 {
        Some(id) => Some(id.clone()),
        None => fetched::recall(project, import)?.and_then(|entry| entry.md5),
    };
    let remote = match &spec {
        Some((spec, _)) => spec.url.clone(),
        None => super::address::shown(&import.dependency.path),
    };
    let transfer = match (known, &spec) {
        (Some(id), _) if project.cache().contains_all(&id) => Some(TransferReport {
            present: count(project, &id)?,
            ..TransferReport::default()
        }),
        (None, Some((_, None))) => None,
        (_, Some((spec, lock))) => {
            let lock = lock.as_deref();
            Some(fetch_one(project, import, spec, lock, choice, reporter)?)
        }
        (_, None) => fetch_url(project, import, choice, reporter)?,
    };
    Ok(transfer.map(|transfer| RemoteTransfer { remote, transfer }))
}

/// Fetches from a URL: the very versions that are recorded, or what is there in the recorded state.
/// Nothing for an import that does not know what was there.
fn fetch_url(
    project: &Project,
    import: &Import,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<Option<TransferReport>, ProjectError> {
    let recorded = &import.dependency;
    let versions = import.has_versions();
    if !versions && !same_state(recorded, recorded) {
        return Ok(None);
    }
    let settings = settings_of(recorded.fs_config.as_ref());
    let root = Some(project.root());
    let source = UrlSource::open(&recorded.path, &settings, import.folder(), root, choice)?;
    let content = if versions {
        source.take_recorded(recorded, project.cache(), reporter)?
    } else {
        let (now, content) = source.take(&recorded.path, project.cache(), reporter)?;
        if !same_state(&now, recorded) {
            return Err(ImportError::OtherState {
                file: project.shown(&import.file),
                url: super::address::shown(&recorded.path),
            }
            .into());
        }
        content
    };
    let content = unexecutable(&content);
    match &import.entry.md5 {
        None => fetched::remember(project, import, &content)?,
        Some(id) if content.id == *id => {}
        Some(_) => {
            return Err(ImportError::OtherData {
                file: project.shown(&import.file),
                url: super::address::shown(&recorded.path),
            }
            .into());
        }
    }
    Ok(Some(TransferReport {
        objects: count(project, &content.id)?,
        bytes: content.size,
        ..TransferReport::default()
    }))
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
    let mut source = Source::open(spec, lock, around, choice)?;
    let picked = source.pick(&import.dependency.path, project.cache())?;
    let taken = source.take(&picked, project.cache(), reporter)?;
    if import.entry.md5.is_none() {
        let content = Content {
            id: taken.id.clone(),
            size: taken.size,
            files: taken.files,
            executable: false,
        };
        fetched::remember(project, import, &content)?;
    } else if !import.entry.md5.as_ref().is_some_and(|id| taken.is(id)) {
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
