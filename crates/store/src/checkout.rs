//! Objects out of the cache into a workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use rayon::prelude::*;

use crate::atomic::{Durability, OBJECT_MODE, named, parent, place, temporary_beside};
use crate::cache::same;
use crate::content::{Batch, Contents, SMALL, batches, digest_files, digest_of};
use crate::hash::copy_hashed;
use crate::link::{Linked, Links, is_shared, own_copy};
use crate::state_format::Known;
use crate::{Cache, LinkKind, Reporter, Stamp, StoreError, WalkedFile, walk_directory};

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
        if let Ok(metadata) = target.symlink_metadata() {
            if metadata.is_dir() {
                return Err(StoreError::InTheWay {
                    path: target.to_owned(),
                });
            }
            if id.is_legacy() {
                return self.checkout_legacy_file(id, target, reporter);
            }
            if self
                .hash_file(target, &crate::Silent)
                .is_ok_and(|found| found.id == *id)
            {
                reporter.file(target, metadata.len());
                return Ok(CheckedOut::default());
            }
        }
        if id.is_legacy() {
            return self.checkout_legacy_file(id, target, reporter);
        }
        let wanted = [self.wanted(id, target.to_owned(), String::new())?];
        let placed = self.place_all(&wanted, reporter)?;
        self.remember_file(target, &placed);
        Ok(CheckedOut {
            written: 1,
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
        if id.is_legacy() {
            return self.checkout_legacy_directory(id, &manifest, root, target, reporter);
        }
        let entries = manifest.entries();
        // Everything is looked at before anything is changed.
        let objects = self.all_wanted(id, &manifest, target)?;
        require_directory(target)?;
        fs_err::create_dir_all(target)?;
        let wanted: BTreeSet<&str> = entries.iter().map(|entry| entry.relpath.as_str()).collect();
        let (there, extra): (Vec<_>, Vec<_>) = walk_directory(root, target)?
            .into_iter()
            .partition(|file| wanted.contains(file.relative.as_str()));
        for file in &extra {
            fs_err::remove_file(&file.path)?;
            remove_empty_parents(&file.path, target);
        }
        require_folders(&manifest, target)?;
        let there = digest_files(Some(self), target, there, &crate::Silent)?;
        let mut known: BTreeMap<&str, Known> = there
            .files
            .iter()
            .zip(&there.known)
            .map(|(file, known)| (file.relative.as_str(), *known))
            .collect();
        let mut pending: Vec<Wanted> = objects
            .iter()
            .filter(|object| {
                let found = known.get(object.file.relative.as_str());
                found.is_none_or(|found| found.digest != object.digest)
            })
            .cloned()
            .collect();
        self.mark_seen(target, &mut pending);
        reporter.start(pending.len() as u64);
        let placed = self.place_all(&pending, reporter)?;
        for (object, placed) in pending.iter().zip(placed) {
            known.insert(object.file.relative.as_str(), placed);
        }
        if let Some(state) = self.state() {
            let known = objects
                .iter()
                .filter_map(|object| known.get(object.file.relative.as_str()).copied())
                .collect();
            let files = objects.iter().map(|object| object.file.clone()).collect();
            Contents { files, known }.record(state, target, id);
        }
        Ok(CheckedOut {
            written: pending.len() as u64,
            removed: extra.len() as u64,
        })
    }

    /// What a directory's manifest wants to have below `target`. What the cache does not have is an
    /// error.
    pub(crate) fn all_wanted(
        &self,
        id: &ObjectId,
        manifest: &Manifest,
        target: &Utf8Path,
    ) -> Result<Vec<Wanted>, StoreError> {
        let wanted = |entry: &ManifestEntry| {
            check_relative(id, &entry.relpath)?;
            let place = target.join(&entry.relpath);
            let wanted = self.wanted(&entry.md5, place.clone(), entry.relpath.clone())?;
            // Of another mode it is hashed, and made what it should be.
            if wanted.file.mode == OBJECT_MODE {
                return Ok(wanted);
            }
            if !self.contains(&entry.md5) {
                return Err(self.missing(&entry.md5));
            }
            self.wanted(&entry.md5, place, entry.relpath.clone())
        };
        manifest.entries().par_iter().map(wanted).collect()
    }

    pub(crate) fn wanted(
        &self,
        id: &ObjectId,
        target: Utf8PathBuf,
        relative: String,
    ) -> Result<Wanted, StoreError> {
        let file = match WalkedFile::at(&self.object_path(id)) {
            Ok(file) => WalkedFile { relative, ..file },
            Err(StoreError::NotRegular { .. }) => return Err(self.missing(id)),
            Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.missing(id));
            }
            Err(error) => return Err(error),
        };
        let digest = digest_of(id).ok_or_else(|| self.missing(id))?;
        Ok(Wanted {
            id: id.clone(),
            digest,
            file,
            target,
            seen: false,
        })
    }

    /// Remembers what one file is that was placed.
    pub(crate) fn remember_file(&self, target: &Utf8Path, placed: &[Known]) {
        if let Some(state) = self.state()
            && let Some(known) = placed.first()
            && known.stamp != Stamp::NONE
        {
            state.record_file(target, known.stamp, known.digest);
        }
    }

    /// Finds the objects whose own inode was in the directory before, hashed then and not written
    /// to since: a link to such an object needs no look at its bytes.
    pub(crate) fn mark_seen(&self, target: &Utf8Path, wanted: &mut [Wanted]) {
        let Some(tree) = self.state().and_then(|state| state.directory(target)) else {
            return;
        };
        let mut entries = tree.entries.iter().peekable();
        for one in wanted {
            while entries
                .next_if(|(relative, _)| *relative < one.file.relative)
                .is_some()
            {}
            one.seen = entries.peek().is_some_and(|(relative, known)| {
                *relative == one.file.relative
                    && known.digest == one.digest
                    && known.stamp.same_but_change_time(one.file.stamp)
                    && one.file.mode & 0o7777 == OBJECT_MODE
            });
        }
    }

    /// Puts objects where they are wanted, and says what is there then. Bytes are checked on the
    /// way.
    pub(crate) fn place_all(
        &self,
        wanted: &[Wanted],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Known>, StoreError> {
        let links = self.links();
        let linked = wanted
            .par_iter()
            .map(|one| {
                let linked = if one.seen && links.shares(one.file.stamp.size) {
                    links.place(one.linked(), &one.target)?
                } else {
                    None
                };
                if linked.is_some() {
                    reporter.file(&one.target, one.file.stamp.size);
                }
                Ok(linked)
            })
            .collect::<Result<Vec<Option<Stamp>>, StoreError>>()?;
        let unread: Vec<&Wanted> = wanted
            .iter()
            .zip(&linked)
            .filter(|(_, linked)| linked.is_none())
            .map(|(one, _)| one)
            .collect();
        let files: Vec<&WalkedFile> = unread.iter().map(|wanted| &wanted.file).collect();
        let mut rest = unread.as_slice();
        let mut parts = Vec::new();
        for batch in batches(&files) {
            let (part, after) = rest.split_at(batch.len());
            parts.push((batch, part));
            rest = after;
        }
        let read = parts
            .par_iter()
            .map(|(files, wanted)| self.place_batch(&links, files, wanted, reporter))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let mut read = read.into_iter().flatten();
        let placed: Vec<Stamp> = linked
            .into_iter()
            .filter_map(|linked| linked.or_else(|| read.next()))
            .collect();
        // Every further link changes the inode's change time, so the stamps are taken at the end.
        Ok(wanted
            .par_iter()
            .zip(placed)
            .map(|(wanted, placed)| {
                let now = fs_err::metadata(&wanted.target).map(|found| Stamp::of(&found));
                Known {
                    stamp: now
                        .ok()
                        .filter(|now| now.same_but_change_time(placed))
                        .unwrap_or(Stamp::NONE),
                    digest: wanted.digest,
                }
            })
            .collect())
    }

    fn place_batch(
        &self,
        links: &Links,
        files: &[&WalkedFile],
        wanted: &[&Wanted],
        reporter: &dyn Reporter,
    ) -> Result<Vec<Stamp>, StoreError> {
        let stamps: Vec<Stamp> = if let [one] = wanted
            && one.file.stamp.size > SMALL
        {
            vec![self.place_large(links, one)?]
        } else {
            let batch = Batch::read(None, files)?;
            for (one, known) in wanted.iter().zip(&batch.known) {
                let found = ObjectId::file_from_digest(known.digest);
                same(&one.id, found, one.file.path.clone())?;
            }
            let place_small =
                |(at, one): (usize, &&Wanted)| match links.place(one.linked(), &one.target)? {
                    Some(stamp) => Ok(stamp),
                    None => write_file(&one.target, batch.content(at)),
                };
            wanted
                .iter()
                .enumerate()
                .map(place_small)
                .collect::<Result<_, StoreError>>()?
        };
        for one in wanted {
            reporter.file(&one.target, one.file.stamp.size);
        }
        Ok(stamps)
    }

    fn place_large(&self, links: &Links, one: &Wanted) -> Result<Stamp, StoreError> {
        if links.kind(one.file.stamp.size, false) != Some(LinkKind::Copy) {
            let seen = self
                .state()
                .and_then(|state| state.known(&one.file.path))
                .is_some_and(|known| {
                    known.stamp.same_but_change_time(one.file.stamp) && known.digest == one.digest
                });
            if !seen {
                let copied = copy_hashed(&one.file.path, &mut io::sink())?;
                same(&one.id, copied.id(), one.file.path.clone())?;
                self.remember_object(&one.id, one.digest);
            }
            if let Some(stamp) = links.place(one.linked(), &one.target)? {
                return Ok(stamp);
            }
        }
        let mut file = temporary_beside(&one.target)?;
        let copied = copy_hashed(&one.file.path, &mut file)?;
        same(&one.id, copied.id(), one.file.path.clone())?;
        let stamp = Stamp::of(&file.as_file().metadata().map_err(StoreError::Io)?);
        // What is in the cache can be checked out again; no need to wait for the disk.
        place(file, &one.target, Durability::Buffered)?;
        Ok(stamp)
    }
}

