//! Objects out of the cache into a workspace.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use rayon::prelude::*;

use crate::atomic::{Durability, parent, place, temporary_beside};
use crate::cache::same;
use crate::hash::copy_hashed;
use crate::{Cache, Reporter, StoreError, hash_file, walk_directory};

/// What a checkout did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckedOut {
    /// Files whose bytes had to be written.
    pub written: u64,
    /// Files that were there and are not part of the object.
    pub removed: u64,
}

impl Cache {
    /// Makes `target` a file with the object's bytes; a file that has them already is left alone.
    ///
    /// Overwrites: whether something unsaved would be lost is for the caller to ask.
    pub fn checkout_file(
        &self,
        id: &ObjectId,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<CheckedOut, StoreError> {
        reporter.start(1);
        if id.is_directory() {
            return Err(StoreError::WrongKind {
                id: id.clone(),
                expected: "file",
            });
        }
        let written = u64::from(self.place_file(id, target, reporter)?);
        Ok(CheckedOut {
            written,
            removed: 0,
        })
    }

    /// Makes `target` a directory with exactly the object's files.
    ///
    /// Files that `.dvcignore` (looked for from `root` down) hides are not touched. Overwrites, as
    /// [`Cache::checkout_file`] does.
    pub fn checkout_directory(
        &self,
        id: &ObjectId,
        root: &Utf8Path,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<CheckedOut, StoreError> {
        let manifest = self.manifest(id)?;
        let entries = manifest.entries();
        // Everything is looked at before anything is changed.
        for entry in entries {
            check_relative(id, &entry.relpath)?;
            if !self.contains(&entry.md5) {
                return Err(self.missing(&entry.md5));
            }
        }
        require_directory(target)?;
        fs_err::create_dir_all(target)?;
        let wanted: BTreeSet<&str> = entries.iter().map(|entry| entry.relpath.as_str()).collect();
        let mut removed = 0;
        for file in walk_directory(root, target)? {
            if !wanted.contains(file.relative.as_str()) {
                fs_err::remove_file(&file.path)?;
                remove_empty_parents(&file.path, target);
                removed += 1;
            }
        }
        let folders: BTreeSet<Utf8PathBuf> = entries
            .iter()
            .map(|entry| parent(&target.join(&entry.relpath)).to_owned())
            .collect();
        for folder in &folders {
            for ancestor in folder
                .ancestors()
                .take_while(|path| path.starts_with(target))
            {
                require_directory(ancestor)?;
            }
        }
        reporter.start(entries.len() as u64);
        let written = AtomicU64::new(0);
        entries.par_iter().try_for_each(|entry| {
            if self.place_file(&entry.md5, &target.join(&entry.relpath), reporter)? {
                written.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(CheckedOut {
            written: written.into_inner(),
            removed,
        })
    }

    /// Returns whether the bytes had to be written.
    fn place_file(
        &self,
        id: &ObjectId,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<bool, StoreError> {
        if let Ok(metadata) = target.symlink_metadata() {
            if metadata.is_dir() {
                return Err(StoreError::InTheWay {
                    path: target.to_owned(),
                });
            }
            if metadata.is_file() && hash_file(target).is_ok_and(|(found, _)| found == *id) {
                reporter.file(target, metadata.len());
                return Ok(false);
            }
        }
        let object = self.object_path(id);
        let mut file = temporary_beside(target)?;
        // What a new file gets here: 0666 without the umask.
        let mode = file.as_file().metadata()?.permissions().mode();
        let (found, size) = if self.clone_into(&object, file.path()) {
            fs_err::set_permissions(file.path(), Permissions::from_mode(mode))?;
            hash_file(Utf8Path::from_path(file.path()).unwrap_or(&object))?
        } else {
            match copy_hashed(&object, &mut file) {
                Ok(copied) => copied,
                Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(self.missing(id));
                }
                Err(error) => return Err(error),
            }
        };
        same(id, found, object)?;
        // What is in the cache can be checked out again; no need to wait for the disk.
        place(file, target, Durability::Buffered)?;
        reporter.file(target, size);
        Ok(true)
    }
}

/// Adds the owner's execute bit, all of it that DVC restores.
pub fn make_executable(path: &Utf8Path) -> io::Result<()> {
    let mode = fs_err::metadata(path)?.permissions().mode();
    if mode & 0o100 == 0 {
        fs_err::set_permissions(path, Permissions::from_mode(mode | 0o100))?;
    }
    Ok(())
}

/// A manifest is data from elsewhere: its paths must stay below the directory.
fn check_relative(id: &ObjectId, relative: &str) -> Result<(), StoreError> {
    let path = Utf8Path::new(relative);
    let plain = !relative.is_empty()
        && path
            .components()
            .all(|part| matches!(part, Utf8Component::Normal(_)))
        && !relative.contains('\0');
    if plain {
        Ok(())
    } else {
        Err(StoreError::UnsafePath {
            id: id.clone(),
            relative: relative.to_owned(),
        })
    }
}

/// A link in place of a directory would lead the write elsewhere.
fn require_directory(path: &Utf8Path) -> Result<(), StoreError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::InTheWay {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

fn remove_empty_parents(path: &Utf8Path, stop: &Utf8Path) {
    for folder in path
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != stop)
    {
        if fs_err::remove_dir(folder).is_err() {
            break;
        }
    }
}
