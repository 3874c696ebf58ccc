//! The object store: `files/md5/<2 hex>/<30 hex>[.dir]` below the cache root, mode 0444.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use rayon::prelude::*;

use crate::atomic::{Durability, named, place, sync_directory, temporary_beside};
use crate::hash::{collect, copy_hashed};
use crate::{Reporter, StoreError, hash_bytes, hash_file, walk_directory};

/// The mode DVC trusts without hashing again.
const OBJECT_MODE: u32 = 0o444;
/// Up to here each new object is synced by itself; beyond, the whole file system at once is cheaper.
const SYNC_ONE_BY_ONE: usize = 32;

/// A cache directory. Opening makes nothing; the first object makes the folders.
#[derive(Debug)]
pub struct Cache {
    root: Utf8PathBuf,
    durability: Durability,
    /// Cleared at the first refusal, so that a file system without clones is asked once.
    pub(crate) reflinks: AtomicBool,
}

/// A file that is in the cache now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedFile {
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// Whether anybody may execute it; recorded for single-file outputs.
    pub executable: bool,
}

/// A directory that is in the cache now, with all its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedDirectory {
    pub id: ObjectId,
    pub manifest: Manifest,
    /// Sum over the files, in bytes.
    pub size: u64,
    /// How many files.
    pub files: u64,
}

impl Cache {
    /// The cache at `root` (`.dvc/cache` in most repositories), syncing what it writes.
    pub fn open(root: impl Into<Utf8PathBuf>) -> Self {
        Self::open_with(root, Durability::Synced)
    }

    /// [`Cache::open`] with a choice of [`Durability`].
    pub fn open_with(root: impl Into<Utf8PathBuf>, durability: Durability) -> Self {
        Self {
            root: root.into(),
            durability,
            reflinks: AtomicBool::new(true),
        }
    }

    /// The cache directory.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Where DVC keeps the run cache.
    pub fn runs_directory(&self) -> Utf8PathBuf {
        self.root.join("runs")
    }

    /// Where an object is, or would be.
    pub fn object_path(&self, id: &ObjectId) -> Utf8PathBuf {
        self.root.join(id.cache_path())
    }

    /// Whether the object itself is here. Of a directory, only the manifest is looked at.
    ///
    /// Mode 0444 is believed, as DVC does; anything else is hashed first and made 0444.
    pub fn contains(&self, id: &ObjectId) -> bool {
        let path = self.object_path(id);
        let Ok(metadata) = fs_err::metadata(&path) else {
            return false;
        };
        if !metadata.is_file() {
            return false;
        }
        if metadata.permissions().mode() & 0o7777 == OBJECT_MODE {
            return true;
        }
        self.verify(id).is_ok()
            && fs_err::set_permissions(&path, Permissions::from_mode(OBJECT_MODE)).is_ok()
    }

    /// Whether the object and, of a directory, every file in it are here.
    pub fn contains_all(&self, id: &ObjectId) -> bool {
        self.contains(id)
            && (!id.is_directory()
                || self.manifest(id).is_ok_and(|manifest| {
                    manifest
                        .entries()
                        .iter()
                        .all(|entry| self.contains(&entry.md5))
                }))
    }

