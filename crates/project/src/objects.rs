//! The objects of the cache, and which of them anything refers to.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;

use crate::snapshot::Snapshot;
use crate::versioned::manifest_of;
use crate::{Project, ProjectError};

/// Every object of the cache, those of DVC 2 too, with its size in bytes. Temporary files are left
/// out.
pub(crate) fn all(project: &Project) -> Result<BTreeMap<ObjectId, u64>, ProjectError> {
    let root = project.cache().root();
    let mut found = in_folder(&root.join("files/md5"))?;
    let legacy = in_folder(root)?.into_iter();
    found.extend(legacy.map(|(id, size)| (id.as_legacy(), size)));
    Ok(found)
}

fn in_folder(directory: &Utf8Path) -> Result<BTreeMap<ObjectId, u64>, ProjectError> {
    let mut found = BTreeMap::new();
    for folder in list(directory)? {
        let Some(prefix) = folder.file_name().filter(|name| name.len() == 2) else {
            continue;
        };
        if !folder.is_dir() {
            continue;
        }
        for path in list(&folder)? {
            let rest = path.file_name().unwrap_or_default();
            if let Ok(id) = ObjectId::parse(&format!("{prefix}{rest}")) {
                found.insert(id, fs_err::symlink_metadata(&path)?.len());
            }
        }
    }
    Ok(found)
}

/// Where an object is used: paths relative to the root.
pub(crate) type Uses = BTreeMap<ObjectId, BTreeSet<Utf8PathBuf>>;

/// Adds what a state of the project refers to, with the files of directories. A directory whose
/// manifest the cache does not have counts by itself; one that is damaged is an error where
/// `damaged` says so, as nothing may be thrown away on its account.
pub(crate) fn add_uses(
    project: &Project,
    snapshot: &Snapshot,
    damaged: Damaged,
    uses: &mut Uses,
) -> Result<(), ProjectError> {
    for (path, entry) in snapshot.entries()? {
        let Some(id) = entry.md5.clone() else {
            continue;
        };
        let new = !uses.contains_key(&id);
        uses.entry(id.clone()).or_default().insert(path.clone());
        // The same directory is most often the same in the next commit.
        if !id.is_directory() || (!new && damaged == Damaged::Refuse) {
            continue;
        }
        let manifest = match manifest_of(project, &entry, &id) {
            Ok(manifest) => manifest,
            Err(ketch_store::StoreError::Missing { .. }) => continue,
            Err(_) if damaged == Damaged::Skip => continue,
            Err(error) => return Err(error.into()),
        };
        for file in manifest.entries() {
            let place = path.join(&file.relpath);
            uses.entry(file.md5.clone()).or_default().insert(place);
        }
    }
    Ok(())
}

/// What to do about a manifest that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damaged {
    Refuse,
    Skip,
}

fn list(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut paths = Vec::new();
    for entry in entries {
        // No object has a name that is not UTF-8.
        if let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
