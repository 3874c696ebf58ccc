//! Directories that were pulled in part: what is neither there nor in the cache is not forgotten.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_dvc::{Manifest, ManifestEntry, ObjectId, OutputEntry};
use ketch_store::write_atomically;

use crate::content::Content;
use crate::versioned::ensure_manifest;
use crate::{Project, ProjectError};

/// What was saved of a directory, with the entries of its record that were never here: their
/// objects are not in the cache. (What is in the cache and not in the directory was deleted by
/// somebody, and stays deleted.) Returns how many were kept.
///
/// DVC drops such entries, and whoever adds to a directory pulled in part loses the rest of it.
pub(crate) fn keep_absent(
    project: &Project,
    path: &Utf8Path,
    before: &OutputEntry,
    content: Content,
) -> Result<(Content, u64), ProjectError> {
    let cache = project.cache();
    let Some(known) = before.md5.as_ref().filter(|id| id.is_directory()) else {
        return Ok((content, 0));
    };
    ensure_manifest(project, before)?;
    if !content.id.is_directory() || *known == content.id || !cache.contains(known) {
        return Ok((content, 0));
    }
    let now = cache.manifest(&content.id)?;
    let earlier = cache.manifest(known)?;
    let present = |relpath: &str| {
        now.entries()
            .binary_search_by(|entry| entry.relpath.as_str().cmp(relpath))
            .is_ok()
    };
    let absent: Vec<&ManifestEntry> = earlier
        .entries()
        .iter()
        .filter(|entry| {
            !present(&entry.relpath)
                && !cache.contains(&entry.md5)
                // A rule of `.dvcignore` may hide it; then it is not part of the directory.
                && path.join(&entry.relpath).symlink_metadata().is_err()
        })
        .collect();
    if absent.is_empty() {
        return Ok((content, 0));
    }
    let kept = absent.len() as u64;
    if known.is_legacy() && !content.id.is_legacy() {
        // Their hashes are not those of DVC 3, and their bytes are not here to be hashed again.
        return Err(ProjectError::PartlyHere {
            path: project.shown(path),
            absent: kept,
        });
    }
    let absent_size = size_of_absent(project, before, &earlier, &absent);
    let entries = now.entries().iter().chain(absent).cloned().collect();
    let manifest = Manifest::new(entries)?;
    let files = Some(manifest.entries().len() as u64);
    let id = store(project, &manifest)?;
    Ok((
        Content {
            id,
            size: content.size + absent_size,
            files,
            executable: false,
        },
        kept,
    ))
}

/// Puts a manifest into the cache.
pub(crate) fn store(project: &Project, manifest: &Manifest) -> Result<ObjectId, ProjectError> {
    let id = manifest.id();
    store_as(project, &id, manifest)?;
    Ok(id)
}

/// Puts a list of files into the cache under this name.
pub(crate) fn store_as(
    project: &Project,
    id: &ObjectId,
    manifest: &Manifest,
) -> Result<(), ProjectError> {
    if !project.cache().contains(id) {
        let path = project.cache().object_path(id);
        write_atomically(&path, &manifest.to_bytes())?;
        fs_err::set_permissions(&path, Permissions::from_mode(0o444))?;
    }
    Ok(())
}

/// What the record says of the whole, less what is known of the rest.
fn size_of_absent(
    project: &Project,
    before: &OutputEntry,
    earlier: &Manifest,
    absent: &[&ManifestEntry],
) -> u64 {
    let known: u64 = earlier
        .entries()
        .iter()
        .filter(|entry| !absent.contains(entry))
        .filter_map(|entry| {
            let object = project.cache().object_path(&entry.md5);
            Some(fs_err::metadata(object).ok()?.len())
        })
        .sum();
    before.size.unwrap_or(known).saturating_sub(known)
}
