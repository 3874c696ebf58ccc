//! What is at a path, as DVC records it.

use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_dvc::{ObjectId, OutputEntry};
use ketch_store::{Original, Reporter, make_executable};

use crate::versioned::ensure_manifest;
use crate::{Project, ProjectError};

/// The content of a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) id: ObjectId,
    /// In bytes.
    pub(crate) size: u64,
    /// Of a directory.
    pub(crate) files: Option<u64>,
    pub(crate) executable: bool,
}

impl Content {
    /// The record of this content under a path as `dvc.yaml` or a `.dvc` file names it.
    pub(crate) fn entry(&self, path: &str) -> OutputEntry {
        let mut entry = OutputEntry::new(path);
        self.record(&mut entry);
        entry
    }

    /// Puts this content into an entry, leaving what people wrote there. Of other content the
    /// versions on remotes are forgotten; [`keep_versions`](crate::versioned::keep_versions) knows
    /// more.
    pub(crate) fn record(&self, entry: &mut OutputEntry) {
        if entry.md5.as_ref() != Some(&self.id) {
            (entry.files, entry.cloud) = (None, None);
        }
        entry.md5 = Some(self.id.clone());
        entry.size = Some(self.size);
        entry.nfiles = self.files;
        entry.is_executable = self.executable;
        entry.hash = (!self.id.is_legacy()).then(|| "md5".to_owned());
    }
}

