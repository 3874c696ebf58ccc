//! The object store: `files/md5/<2 hex>/<30 hex>[.dir]` below the cache root, mode 0444.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ObjectId};
use rayon::prelude::*;

use crate::atomic::{Durability, OBJECT_MODE, named, place, sync_directory, temporary_beside};
use crate::content::{
    HashedDirectory, HashedFile, digest_files, hash_known_directory, hash_known_file,
};
use crate::legacy::{hash_like, legacy_hash_bytes};
use crate::link::{Links, unprotect_file};
use crate::state_format::Known;
use crate::{LinkKind, Reporter, Stamp, StateIndex, StoreError, hash_bytes, walk_directory};

/// Up to here each new object is synced by itself; beyond, the whole file system at once is cheaper.
const SYNC_ONE_BY_ONE: usize = 32;

/// A cache directory. Opening makes nothing; the first object makes the folders.
#[derive(Debug)]
pub struct Cache {
    root: Utf8PathBuf,
    durability: Durability,
    links: Vec<LinkKind>,
    state: Option<StateIndex>,
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
            links: LinkKind::DEFAULT.to_vec(),
            state: None,
        }
    }

    /// Links files in the first of these ways that works.
    #[must_use]
    pub fn with_links(self, links: Vec<LinkKind>) -> Self {
        Self { links, ..self }
    }

    /// Reads no file that the index knows.
    #[must_use]
    pub fn with_state(self, state: StateIndex) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// The index of what files hash to, if there is one.
    pub fn state(&self) -> Option<&StateIndex> {
        self.state.as_ref()
    }

    /// What a file hashes to; it is read only if it has changed since it was last.
    pub fn hash_file(
        &self,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<HashedFile, StoreError> {
        hash_known_file(self, path, reporter)
    }

    /// What a directory hashes to; only files that have changed are read.
    ///
    /// `root` is the repository root, whose `.dvcignore` files are honoured.
    pub fn hash_directory(
        &self,
        root: &Utf8Path,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<HashedDirectory, StoreError> {
        hash_known_directory(self, root, path, reporter)
    }

    /// The manifest of a directory as it is, and the sum of its files' sizes; only files that have
    /// changed are read. [`Cache::hash_directory`] is faster where the manifest is of no interest.
    pub fn list_directory(
        &self,
        root: &Utf8Path,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(Manifest, u64), StoreError> {
        let files = walk_directory(root, path)?;
        digest_files(Some(self), path, files, reporter)?.manifest(path)
    }

    /// Whether every byte of the file or directory at `path` is in the cache.
    pub fn has_content(
        &self,
        root: &Utf8Path,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<bool, StoreError> {
        if fs_err::metadata(path)?.is_file() {
            let id = self.hash_file(path, reporter)?.id;
            return self.contains_bytes(&id, path);
        }
        let files = walk_directory(root, path)?;
        let contents = digest_files(Some(self), path, files, reporter)?;
        for (file, known) in contents.files.iter().zip(&contents.known) {
            let id = ObjectId::file_from_digest(known.digest);
            if !self.contains_bytes(&id, &file.path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a file, or each file of a directory, one that can be written to without harm to the
    /// cache: a copy of its own instead of a link, with the mode of a new file, as DVC does.
    pub fn unprotect(&self, root: &Utf8Path, path: &Utf8Path) -> Result<(), StoreError> {
        if fs_err::metadata(path)?.is_dir() {
            let files = walk_directory(root, path)?;
            return files
                .par_iter()
                .try_for_each(|file| unprotect_file(&file.path));
        }
        unprotect_file(path)
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
        self.find(id).is_some()
    }

    /// The object's file, as [`contains`](Self::contains) finds it.
    pub(crate) fn find(&self, id: &ObjectId) -> Option<Metadata> {
        let path = self.object_path(id);
        let metadata = fs_err::metadata(&path).ok()?;
        if !metadata.is_file() {
            return None;
        }
        if metadata.permissions().mode() & 0o7777 == OBJECT_MODE {
            return Some(metadata);
        }
        self.verify(id).ok()?;
        fs_err::set_permissions(&path, Permissions::from_mode(OBJECT_MODE)).ok()?;
        fs_err::metadata(&path).ok()
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
        match hash_like(id, &path) {
            Ok(found) => same(id, found, path),
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
        let found = if id.is_legacy() {
            legacy_hash_bytes(&bytes)
        } else {
            hash_bytes(&bytes)
        };
        same(id, found, path)?;
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
        let manifest = Manifest::parse(&bytes).map_err(|source| StoreError::Manifest {
            path: self.object_path(id),
            source,
        })?;
        Ok(if id.is_legacy() {
            manifest.into_legacy()
        } else {
            manifest
        })
    }

    /// Puts bytes into the cache.
    pub fn add_bytes(&self, bytes: &[u8]) -> Result<ObjectId, StoreError> {
        let id = hash_bytes(bytes);
        self.write_object(&id, bytes, self.durability)?;
        Ok(id)
    }

    /// Whether this inode is the object's, still as it was put there: then its bytes are, too.
    pub(crate) fn is_object(&self, known: &Known, stamp: Stamp) -> bool {
        known.stamp.same_but_change_time(stamp)
            && fs_err::metadata(self.object_path(&ObjectId::file_from_digest(known.digest)))
                .is_ok_and(|object| {
                    Stamp::of(&object) == stamp
                        && object.permissions().mode() & 0o7777 == OBJECT_MODE
                })
    }

    /// Remembers that an object was just seen to be whole.
    pub(crate) fn remember_object(&self, id: &ObjectId, digest: crate::digest::Digest) {
        let path = self.object_path(id);
        if let Some(state) = &self.state
            && let Ok(metadata) = fs_err::metadata(&path)
        {
            state.record_file(&path, Stamp::of(&metadata), digest);
        }
    }

    pub(crate) fn settle(&self, stamp: Stamp) -> bool {
        self.state.as_ref().is_some_and(|state| state.settle(stamp))
    }

    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// The kinds of links for one operation.
    pub(crate) fn links(&self) -> Links {
        Links::new(&self.links)
    }

    pub(crate) fn missing(&self, id: &ObjectId) -> StoreError {
        StoreError::Missing {
            id: id.clone(),
            cache: self.root.clone(),
        }
    }

    /// Returns whether it was not there.
    pub(crate) fn write_object(
        &self,
        id: &ObjectId,
        bytes: &[u8],
        durability: Durability,
    ) -> Result<bool, StoreError> {
        if self.contains(id) {
            return Ok(false);
        }
        let path = self.object_path(id);
        let mut file = temporary_beside(&path)?;
        io::Write::write_all(&mut file, bytes).map_err(|error| named(&path, "write", &error))?;
        self.place_object(file, id, durability)?;
        Ok(true)
    }

    pub(crate) fn place_object(
        &self,
        file: tempfile::NamedTempFile,
        id: &ObjectId,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let path = self.object_path(id);
        let directory = crate::atomic::parent(&path);
        if file.path().parent() != Some(directory.as_std_path()) {
            fs_err::create_dir_all(directory)?;
        }
        fs_err::set_permissions(file.path(), Permissions::from_mode(OBJECT_MODE))?;
        // A clone replaced the file the handle is open on; sync by name, which serves both.
        if durability == Durability::Synced {
            fs_err::File::open(file.path())?.sync_all()?;
        }
        place(file, &path, Durability::Buffered)?;
        if durability == Durability::Synced {
            sync_directory(directory);
        }
        Ok(())
    }

    pub(crate) fn sync_objects(&self, ids: &[ObjectId]) {
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

/// A hash as the name of the same kind of object as `id`.
pub(crate) fn alike(id: &ObjectId, mut found: ObjectId) -> ObjectId {
    if id.is_directory() {
        found = found.as_directory();
    }
    if id.is_legacy() {
        found = found.as_legacy();
    }
    found
}

/// An object's name against what its bytes hash to.
pub(crate) fn same(id: &ObjectId, found: ObjectId, path: Utf8PathBuf) -> Result<(), StoreError> {
    let found = alike(id, found);
    if found == *id {
        Ok(())
    } else {
        Err(StoreError::Corrupt { path, found })
    }
}
