//! What files and directories hash to: known from the index, or read, small files in batches.

use std::io;

use camino::Utf8Path;
use fs_err::File;
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use rayon::prelude::*;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::atomic::named;
use crate::digest::{Digest, digest_many};
use crate::hash::{collect, copy_hashed};
use crate::state_format::{Known, Tree};
use crate::{Cache, Reporter, Stamp, StateIndex, StoreError, WalkedFile, walk_directory};

/// Up to here a file is read whole and hashed beside others.
pub(crate) const SMALL: u64 = 1 << 18;
/// As many as the lanes of the processor take at once, a few times over.
const BATCH_FILES: usize = 64;
/// What fits into the cache of a processor beside everything else.
const BATCH_BYTES: u64 = 1 << 20;

/// A file and what it hashed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFile {
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// Whether anybody may execute it.
    pub executable: bool,
}

/// A directory and what it hashed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedDirectory {
    pub id: ObjectId,
    /// Sum over the files, in bytes.
    pub size: u64,
    /// How many files.
    pub files: u64,
}

/// What a walk found, each file with its digest.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) files: Vec<WalkedFile>,
    pub(crate) known: Vec<Known>,
}

impl Contents {
    pub(crate) fn manifest(&self, path: &Utf8Path) -> Result<(Manifest, u64), StoreError> {
        let entries = self.files.iter().zip(&self.known).map(|(file, known)| {
            let entry = ManifestEntry {
                md5: ObjectId::file_from_digest(known.digest),
                relpath: file.relative.clone(),
            };
            (entry, file.stamp.size)
        });
        collect(path, entries.collect())
    }

    /// Remembers all of it.
    pub(crate) fn record(self, state: &StateIndex, path: &Utf8Path, manifest: &ObjectId) {
        let Some(manifest) = digest_of(manifest) else {
            return;
        };
        let size = self.files.iter().map(|file| file.stamp.size).sum();
        let relatives = self.files.into_iter().map(|file| file.relative);
        let tree = Tree {
            manifest,
            size,
            entries: relatives.zip(self.known).collect(),
        };
        state.record_directory(path, tree);
    }
}

