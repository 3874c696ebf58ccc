//! Files and directories into the cache.

use std::collections::HashSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::Utf8Path;
use ketch_dvc::{Manifest, ObjectId};
use rayon::prelude::*;

use crate::atomic::{Durability, OBJECT_MODE, named, temporary_beside};
use crate::content::{Batch, Contents, SMALL, batches, recall};
use crate::hash::{Copied, copy_hashed};
use crate::link::{Linked, Links, clone_over, hard_link_new};
use crate::state_format::Known;
use crate::{Cache, LinkKind, Reporter, Stamp, StoreError, WalkedFile, hash_bytes, walk_directory};

/// What becomes of a file once its bytes are in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    /// It stays as it is.
    Untouched,
    /// It becomes a link to its object, where the kinds of links say so.
    Linked,
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
    /// Puts a file into the cache, hashing and copying in one pass.
    pub fn add_file(
        &self,
        path: &Utf8Path,
        original: Original,
        reporter: &dyn Reporter,
    ) -> Result<AddedFile, StoreError> {
        let file = WalkedFile::at(path)?;
        let executable = file.executable;
        let contents = self.add_all(path, vec![file], original, self.durability(), reporter)?;
        let Some((file, known)) = contents.files.first().zip(contents.known.first()) else {
            return Err(StoreError::NotRegular {
                path: path.to_owned(),
            });
        };
        if let Some(state) = self.state()
            && known.stamp != Stamp::NONE
        {
            state.record_file(path, known.stamp, known.digest);
        }
        Ok(AddedFile {
            id: ObjectId::file_from_digest(known.digest),
            size: file.stamp.size,
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
        original: Original,
        reporter: &dyn Reporter,
    ) -> Result<AddedDirectory, StoreError> {
        let files = walk_directory(root, path)?;
        let contents = self.add_all(path, files, original, Durability::Buffered, reporter)?;
        let (manifest, size) = contents.manifest(path)?;
        let bytes = manifest.to_bytes();
        let id = hash_bytes(&bytes).as_directory();
        self.write_object(&id, &bytes, self.durability())?;
        if let Some(state) = self.state() {
            contents.record(state, path, &id);
        }
        let files = manifest.entries().len() as u64;
        Ok(AddedDirectory {
            id,
            manifest,
            size,
            files,
        })
    }

    /// Stores files that are not in the cache yet. Fresh objects are synced at the end.
    fn add_all(
        &self,
        path: &Utf8Path,
        files: Vec<WalkedFile>,
        original: Original,
        durability: Durability,
        reporter: &dyn Reporter,
    ) -> Result<Contents, StoreError> {
        let links = self.links();
        let before = recall(Some(self), path, &files);
        // Known and in the cache: nothing to read.
        let before: Vec<Option<(Known, Standing)>> = before
            .into_par_iter()
            .zip(&files)
            .map(|(known, file)| {
                let known = known?;
                let object = self.find(&ObjectId::file_from_digest(known.digest))?;
                let shared = Stamp::of(&object) == file.stamp
                    && match links.kind(file.stamp.size, file.executable) {
                        Some(LinkKind::Hardlink) => !file.link,
                        Some(LinkKind::Symlink) => file.link,
                        _ => false,
                    };
                let standing = if shared {
                    Standing::Linked
                } else {
                    Standing::Stored
                };
                Some((known, standing))
            })
            .collect();
        let absent: Vec<&WalkedFile> = files
            .iter()
            .zip(&before)
            .filter(|(_, known)| known.is_none())
            .map(|(file, _)| file)
            .collect();
        reporter.start(absent.len() as u64);
        let stored = batches(&absent)
            .par_iter()
            .map(|batch| self.store_batch(&links, batch, original, durability, reporter))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let stored: Vec<Stored> = stored.into_iter().flatten().collect();
        if durability == Durability::Buffered {
            let fresh: Vec<ObjectId> = stored
                .iter()
                .filter(|stored| stored.fresh)
                .map(|stored| ObjectId::file_from_digest(stored.known.digest))
                .collect();
            self.sync_objects(&fresh);
        }
        let mut stored = stored.into_iter();
        let (mut known, standings): (Vec<Known>, Vec<Standing>) = before
            .into_iter()
            .filter_map(|known| {
                known.or_else(|| {
                    let stored = stored.next()?;
                    let standing = if stored.adopted {
                        Standing::Adopted
                    } else {
                        Standing::Stored
                    };
                    Some((stored.known, standing))
                })
            })
            .unzip();
        if original == Original::Linked {
            self.link_originals(&links, &files, &standings, &mut known)?;
        }
        Ok(Contents { files, known })
    }

    fn store_batch(
        &self,
        links: &Links,
        files: &[&WalkedFile],
        original: Original,
        durability: Durability,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Stored>, StoreError> {
        let stored = if let [file] = files
            && file.stamp.size > SMALL
        {
            vec![self.store_large(links, file, original, durability)?]
        } else {
            let batch = Batch::read(Some(self), files)?;
            let mut stored = Vec::with_capacity(files.len());
            for (at, (file, known)) in files.iter().zip(&batch.known).enumerate() {
                let id = ObjectId::file_from_digest(known.digest);
                // Most often it is new; a link that is refused tells as much as a look before it.
                let adopted = self.adopt(links, file, known, original)?;
                let fresh = adopted
                    || !self.contains(&id)
                        && (self.clone_settled(links, file, known, &id)
                            || self.write_object(&id, batch.content(at), durability)?);
                let known = *known;
                stored.push(Stored {
                    known,
                    fresh,
                    adopted,
                });
            }
            stored
        };
        for file in files {
            reporter.file(&file.path, file.stamp.size);
        }
        Ok(stored)
    }

    /// A large file: read once, while it is copied; or not copied at all, if it may be the object.
    fn store_large(
        &self,
        links: &Links,
        file: &WalkedFile,
        original: Original,
        durability: Durability,
    ) -> Result<Stored, StoreError> {
        let settled = self.settle(file.stamp);
        let mut temporary = None;
        let copied = if may_adopt(links, file, original) {
            copy_hashed(&file.path, &mut io::sink())?
        } else {
            // The object's folder depends on its hash, so the copy starts in a folder beside them.
            let mut copy = temporary_beside(&self.root().join("tmp/object"))?;
            let cloned = links.kind(file.stamp.size, false) == Some(LinkKind::Reflink)
                && clone_over(&file.path, copy.path())
                    .inspect_err(|error| {
                        links.refused(LinkKind::Reflink, error);
                    })
                    .is_ok();
            let copied = if cloned {
                let clone = Utf8Path::from_path(copy.path()).unwrap_or(&file.path);
                let copied = copy_hashed(clone, &mut io::sink())?;
                // The clone is what was hashed; the file is that, too, if nothing has changed it.
                let now = Stamp::of(&fs_err::metadata(&file.path)?);
                Copied {
                    stamp: Some(now),
                    ..copied
                }
            } else {
                copy_hashed(&file.path, &mut copy)?
            };
            temporary = Some(copy);
            copied
        };
        let id = copied.id();
        let known = Known {
            stamp: match copied.stamp {
                Some(stamp) if settled && stamp == file.stamp => stamp,
                _ => Stamp::NONE,
            },
            digest: copied.digest,
        };
        let fresh = !self.contains(&id);
        if fresh {
            let file = WalkedFile {
                stamp: copied.stamp.unwrap_or(file.stamp),
                ..file.clone()
            };
            match temporary {
                Some(copy) => self.place_object(copy, &id, durability)?,
                None if self.adopt(links, &file, &known, original)? => {}
                // It may not be the object after all: read once more, to be copied.
                None => return self.store_large(links, &file, Original::Untouched, durability),
            }
            self.remember_object(&id, copied.digest);
        }
        Ok(Stored {
            known,
            fresh,
            adopted: false,
        })
    }

    /// Makes the file itself the object, if it may be. Nobody else must have a name for it, and it
    /// must be what was hashed.
    fn adopt(
        &self,
        links: &Links,
        file: &WalkedFile,
        known: &Known,
        original: Original,
    ) -> Result<bool, StoreError> {
        let readonly = Permissions::from_mode(OBJECT_MODE);
        if known.stamp == Stamp::NONE
            || !may_adopt(links, file, original)
            || fs_err::set_permissions(&file.path, readonly).is_err()
        {
            return Ok(false);
        }
        let id = &ObjectId::file_from_digest(known.digest);
        let path = self.object_path(id);
        let now = Stamp::of(&fs_err::symlink_metadata(&file.path)?);
        if !now.same_but_change_time(file.stamp) {
            return Err(StoreError::ChangedWhileRead {
                path: file.path.clone(),
            });
        }
        match hard_link_new(&file.path, &path) {
            Ok(()) => Ok(true),
            // Somebody was faster with the same bytes, or left a damaged object there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if self.contains(id) {
                    return Ok(false);
                }
                fs_err::remove_file(&path)?;
                hard_link_new(&file.path, &path).map_err(|error| named(&path, "link", &error))?;
                Ok(true)
            }
            Err(error) if links.refused(LinkKind::Hardlink, &error) => {
                fs_err::set_permissions(&file.path, Permissions::from_mode(file.mode))?;
                Ok(false)
            }
            Err(error) => Err(named(&path, "link", &error).into()),
        }
    }

    /// Clones a file into the cache after it was hashed: right only if nothing has changed it
    /// before the clone was made, which its stamp tells once it had settled.
    fn clone_settled(
        &self,
        links: &Links,
        file: &WalkedFile,
        known: &Known,
        id: &ObjectId,
    ) -> bool {
        let possible = known.stamp != Stamp::NONE
            && file.stamp.size > 0
            && links.kind(file.stamp.size, false) == Some(LinkKind::Reflink);
        let Some(copy) = possible
            .then(|| temporary_beside(&self.object_path(id)).ok())
            .flatten()
        else {
            return false;
        };
        if let Err(error) = clone_over(&file.path, copy.path()) {
            links.refused(LinkKind::Reflink, &error);
            return false;
        }
        let unchanged =
            fs_err::metadata(&file.path).is_ok_and(|now| Stamp::of(&now) == known.stamp);
        unchanged && self.place_object(copy, id, Durability::Buffered).is_ok()
    }

    /// Replaces files whose bytes are in the cache by links to it, and sees what they are then.
    fn link_originals(
        &self,
        links: &Links,
        files: &[WalkedFile],
        standings: &[Standing],
        known: &mut [Known],
    ) -> Result<(), StoreError> {
        // Clones and copies share nothing that a link would add.
        let shares = |file: &WalkedFile| {
            !matches!(
                links.kind(file.stamp.size, file.executable),
                Some(LinkKind::Reflink | LinkKind::Copy)
            )
        };
        let pairs = files.par_iter().zip(known.par_iter_mut());
        let touched: Vec<bool> = pairs
            .zip(standings)
            .map(|((file, known), standing)| match standing {
                Standing::Adopted => Ok(true),
                Standing::Stored if shares(file) => {
                    self.link_original(links, file, known)?;
                    Ok(true)
                }
                Standing::Stored | Standing::Linked => Ok(false),
            })
            .collect::<Result<_, StoreError>>()?;
        // Every further link changes the inode's change time, so the stamps are taken at the end; of
        // what was a link before, too, where its inode has one name more now.
        let inodes: HashSet<u64> = known
            .iter()
            .zip(&touched)
            .filter(|(_, touched)| **touched)
            .map(|(known, _)| known.stamp.inode)
            .collect();
        let pairs = files.par_iter().zip(known.par_iter_mut());
        pairs
            .zip(touched)
            .filter(|((_, known), touched)| *touched || inodes.contains(&known.stamp.inode))
            .for_each(|((file, known), _)| {
                known.stamp = match fs_err::metadata(&file.path) {
                    Ok(now) if Stamp::of(&now).same_but_change_time(known.stamp) => Stamp::of(&now),
                    _ => Stamp::NONE,
                };
            });
        Ok(())
    }

    /// Leaves in `known` the stamp the file must have then, but for the change time.
    fn link_original(
        &self,
        links: &Links,
        file: &WalkedFile,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let object = self.object_path(&ObjectId::file_from_digest(known.digest));
        let stored = fs_err::metadata(&object)?;
        let now = fs_err::metadata(&file.path)?;
        let kind = links.kind(file.stamp.size, file.executable);
        let is_linked = (now.dev(), now.ino()) == (stored.dev(), stored.ino())
            && file.link == (kind == Some(LinkKind::Symlink));
        if !is_linked {
            if !Stamp::of(&now).same_but_change_time(file.stamp) {
                return Err(StoreError::ChangedWhileRead {
                    path: file.path.clone(),
                });
            }
            let linked = Linked {
                object: &object,
                size: file.stamp.size,
                executable: file.executable,
            };
            // A copy is what the file is already.
            links.place(linked, &file.path)?;
        }
        let now = if is_linked {
            Stamp::of(&now)
        } else {
            Stamp::of(&fs_err::metadata(&file.path)?)
        };
        // A refused kind leaves the file itself, which is what was hashed if it was settled.
        let trusted = now.inode == stored.ino() || known.stamp.same_but_change_time(now);
        known.stamp = if trusted { now } else { Stamp::NONE };
        Ok(())
    }
}

/// Whether a file's own inode may become the object's.
fn may_adopt(links: &Links, file: &WalkedFile, original: Original) -> bool {
    original == Original::Linked
        && !file.link
        && file.names == 1
        && links.kind(file.stamp.size, file.executable) == Some(LinkKind::Hardlink)
}

/// How a file stands to the object of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// They are in the cache.
    Stored,
    /// The file itself became the object.
    Adopted,
    /// It was a link to the object already.
    Linked,
}

struct Stored {
    known: Known,
    /// Not in the cache before.
    fresh: bool,
    /// The file itself is the object now.
    adopted: bool,
}
