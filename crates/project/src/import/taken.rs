//! Data of another repository that is in a cache here. What DVC 2 recorded there is had, and
//! recorded here, as DVC 3 does.

use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use ketch_store::Cache;
use ketch_store::remote::TransferReport;

use crate::ProjectError;

/// What is in the cache now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) id: ObjectId,
    /// In bytes.
    pub(super) size: u64,
    /// Of a directory.
    pub(super) files: Option<u64>,
    /// What had to be fetched.
    pub(super) fetched: TransferReport,
    /// What it is called where DVC 2 recorded it, as a whole.
    pub(super) legacy: Option<ObjectId>,
}

impl Taken {
    /// Whether this is what was recorded under `id`, here or where it comes from.
    pub(super) fn is(&self, id: &ObjectId) -> bool {
        self.id == *id || self.legacy.as_ref() == Some(id)
    }
}

/// A fetched object as DVC 3 names it: what is imported is recorded so, whoever recorded it there.
pub(super) fn modern(cache: &Cache, id: &ObjectId) -> Result<ObjectId, ProjectError> {
    if !id.is_legacy() {
        return Ok(id.clone());
    }
    cache.verify(id)?;
    Ok(cache.adopt_object(&cache.object_path(id))?)
}

/// [`modern`] for a directory, and its manifest.
pub(super) fn modern_directory(
    cache: &Cache,
    id: &ObjectId,
) -> Result<(ObjectId, Manifest), ProjectError> {
    let manifest = cache.manifest(id)?;
    if !id.is_legacy() {
        return Ok((id.clone(), manifest));
    }
    let mut entries = Vec::with_capacity(manifest.entries().len());
    for entry in manifest.entries() {
        entries.push(ManifestEntry {
            md5: modern(cache, &entry.md5)?,
            relpath: entry.relpath.clone(),
        });
    }
    let manifest = Manifest::new(entries)?;
    Ok((cache.add_manifest(&manifest)?, manifest))
}

/// The sum over a directory's files, in bytes.
pub(super) fn size(cache: &Cache, manifest: &Manifest) -> Result<u64, ProjectError> {
    let mut sum = 0;
    for entry in manifest.entries() {
        sum += fs_err::metadata(cache.object_path(&entry.md5))?.len();
    }
    Ok(sum)
}