    /// Hashes the object again.
    pub fn verify(&self, id: &ObjectId) -> Result<(), StoreError> {
        let path = self.object_path(id);
        match hash_file(&path) {
            Ok((found, _)) => same(id, found, path),
            Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.missing(id))
            }
            Err(error) => Err(error),
        }
    }

    /// The object's bytes, checked against its name.
    pub fn read(&self, id: &ObjectId) -> Result<Vec<u8>, StoreError> {
        let path = self.object_path(id);
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.missing(id)),
            Err(error) => return Err(error.into()),
        };
        same(id, hash_bytes(&bytes), path)?;
        Ok(bytes)
    }

    /// The manifest of a directory object, checked against its name.
    pub fn manifest(&self, id: &ObjectId) -> Result<Manifest, StoreError> {
        if !id.is_directory() {
            return Err(StoreError::WrongKind {
                id: id.clone(),
                expected: "directory",
            });
        }
        let bytes = self.read(id)?;
        Manifest::parse(&bytes).map_err(|source| StoreError::Manifest {
            path: self.object_path(id),
            source,
        })
    }

    /// Puts bytes into the cache.
    pub fn add_bytes(&self, bytes: &[u8]) -> Result<ObjectId, StoreError> {
        let id = hash_bytes(bytes);
        self.write_object(&id, bytes)?;
        Ok(id)
    }

    /// Puts a file into the cache, hashing and copying in one pass. The file itself stays as it is.
    pub fn add_file(
        &self,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<AddedFile, StoreError> {
        reporter.start(1);
        let metadata = fs_err::metadata(path)?;
        if !metadata.is_file() {
            return Err(StoreError::NotRegular {
                path: path.to_owned(),
            });
        }
        let stored = self.store(path, self.durability)?;
        reporter.file(path, stored.size);
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Ok(AddedFile {
            id: stored.id,
            size: stored.size,
            executable,
        })
    }

    /// Puts a directory into the cache: its files in parallel, its manifest last.
    ///
    /// `root` is the repository root, whose `.dvcignore` files are honoured.
    pub fn add_directory(
        &self,
        root: &Utf8Path,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<AddedDirectory, StoreError> {
        let files = walk_directory(root, path)?;
        reporter.start(files.len() as u64);
        let stored = files
            .into_par_iter()
            .map(|file| {
                let stored = self.store(&file.path, Durability::Buffered)?;
                reporter.file(&file.path, stored.size);
                Ok((file, stored))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let fresh: Vec<&ObjectId> = stored
            .iter()
            .filter(|(_, stored)| stored.fresh)
            .map(|(_, stored)| &stored.id)
            .collect();
        self.sync_objects(&fresh);
        let hashed = stored
            .into_iter()
            .map(|(file, stored)| {
                (
                    ManifestEntry {
                        md5: stored.id,
                        relpath: file.relative,
                    },
                    stored.size,
                )
            })
            .collect();
        let (manifest, size) = collect(path, hashed)?;
        let bytes = manifest.to_bytes();
        let id = manifest.id();
        self.write_object(&id, &bytes)?;
        let files = manifest.entries().len() as u64;
        Ok(AddedDirectory {
            id,
            manifest,
            size,
            files,
        })
    }

    pub(crate) fn missing(&self, id: &ObjectId) -> StoreError {
        StoreError::Missing {
            id: id.clone(),
            cache: self.root.clone(),
        }
    }

    fn write_object(&self, id: &ObjectId, bytes: &[u8]) -> Result<(), StoreError> {
        if self.contains(id) {
            return Ok(());
        }
        let path = self.object_path(id);
        let mut file = temporary_beside(&path)?;
        io::Write::write_all(&mut file, bytes).map_err(|error| named(&path, "write", &error))?;
        fs_err::set_permissions(file.path(), Permissions::from_mode(OBJECT_MODE))?;
        Ok(place(file, &path, self.durability)?)
    }

    fn store(&self, source: &Utf8Path, durability: Durability) -> Result<Stored, StoreError> {
        // The object's folder depends on its hash, so the copy starts in a folder beside them.
        let scratch = self.root.join("tmp/object");
        let mut file = temporary_beside(&scratch)?;
        let (id, size) = if self.clone_into(source, file.path()) {
            let copy = Utf8Path::from_path(file.path()).unwrap_or(source);
            hash_file(copy)?
        } else {
            copy_hashed(source, &mut file)?
        };
        let fresh = !self.contains(&id);
        if fresh {
            let path = self.object_path(&id);
            fs_err::create_dir_all(crate::atomic::parent(&path))?;
            fs_err::set_permissions(file.path(), Permissions::from_mode(OBJECT_MODE))?;
            // A clone replaced the file the handle is open on; sync by name, which serves both.
            if durability == Durability::Synced {
                fs_err::File::open(file.path())?.sync_all()?;
            }
            place(file, &path, Durability::Buffered)?;
            if durability == Durability::Synced {
                sync_directory(crate::atomic::parent(&path));
            }
        }
        Ok(Stored { id, size, fresh })
    }

    /// Replaces the empty file at `target` by a clone of `source`, if the file system can.
    pub(crate) fn clone_into(&self, source: &Utf8Path, target: &std::path::Path) -> bool {
        if !self.reflinks.load(Ordering::Relaxed) {
            return false;
        }
        // A link would be cloned as a link by some systems.
        let Ok(source) = source.canonicalize_utf8() else {
            return false;
        };
        let beside = target.with_extension("clone");
        let cloned = reflink_copy::reflink(&source, &beside)
            .and_then(|()| fs_err::rename(&beside, target))
            .is_ok();
        if !cloned {
            let _ = fs_err::remove_file(&beside);
            self.reflinks.store(false, Ordering::Relaxed);
        }
        cloned
    }

    fn sync_objects(&self, ids: &[&ObjectId]) {
        if self.durability == Durability::Buffered || ids.is_empty() {
            return;
        }
        #[cfg(target_os = "linux")]
        if ids.len() > SYNC_ONE_BY_ONE
            && let Ok(handle) = fs_err::File::open(&self.root)
            && rustix::fs::syncfs(&handle).is_ok()
        {
            return;
        }
        ids.par_iter().for_each(|id| {
            if let Ok(handle) = fs_err::File::open(self.object_path(id)) {
                let _ = handle.sync_all();
            }
        });
    }
}

struct Stored {
    id: ObjectId,
    size: u64,
    /// Not in the cache before.
    fresh: bool,
}

/// An object's name against what its bytes hash to.
pub(crate) fn same(id: &ObjectId, found: ObjectId, path: Utf8PathBuf) -> Result<(), StoreError> {
    let found = if id.is_directory() {
        found.as_directory()
    } else {
        found
    };
    if found == *id {
        Ok(())
    } else {
        Err(StoreError::Corrupt { path, found })
    }
}