/// An object and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    id: ObjectId,
    digest: crate::digest::Digest,
    /// The object's own file; `relative` is that of the target.
    pub(crate) file: WalkedFile,
    target: Utf8PathBuf,
    /// Whether its bytes were hashed before, and nobody has written to it since.
    seen: bool,
}

impl Wanted {
    fn linked(&self) -> Linked<'_> {
        Linked {
            object: &self.file.path,
            size: self.file.stamp.size,
            // Which files of a directory may be executed is not recorded; see `make_executable`.
            executable: false,
        }
    }
}

fn write_file(target: &Utf8Path, bytes: &[u8]) -> Result<Stamp, StoreError> {
    let mut file = temporary_beside(target)?;
    file.write_all(bytes)
        .map_err(|error| named(target, "write", &error))?;
    let stamp = Stamp::of(&file.as_file().metadata()?);
    place(file, target, Durability::Buffered)?;
    Ok(stamp)
}

/// Adds the owner's execute bit, all of it that DVC restores. A file that shares its inode, with an
/// object as it may be, becomes a file of its own first, so that nothing else becomes executable.
pub fn make_executable(path: &Utf8Path) -> Result<(), StoreError> {
    let mode = fs_err::metadata(path)?.permissions().mode();
    if is_shared(path)? {
        own_copy(path)?;
    } else if mode & 0o100 != 0 {
        return Ok(());
    }
    let mode = fs_err::metadata(path)?.permissions().mode();
    Ok(fs_err::set_permissions(
        path,
        Permissions::from_mode(mode | 0o100),
    )?)
}

/// A manifest is data from elsewhere: its paths must stay below the directory.
pub(crate) fn check_relative(id: &ObjectId, relative: &str) -> Result<(), StoreError> {
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
pub(crate) fn require_directory(path: &Utf8Path) -> Result<(), StoreError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(StoreError::InTheWay {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

/// None of the folders that a manifest has below `target` is a link to elsewhere.
pub(crate) fn require_folders(manifest: &Manifest, target: &Utf8Path) -> Result<(), StoreError> {
    let folders: BTreeSet<Utf8PathBuf> = manifest
        .entries()
        .iter()
        .map(|entry| parent(&target.join(&entry.relpath)).to_owned())
        .collect();
    for folder in &folders {
        let above = folder.ancestors();
        for ancestor in above.take_while(|path| path.starts_with(target)) {
            require_directory(ancestor)?;
        }
    }
    Ok(())
}

pub(crate) fn remove_empty_parents(path: &Utf8Path, stop: &Utf8Path) {
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
