//! What files hashed to, so that an unchanged file is never read again.
//!
//! One file, `.dvc/tmp/ketch-state` in a repository: Git ignores that folder already, DVC never
//! looks at what it does not know in there and removes it with the repository, a moved repository
//! keeps its index (paths are relative), and a linked work tree has its own. It is a cache: damaged
//! or gone, it is made anew; where it cannot be written, things are only slower.
//!
//! When an answer is believed: inode, size, modification and change time are those that were seen
//! before the bytes were read, and all of it is older than the moment reading began. A file that
//! changes within the very tick in which it was hashed would keep its stamp; so before a young file
//! is read, the tick is waited for. What this process wrote itself need not be read at all; it is
//! believed by others once it is older than the index, as in Git.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use crate::atomic::{Durability, named, place, temporary_beside};
use crate::digest::Digest;
use crate::stamp::{Clock, Stamp};
use crate::state_format::{Known, Record, Records, Tree, decode, encode};

/// The index of one repository. Read when first asked, written by [`StateIndex::save`] and when
/// dropped.
#[derive(Debug)]
pub struct StateIndex {
    file: Utf8PathBuf,
    root: Utf8PathBuf,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Nothing before the file was looked at.
    records: Option<Records>,
    /// The file that the records came from.
    origin: Option<Stamp>,
    /// Paths with records newer than the file's.
    changed: BTreeSet<String>,
    /// The latest stamp among those.
    newest: i64,
    clock: Option<Clock>,
}

impl StateIndex {
    /// The index in `file`, for paths below `root`. Nothing is read yet.
    pub fn open(file: impl Into<Utf8PathBuf>, root: impl Into<Utf8PathBuf>) -> Self {
        Self {
            file: file.into(),
            root: root.into(),
            memory: Mutex::default(),
        }
    }

    /// What was last known of the file at `path`, whatever it is now.
    pub(crate) fn known(&self, path: &Utf8Path) -> Option<Known> {
        let mut memory = self.memory();
        let records = self.load(&mut memory);
        let key = self.key(path);
        if let Some(Record::File(known)) = records.get(key.as_str()) {
            return Some(*known);
        }
        key.ancestors().skip(1).find_map(|directory| {
            let Some(Record::Directory(tree)) = records.get(directory.as_str()) else {
                return None;
            };
            let relative = key.strip_prefix(directory).ok()?.as_str();
            let place = tree
                .entries
                .binary_search_by(|(known, _)| known.as_str().cmp(relative))
                .ok()?;
            Some(tree.entries.get(place)?.1)
        })
    }

    /// What is known of the directory at `path`.
    pub(crate) fn directory(&self, path: &Utf8Path) -> Option<Arc<Tree>> {
        let mut memory = self.memory();
        match self.load(&mut memory).get(self.key(path).as_str()) {
            Some(Record::Directory(tree)) => Some(Arc::clone(tree)),
            _ => None,
        }
    }

    /// Waits, for a tick at most, until changes to a file with this stamp would show. To be asked
    /// before the file is read.
    pub(crate) fn settle(&self, stamp: Stamp) -> bool {
        let mut memory = self.memory();
        if memory.clock.is_none() {
            memory.clock = Clock::of(crate::atomic::parent(&self.file)).ok();
        }
        memory
            .clock
            .as_mut()
            .is_some_and(|clock| clock.settle(stamp.newest()))
    }

    /// Remembers a file that had this stamp and was settled before it was read, or that this
    /// process has written.
    pub(crate) fn record_file(&self, path: &Utf8Path, stamp: Stamp, digest: Digest) {
        self.record(path, stamp.newest(), Record::File(Known { stamp, digest }));
    }

    /// Remembers a directory; its entries in order, with [`Stamp::NONE`] where nothing is sure.
    pub(crate) fn record_directory(&self, path: &Utf8Path, tree: Tree) {
        let newest = tree
            .entries
            .iter()
            .map(|(_, known)| known.stamp.newest())
            .max();
        self.record(
            path,
            newest.unwrap_or(i64::MIN),
            Record::Directory(Arc::new(tree)),
        );
    }

    fn record(&self, path: &Utf8Path, newest: i64, record: Record) {
        let mut memory = self.memory();
        let key = self.key(path).to_string();
        self.load(&mut memory).insert(key.clone(), record);
        memory.changed.insert(key);
        memory.newest = memory.newest.max(newest);
    }

    /// Writes what is new, on top of what other processes wrote meanwhile.
    pub fn save(&self) -> io::Result<()> {
        let mut memory = self.memory();
        if memory.changed.is_empty() {
            return Ok(());
        }
        let mine = memory.records.take().unwrap_or_default();
        let origin = stamp_of(&self.file);
        let mut records = if origin.is_some() && origin == memory.origin {
            mine
        } else {
            // Two that save at the same moment lose one's news, and hash those files once more.
            let mut theirs = self.read().map(|(records, _)| records).unwrap_or_default();
            for (path, record) in mine {
                if memory.changed.contains(&path) {
                    theirs.insert(path, record);
                }
            }
            theirs
        };
        records.retain(|path, _| self.root.join(path).symlink_metadata().is_ok());
        let newest = memory.newest;
        let written = self.write(&records, memory.clock.as_mut(), newest);
        memory.records = Some(records);
        memory.origin = written?;
        memory.changed.clear();
        Ok(())
    }

    fn write(
        &self,
        records: &Records,
        clock: Option<&mut Clock>,
        newest: i64,
    ) -> io::Result<Option<Stamp>> {
        let bytes = encode(records);
        // Past the tick of what was written last, so that the next process believes all of it.
        match clock {
            Some(clock) => clock.settle(newest),
            None => Clock::of(crate::atomic::parent(&self.file))?.settle(newest),
        };
        let mut file = temporary_beside(&self.file)?;
        io::Write::write_all(&mut file, &bytes)
            .map_err(|error| named(&self.file, "write", &error))?;
        place(file, &self.file, Durability::Buffered)?;
        Ok(stamp_of(&self.file))
    }

    fn load<'a>(&self, memory: &'a mut Memory) -> &'a mut Records {
        if memory.records.is_none() {
            let (records, origin) = self.read().unzip();
            memory.records = Some(records.unwrap_or_default());
            memory.origin = origin;
        }
        memory.records.get_or_insert_default()
    }

    fn read(&self) -> Option<(Records, Stamp)> {
        // Replaced between the two, the stamp is the older one, and less is believed.
        let stamp = stamp_of(&self.file)?;
        let bytes = fs_err::read(&self.file).ok()?;
        Some((decode(&bytes, stamp.modified)?, stamp))
    }

    fn key<'a>(&self, path: &'a Utf8Path) -> &'a Utf8Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StateIndex {
    fn drop(&mut self) {
        // It costs time to lose it, nothing else.
        let _ = self.save();
    }
}

fn stamp_of(path: &Utf8Path) -> Option<Stamp> {
    Some(Stamp::of(&fs_err::metadata(path).ok()?))
}
