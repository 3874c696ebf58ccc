//! Data whose versions on remotes are recorded, file by file.

use std::collections::HashMap;

use ketch_dvc::{Manifest, ObjectId, OutputEntry, VersionedFile};
use ketch_store::StoreError;

use crate::{Project, ProjectError};

/// The manifest of a directory: as it is recorded, or else out of the cache, or from where it was
/// looked up.
pub(crate) fn manifest_of(
    project: &Project,
    entry: &OutputEntry,
    id: &ObjectId,
) -> Result<Manifest, StoreError> {
    match entry.versioned_manifest() {
        Some(manifest) => Ok(manifest),
        None => project.cache().manifest(id).or_else(|error| {
            let seen = project.seen_manifest(id);
            seen.ok_or(error)
        }),
    }
}

/// Puts the manifest of a directory that is recorded file by file into the cache: a clone has only
/// the record.
pub(crate) fn ensure_manifest(project: &Project, entry: &OutputEntry) -> Result<(), ProjectError> {
    if let (Some(manifest), Some(id)) = (entry.versioned_manifest(), &entry.md5)
        && !project.cache().contains(id)
    {
        project.cache().add_manifest(&manifest)?;
    }
    Ok(())
}

/// Gives content that is recorded anew the versions of those of its files that are what they were.
///
/// A directory that was recorded file by file stays so, as with DVC; what is new in it has no version
/// until the next push.
pub(crate) fn keep_versions(
    project: &Project,
    before: &OutputEntry,
    now: &mut OutputEntry,
) -> Result<(), ProjectError> {
    let Some(id) = now.md5.clone() else {
        return Ok(());
    };
    if before.md5.as_ref() == Some(&id) {
        now.files.clone_from(&before.files);
        now.cloud.clone_from(&before.cloud);
        return Ok(());
    }
    let Some(known) = before.versioned_files().filter(|_| id.is_directory()) else {
        return Ok(());
    };
    let known: HashMap<&str, &VersionedFile> = known
        .iter()
        .map(|file| (file.relpath.as_str(), file))
        .collect();
    // What the cache does not keep has a hash and no more.
    let Ok(manifest) = project.cache().manifest(&id) else {
        return Ok(());
    };
    let files = manifest
        .entries()
        .iter()
        .map(|file| match known.get(file.relpath.as_str()) {
            Some(known) if known.md5 == file.md5 => (*known).clone(),
            _ => VersionedFile {
                relpath: file.relpath.clone(),
                md5: file.md5.clone(),
                size: fs_err::metadata(project.cache().object_path(&file.md5))
                    .ok()
                    .map(|object| object.len()),
                version: None,
            },
        });
    now.set_versioned_files(files.collect())?;
    Ok(())
}
