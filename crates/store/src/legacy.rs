//! Contents by the hash of DVC 2, which takes text with other line ends for the same.
//!
//! The state index knows nothing of these hashes, so that everything is read each time: DVC 2 data
//! becomes DVC 3 data with its next change, or with `cache migrate`.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_dvc::{LegacyHasher, Manifest, ManifestEntry, ObjectId};
use rayon::prelude::*;

use crate::atomic::{Durability, OBJECT_MODE, parent, place, temporary_beside};
use crate::cache::{alike, same};
use crate::checkout::{
    CheckedOut, check_relative, remove_empty_parents, require_directory, require_folders,
};
use crate::hash::collect;
use crate::link::{Linked, Links};
use crate::{Cache, Reporter, StoreError, WalkedFile, hash_file, walk_directory};

/// The hash of a file by the same rules as `id`'s: raw or as DVC 2 did, of the same kind.
pub fn hash_like(id: &ObjectId, path: &Utf8Path) -> Result<ObjectId, StoreError> {
    let found = if id.is_legacy() && !id.is_directory() {
        legacy_hash_file(path)?
    } else {
        hash_file(path)?.0
    };
    Ok(alike(id, found))
}

pub(crate) fn legacy_hash_bytes(bytes: &[u8]) -> ObjectId {
    let mut hasher = LegacyHasher::new();
    hasher.update(bytes);
    hasher.finish().as_legacy()
}