/// A file, read only if it has to be.
pub(crate) fn hash_known_file(
    cache: &Cache,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<HashedFile, StoreError> {
    let file = WalkedFile::at(path)?;
    let (size, executable) = (file.stamp.size, file.executable);
    let state = cache.state();
    let remembered = state.and_then(|state| state.known(path));
    let known = match remembered {
        Some(known) if known.stamp == file.stamp => known,
        Some(known) if cache.is_object(&known, file.stamp) => Known {
            stamp: file.stamp,
            ..known
        },
        _ => {
            let batch = Batch::read(Some(cache), &[&file])?;
            reporter.file(path, size);
            let Some(known) = batch.known.first() else {
                return Err(StoreError::NotRegular { path: file.path });
            };
            *known
        }
    };
    if let Some(state) = state
        && known.stamp != Stamp::NONE
        && remembered != Some(known)
    {
        state.record_file(path, known.stamp, known.digest);
    }
    Ok(HashedFile {
        id: ObjectId::file_from_digest(known.digest),
        size,
        executable,
    })
}

/// A directory; nothing is read, and no manifest made, if nothing in it has changed.
pub(crate) fn hash_known_directory(
    cache: &Cache,
    root: &Utf8Path,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<HashedDirectory, StoreError> {
    let state = cache.state();
    let files = walk_directory(root, path)?;
    if let Some(tree) = state.and_then(|state| state.directory(path))
        && is_same(&tree, &files)
    {
        return Ok(HashedDirectory {
            id: ObjectId::file_from_digest(tree.manifest).as_directory(),
            size: tree.size,
            files: files.len() as u64,
        });
    }
    let contents = digest_files(Some(cache), path, files, reporter)?;
    let (manifest, size) = contents.manifest(path)?;
    let id = manifest.id();
    if let Some(state) = state {
        contents.record(state, path, &id);
    }
    Ok(HashedDirectory {
        id,
        size,
        files: manifest.entries().len() as u64,
    })
}

fn is_same(tree: &Tree, files: &[WalkedFile]) -> bool {
    tree.entries.len() == files.len()
        && tree
            .entries
            .iter()
            .zip(files)
            .all(|((relative, known), file)| {
                known.stamp == file.stamp && *relative == file.relative
            })
}

/// The digests of walked files: those the index knows, the others read in parallel.
pub(crate) fn digest_files(
    cache: Option<&Cache>,
    path: &Utf8Path,
    files: Vec<WalkedFile>,
    reporter: &dyn Reporter,
) -> Result<Contents, StoreError> {
    let before = recall(cache, path, &files);
    let unknown: Vec<&WalkedFile> = files
        .iter()
        .zip(&before)
        .filter(|(_, known)| known.is_none())
        .map(|(file, _)| file)
        .collect();
    reporter.start(unknown.len() as u64);
    let read = batches(&unknown)
        .par_iter()
        .map(|batch| {
            let found = Batch::read(cache, batch)?;
            for file in *batch {
                reporter.file(&file.path, file.stamp.size);
            }
            Ok(found.known)
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let mut read = read.into_iter().flatten();
    let known = before
        .into_iter()
        .filter_map(|known| known.or_else(|| read.next()))
        .collect();
    Ok(Contents { files, known })
}

/// What the index knows of each file as it is now.
pub(crate) fn recall(
    cache: Option<&Cache>,
    path: &Utf8Path,
    files: &[WalkedFile],
) -> Vec<Option<Known>> {
    let Some((cache, state)) = cache.and_then(|cache| cache.state().map(|state| (cache, state)))
    else {
        return vec![None; files.len()];
    };
    let tree = state.directory(path);
    let mut entries = tree.iter().flat_map(|tree| &tree.entries).peekable();
    files
        .iter()
        .map(|file| {
            while entries
                .next_if(|(relative, _)| *relative < file.relative)
                .is_some()
            {}
            let found = match entries.next_if(|(relative, _)| *relative == file.relative) {
                Some((_, known)) => Some(*known),
                None => state.known(&file.path),
            };
            found
                .filter(|known| known.stamp == file.stamp || cache.is_object(known, file.stamp))
                .map(|known| Known {
                    stamp: file.stamp,
                    ..known
                })
        })
        .collect()
}

/// Files that are read and hashed together: many small ones, or one that is not.
pub(crate) fn batches<'a>(files: &'a [&'a WalkedFile]) -> Vec<&'a [&'a WalkedFile]> {
    let mut batches = Vec::new();
    let mut rest = files;
    while let Some(first) = rest.first() {
        let mut bytes = first.stamp.size;
        let more = rest
            .iter()
            .skip(1)
            .take(BATCH_FILES - 1)
            .take_while(|file| {
                bytes = bytes.saturating_add(file.stamp.size);
                file.stamp.size <= SMALL && bytes <= BATCH_BYTES
            });
        let length = if first.stamp.size > SMALL {
            1
        } else {
            1 + more.count()
        };
        let (batch, after) = rest.split_at(length);
        batches.push(batch);
        rest = after;
    }
    batches
}

/// The bytes of some small files, or of one large file only the digest.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pub(crate) known: Vec<Known>,
}

impl Batch {
    pub(crate) fn read(cache: Option<&Cache>, files: &[&WalkedFile]) -> Result<Self, StoreError> {
        let settled: Vec<bool> = files
            .iter()
            .map(|file| cache.is_some_and(|cache| cache.settle(file.stamp)))
            .collect();
        let mut batch = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(files.len()),
            known: Vec::with_capacity(files.len()),
        };
        let stamp = |settled: bool, file: &WalkedFile, found: Option<Stamp>| {
            if settled && found == Some(file.stamp) {
                file.stamp
            } else {
                Stamp::NONE
            }
        };
        if let [file] = files
            && file.stamp.size > SMALL
        {
            let copied = copy_hashed(&file.path, &mut io::sink())?;
            refuse_other_size(file, copied.size)?;
            batch.known.push(Known {
                stamp: stamp(settled.contains(&true), file, copied.stamp),
                digest: copied.digest,
            });
            return Ok(batch);
        }
        let expected: u64 = files.iter().map(|file| file.stamp.size + 1).sum();
        batch.bytes.reserve(expected as usize);
        let mut stamps = Vec::with_capacity(files.len());
        for (file, settled) in files.iter().zip(settled) {
            let found = read_whole(file, &mut batch.bytes)?;
            batch.ends.push(batch.bytes.len());
            stamps.push(stamp(settled, file, Some(found)));
        }
        let messages: Vec<&[u8]> = (0..files.len()).map(|at| batch.content(at)).collect();
        let digests = digest_many(&messages);
        batch.known = stamps
            .into_iter()
            .zip(digests)
            .map(|(stamp, digest)| Known { stamp, digest })
            .collect();
        Ok(batch)
    }

    /// The bytes of the file at this place in the batch; nothing of a large one.
    pub(crate) fn content(&self, at: usize) -> &[u8] {
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }
}

/// Appends a small file's bytes. Its size and its times must be the same before and after.
fn read_whole(file: &WalkedFile, bytes: &mut Vec<u8>) -> Result<Stamp, StoreError> {
    let start = bytes.len();
    let handle = File::open(&file.path)?;
    // Into room that nobody has filled with zeros before.
    let mut missing = file.stamp.size as usize;
    bytes.reserve(missing);
    while missing > 0 {
        match rustix::io::read(&handle, spare_capacity(bytes)) {
            // Shorter than it was.
            Ok(0) => break,
            Ok(read) => missing = missing.saturating_sub(read),
            Err(Errno::INTR) => {}
            Err(error) => return Err(named(&file.path, "read", &error.into()).into()),
        }
    }
    let after = Stamp::of(&handle.metadata()?);
    if (bytes.len() - start) as u64 != file.stamp.size || !after.same_but_change_time(file.stamp) {
        return Err(StoreError::ChangedWhileRead {
            path: file.path.clone(),
        });
    }
    Ok(after)
}

fn refuse_other_size(file: &WalkedFile, size: u64) -> Result<(), StoreError> {
    if size == file.stamp.size {
        Ok(())
    } else {
        Err(StoreError::ChangedWhileRead {
            path: file.path.clone(),
        })
    }
}

/// The 16 bytes of an id.
pub(crate) fn digest_of(id: &ObjectId) -> Option<Digest> {
    let mut digest = Digest::default();
    for (byte, pair) in digest.iter_mut().zip(id.hex().as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