/// What is at `path`; nothing if nothing is there. Only what has changed is read: the project's
/// state index knows the rest.
pub(crate) fn content(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<Option<Content>, ProjectError> {
    let Some(metadata) = look(path)? else {
        return Ok(None);
    };
    if metadata.is_dir() {
        let found = project
            .cache()
            .hash_directory(project.root(), path, reporter)?;
        return Ok(Some(Content {
            id: found.id,
            size: found.size,
            files: Some(found.files),
            executable: false,
        }));
    }
    let found = project.cache().hash_file(path, reporter)?;
    Ok(Some(Content {
        id: found.id,
        size: found.size,
        files: None,
        executable: found.executable,
    }))
}

/// What is at `path`, by the hash that it was recorded with as long as it has not changed. What
/// was recorded by DVC 2 and has changed since is hashed as DVC 3 does, as it does too.
pub(crate) fn content_as(
    project: &Project,
    path: &Utf8Path,
    recorded: Option<&ObjectId>,
    reporter: &dyn Reporter,
) -> Result<Option<Content>, ProjectError> {
    if let Some(recorded) = recorded.filter(|id| id.is_legacy())
        && let Some(content) = legacy_content(project, path, reporter)?
        && content.id == *recorded
    {
        return Ok(Some(content));
    }
    content(project, path, reporter)
}

/// What `stat` says of a path; nothing if nothing is there.
fn look(path: &Utf8Path) -> Result<Option<std::fs::Metadata>, ProjectError> {
    match fs_err::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is at `path` by the hash of DVC 2.
pub(crate) fn legacy_content(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<Option<Content>, ProjectError> {
    let Some(metadata) = look(path)? else {
        return Ok(None);
    };
    if metadata.is_dir() {
        let (id, manifest, size) =
            project
                .cache()
                .legacy_directory(project.root(), path, reporter)?;
        return Ok(Some(Content {
            id,
            size,
            files: Some(manifest.entries().len() as u64),
            executable: false,
        }));
    }
    let (id, size) = project.cache().legacy_file(path)?;
    Ok(Some(Content {
        id,
        size,
        files: None,
        executable: metadata.permissions().mode() & 0o111 != 0,
    }))
}

/// [`save`], but what DVC 2 recorded and has not changed stays among its objects, as DVC 3 has it.
pub(crate) fn save_as(
    project: &Project,
    path: &Utf8Path,
    recorded: Option<&OutputEntry>,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    match unchanged_legacy(project, path, recorded, reporter)? {
        Some(content) => Ok(content),
        None => save(project, path, reporter),
    }
}

/// [`save_as`], but the data stays as it is.
pub(crate) fn save_unlinked(
    project: &Project,
    path: &Utf8Path,
    recorded: Option<&OutputEntry>,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    match unchanged_legacy(project, path, recorded, reporter)? {
        Some(content) => Ok(content),
        None => save_untouched(project, path, reporter),
    }
}

fn unchanged_legacy(
    project: &Project,
    path: &Utf8Path,
    recorded: Option<&OutputEntry>,
    reporter: &dyn Reporter,
) -> Result<Option<Content>, ProjectError> {
    let legacy = recorded.filter(|entry| entry.md5.as_ref().is_some_and(ObjectId::is_legacy));
    if let Some(entry) = legacy
        && let Some(content) = legacy_content(project, path, reporter)?
        && entry.md5.as_ref() == Some(&content.id)
    {
        if !is_cached(project, entry) {
            let manifest = if content.id.is_directory() {
                let root = project.root();
                Some(project.cache().legacy_directory(root, path, reporter)?.1)
            } else {
                None
            };
            project
                .cache()
                .add_legacy(&content.id, path, manifest.as_ref())?;
        }
        return Ok(Some(content));
    }
    Ok(None)
}

/// Puts what is at `path` into the cache, and makes it a link to it where `cache.type` says so.
pub(crate) fn save(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    store(project, path, Original::Linked, reporter)
}

/// Puts what is at `path` into the cache; it belongs to Git and stays as it is.
pub(crate) fn save_untouched(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    store(project, path, Original::Untouched, reporter)
}

fn store(
    project: &Project,
    path: &Utf8Path,
    original: Original,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    if fs_err::metadata(path)?.is_dir() {
        let added = project
            .cache()
            .add_directory(project.root(), path, original, reporter)?;
        let files = Some(added.files);
        return Ok(Content {
            id: added.id,
            size: added.size,
            files,
            executable: false,
        });
    }
    let added = project.cache().add_file(path, original, reporter)?;
    Ok(Content {
        id: added.id,
        size: added.size,
        files: None,
        executable: added.executable,
    })
}

/// What `entry` records; of a directory, the list of its files is in the cache then.
fn recorded<'a>(
    project: &Project,
    path: &Utf8Path,
    entry: &'a OutputEntry,
) -> Result<&'a ObjectId, ProjectError> {
    let id = entry
        .md5
        .as_ref()
        .ok_or_else(|| ProjectError::NotRecorded {
            path: project.shown(path),
        })?;
    ensure_manifest(project, entry)?;
    Ok(id)
}

/// Makes `path` what `entry` records, out of the cache. Overwrites.
pub(crate) fn restore(
    project: &Project,
    path: &Utf8Path,
    entry: &OutputEntry,
    reporter: &dyn Reporter,
) -> Result<(), ProjectError> {
    let id = recorded(project, path, entry)?;
    let is_directory = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir());
    if path.symlink_metadata().is_ok() && is_directory != id.is_directory() {
        crate::paths::remove(path)?;
    }
    if id.is_directory() {
        project
            .cache()
            .checkout_directory(id, project.root(), path, reporter)?;
    } else {
        project.cache().checkout_file(id, path, reporter)?;
        if entry.is_executable {
            make_executable(path)?;
        }
    }
    Ok(())
}

/// Makes what is at `path`, which is what `entry` records, again out of the cache, linked as
/// `cache.type` says now. There is no moment without it.
pub(crate) fn relink(
    project: &Project,
    path: &Utf8Path,
    entry: &OutputEntry,
    reporter: &dyn Reporter,
) -> Result<(), ProjectError> {
    let id = recorded(project, path, entry)?;
    if id.is_directory() {
        return Ok(project.cache().relink_directory(id, path, reporter)?);
    }
    project.cache().relink_file(id, path, reporter)?;
    if entry.is_executable {
        make_executable(path)?;
    }
    Ok(())
}

/// Whether the cache has everything that `entry` records.
pub(crate) fn is_cached(project: &Project, entry: &OutputEntry) -> bool {
    if let Some(manifest) = entry.versioned_manifest() {
        let mut files = manifest.entries().iter();
        return files.all(|file| project.cache().contains(&file.md5));
    }
    entry
        .md5
        .as_ref()
        .is_some_and(|id| project.cache().contains_all(id))
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}