fn legacy_hash_file(path: &Utf8Path) -> Result<ObjectId, StoreError> {
    const BUFFER: usize = 1 << 18;
    let mut file = fs_err::File::open(path)?;
    let mut hasher = LegacyHasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish().as_legacy()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Cache {
    /// What a file hashes to as DVC 2 did it, and its size in bytes.
    pub fn legacy_file(&self, path: &Utf8Path) -> Result<(ObjectId, u64), StoreError> {
        let file = WalkedFile::at(path)?;
        Ok((legacy_hash_file(path)?, file.stamp.size))
    }

    /// What a directory was to DVC 2: its id, its files, and the sum of their sizes in bytes.
    pub fn legacy_directory(
        &self,
        root: &Utf8Path,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(ObjectId, Manifest, u64), StoreError> {
        let files = walk_directory(root, path)?;
        reporter.start(files.len() as u64);
        let hashed = files
            .par_iter()
            .map(|file| {
                let md5 = legacy_hash_file(&file.path)?;
                reporter.file(&file.path, file.stamp.size);
                let relpath = file.relative.clone();
                Ok((ManifestEntry { md5, relpath }, file.stamp.size))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let (manifest, size) = collect(path, hashed)?;
        Ok((manifest.id().as_legacy(), manifest, size))
    }

    /// Puts a file, or a directory that is `manifest` now, among the objects of DVC 2.
    pub fn add_legacy(
        &self,
        id: &ObjectId,
        path: &Utf8Path,
        manifest: Option<&Manifest>,
    ) -> Result<(), StoreError> {
        let Some(manifest) = manifest else {
            return self.add_legacy_file(id, path);
        };
        manifest
            .entries()
            .par_iter()
            .try_for_each(|entry| self.add_legacy_file(&entry.md5, &path.join(&entry.relpath)))?;
        self.write_object(id, &manifest.to_bytes(), self.durability())?;
        Ok(())
    }

    fn add_legacy_file(&self, id: &ObjectId, path: &Utf8Path) -> Result<(), StoreError> {
        if self.contains(id) {
            return Ok(());
        }
        let mut file = temporary_beside(&self.object_path(id))?;
        io::copy(&mut fs_err::File::open(path)?, &mut file)?;
        let copied = Utf8Path::from_path(file.path()).map(legacy_hash_file);
        if let Some(found) = copied {
            // Somebody wrote to it meanwhile.
            if found? != *id {
                return Err(StoreError::ChangedWhileRead {
                    path: path.to_owned(),
                });
            }
        }
        self.place_object(file, id, self.durability())
    }

    /// Makes an object out of a file of the cache that is one of DVC 2: the same file by a second
    /// name, or a copy where that cannot be.
    pub fn adopt_object(&self, path: &Utf8Path) -> Result<ObjectId, StoreError> {
        let (id, _) = hash_file(path)?;
        if self.contains(&id) {
            return Ok(id);
        }
        let target = self.object_path(&id);
        fs_err::create_dir_all(parent(&target))?;
        fs_err::set_permissions(path, Permissions::from_mode(OBJECT_MODE))?;
        if fs_err::hard_link(path, &target).is_err() {
            let mut file = temporary_beside(&target)?;
            io::copy(&mut fs_err::File::open(path)?, &mut file)?;
            self.place_object(file, &id, self.durability())?;
        }
        Ok(id)
    }

    /// Whether some object has just these bytes: that of the name, or one of DVC 2.
    pub fn contains_bytes(&self, id: &ObjectId, path: &Utf8Path) -> Result<bool, StoreError> {
        if self.contains(id) {
            return Ok(true);
        }
        if !self.has_legacy_objects() {
            return Ok(false);
        }
        let legacy = legacy_hash_file(path)?;
        // The same by DVC 2's hash may have other line ends.
        Ok(self.contains(&legacy)
            && hash_file(&self.object_path(&legacy)).is_ok_and(|(found, _)| found == *id))
    }

    /// Whether DVC 2 left anything here.
    pub fn has_legacy_objects(&self) -> bool {
        let Ok(entries) = self.root().read_dir_utf8() else {
            return false;
        };
        entries.flatten().any(|entry| is_prefix(entry.file_name()))
    }

    pub(crate) fn checkout_legacy_file(
        &self,
        id: &ObjectId,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<CheckedOut, StoreError> {
        let placed = self.place_missing_legacy(&self.links(), id, target)?;
        reporter.file(target, 0);
        Ok(CheckedOut {
            written: u64::from(placed),
            removed: 0,
        })
    }

    pub(crate) fn checkout_legacy_directory(
        &self,
        id: &ObjectId,
        manifest: &Manifest,
        root: &Utf8Path,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<CheckedOut, StoreError> {
        self.require_legacy(id, manifest)?;
        require_directory(target)?;
        fs_err::create_dir_all(target)?;
        let wanted: BTreeSet<&str> = manifest
            .entries()
            .iter()
            .map(|entry| entry.relpath.as_str())
            .collect();
        let mut done = CheckedOut::default();
        for file in walk_directory(root, target)? {
            if !wanted.contains(file.relative.as_str()) {
                fs_err::remove_file(&file.path)?;
                remove_empty_parents(&file.path, target);
                done.removed += 1;
            }
        }
        reporter.start(manifest.entries().len() as u64);
        let links = self.links();
        require_folders(manifest, target)?;
        for entry in manifest.entries() {
            let path = target.join(&entry.relpath);
            done.written += u64::from(self.place_missing_legacy(&links, &entry.md5, &path)?);
            reporter.file(&path, 0);
        }
        Ok(done)
    }

    /// Makes a directory's files anew that are as recorded.
    pub(crate) fn relink_legacy_directory(
        &self,
        id: &ObjectId,
        manifest: &Manifest,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(), StoreError> {
        self.require_legacy(id, manifest)?;
        require_folders(manifest, target)?;
        reporter.start(manifest.entries().len() as u64);
        let links = self.links();
        for entry in manifest.entries() {
            let path = target.join(&entry.relpath);
            self.relink_legacy_file(&links, &entry.md5, &path)?;
            reporter.file(&path, 0);
        }
        Ok(())
    }

    /// Makes a file anew that is as recorded. One that only has other line ends than its object
    /// stays: these bytes are nowhere else.
    pub(crate) fn relink_legacy_file(
        &self,
        links: &Links,
        id: &ObjectId,
        target: &Utf8Path,
    ) -> Result<(), StoreError> {
        let object = self.object_path(id);
        if !self.contains(id) {
            return Err(self.missing(id));
        }
        if hash_file(target)?.0 == hash_file(&object)?.0 {
            self.place_legacy(links, id, target)?;
        }
        Ok(())
    }

    /// The cache has all of a directory, and it goes nowhere else.
    fn require_legacy(&self, id: &ObjectId, manifest: &Manifest) -> Result<(), StoreError> {
        for entry in manifest.entries() {
            check_relative(id, &entry.relpath)?;
            if !self.contains(&entry.md5) {
                return Err(self.missing(&entry.md5));
            }
        }
        Ok(())
    }

    /// Makes `target` a file with the object's bytes; whether it was not one.
    fn place_missing_legacy(
        &self,
        links: &Links,
        id: &ObjectId,
        target: &Utf8Path,
    ) -> Result<bool, StoreError> {
        if legacy_hash_file(target).is_ok_and(|found| found == *id) {
            return Ok(false);
        }
        self.place_legacy(links, id, target)?;
        Ok(true)
    }

    /// Makes `target` a file with the object's bytes, whatever it was.
    fn place_legacy(
        &self,
        links: &Links,
        id: &ObjectId,
        target: &Utf8Path,
    ) -> Result<(), StoreError> {
        let object = self.object_path(id);
        if !self.contains(id) {
            return Err(self.missing(id));
        }
        same(id, legacy_hash_file(&object)?, object.clone())?;
        fs_err::create_dir_all(parent(target))?;
        let linked = Linked {
            object: &object,
            size: fs_err::metadata(&object)?.len(),
            executable: false,
        };
        if links.place(linked, target)?.is_none() {
            let mut file = temporary_beside(target)?;
            io::copy(&mut fs_err::File::open(&object)?, &mut file)?;
            place(file, target, Durability::Buffered)?;
        }
        Ok(())
    }
}

/// The first two digits of a hash, a folder of DVC 2's objects.
pub(crate) fn is_prefix(name: &str) -> bool {
    name.len() == 2
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
