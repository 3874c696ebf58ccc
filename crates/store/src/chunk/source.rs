//! The remote below, with second attempts and with copies of indexes on this machine.

use std::collections::BTreeMap;
use std::io::{self, Write};

use camino::Utf8PathBuf;

use super::index::Index;
use super::pack::{TRAILER, Table, table, table_length};
use super::wire::{Digest, Malformed};
use super::{INDEXES, LARGEST_INDEX, PACKS, QUARANTINE};
use crate::Durability;
use crate::remote::{Remote, RemoteError, Retry};

#[derive(Debug)]
pub(super) struct Source {
    pub(super) inner: Box<dyn Remote>,
    pub(super) retry: Retry,
    /// Where copies of indexes are kept.
    pub(super) copies: Option<Utf8PathBuf>,
}

/// What there is, with sizes in bytes.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) packs: BTreeMap<Digest, u64>,
    pub(super) indexes: BTreeMap<Digest, u64>,
    pub(super) quarantine: BTreeMap<Digest, u64>,
}

pub(super) fn pack_key(name: &Digest) -> String {
    format!("{PACKS}{name}")
}

pub(super) fn index_key(name: &Digest) -> String {
    format!("{INDEXES}{name}")
}

pub(super) fn quarantine_key(name: &Digest) -> String {
    format!("{QUARANTINE}{name}")
}

impl Source {
    pub(super) fn retry<T>(
        &self,
        attempt: impl FnMut() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        self.retry.run(RemoteError::is_transient, attempt)
    }

    pub(super) fn jobs(&self) -> usize {
        self.inner.capabilities().jobs
    }

    pub(super) fn damaged(&self, key: &str, problem: impl Into<String>) -> RemoteError {
        RemoteError::Unreadable {
            remote: self.inner.name().to_owned(),
            object: key.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn list(&self) -> Result<Listing, RemoteError> {
        if !self.inner.capabilities().list {
            return Err(RemoteError::NotListable {
                remote: self.inner.name().to_owned(),
            });
        }
        // In this order: what leaves the quarantine is deleted before, and packs are there before the
        // indexes that name them, so neither looks better than it is.
        let quarantine = self.names(QUARANTINE)?;
        let indexes = self.names(INDEXES)?;
        let packs = self.names(PACKS)?;
        Ok(Listing {
            packs,
            indexes,
            quarantine,
        })
    }

    /// The files of a folder of ours, with their sizes in bytes.
    pub(super) fn names(&self, folder: &str) -> Result<BTreeMap<Digest, u64>, RemoteError> {
        self.retry(|| {
            let mut names = BTreeMap::new();
            self.inner
                .list(folder.trim_end_matches('/'), &mut |key, size| {
                    if let Some(name) = key.strip_prefix(folder).and_then(Digest::parse) {
                        names.insert(name, size);
                    }
                })?;
            Ok(names)
        })
    }

    pub(super) fn keys(&self, folder: &str) -> Result<Vec<String>, RemoteError> {
        let names = self.names(folder)?.into_keys();
        Ok(names.map(|name| format!("{folder}{name}")).collect())
    }

    pub(super) fn write(&self, key: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        self.retry(|| self.inner.write(key, &mut &*bytes, bytes.len() as u64))
    }

    pub(super) fn settle(&self) -> Result<(), RemoteError> {
        self.retry(|| self.inner.settle())
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.retry(|| self.inner.delete(key))
    }

    /// Part of a file; fewer bytes than asked for are an error.
    pub(super) fn range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, RemoteError> {
        let bytes = self.retry(|| {
            let mut bytes = Bounded::new(length);
            self.inner.read_range(key, offset, length, &mut bytes)?;
            Ok(bytes.bytes)
        })?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(self.damaged(key, "it ends too early"))
        }
    }

    /// An index out of `folder`, which is one of ours.
    pub(super) fn index(
        &self,
        folder: &str,
        name: &Digest,
    ) -> Result<Result<Index, Malformed>, RemoteError> {
        match self.index_bytes(folder, name) {
            Ok(bytes) => Ok(Index::read(&bytes)),
            Err(RemoteError::Unreadable { .. }) => {
                Ok(Err(Malformed("it is not what its name says")))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn index_bytes(&self, folder: &str, name: &Digest) -> Result<Vec<u8>, RemoteError> {
        if let Some(bytes) = self.copy(name) {
            return Ok(bytes);
        }
        let key = format!("{folder}{name}");
        let bytes = self.retry(|| {
            let mut bytes = Bounded::new(LARGEST_INDEX);
            self.inner.read(&key, &mut bytes)?;
            Ok(bytes.bytes)
        })?;
        if Digest::of(&bytes) != *name {
            return Err(self.damaged(&key, "it is not what its name says"));
        }
        self.keep(name, &bytes);
        Ok(bytes)
    }

    /// Writes an index, once all it speaks of would survive a power cut.
    pub(super) fn write_index(&self, index: &Index) -> Result<Digest, RemoteError> {
        let bytes = index.write();
        let name = Digest::of(&bytes);
        self.settle()?;
        self.write(&index_key(&name), &bytes)?;
        self.settle()?;
        self.keep(&name, &bytes);
        Ok(name)
    }

    /// The table out of a pack.
    pub(super) fn table(&self, name: &Digest, size: u64) -> Result<Table, RemoteError> {
        let key = pack_key(name);
        let malformed = |Malformed(problem)| self.damaged(&key, problem);
        let Some(at) = size.checked_sub(TRAILER as u64) else {
            return Err(self.damaged(&key, "it ends too early"));
        };
        let trailer = self.range(&key, at, TRAILER as u64)?;
        let (length, digest) = table_length(&trailer, size).map_err(malformed)?;
        let bytes = self.range(&key, at - length, length)?;
        table(&bytes, &digest, size).map_err(malformed)
    }

    /// Forgets copies of indexes that are not in use any more.
    pub(super) fn tidy(&self, listing: &Listing) {
        let Some(entries) = self
            .copies
            .as_ref()
            .and_then(|folder| folder.read_dir_utf8().ok())
        else {
            return;
        };
        for entry in entries.flatten() {
            if let Some(name) = Digest::parse(entry.file_name())
                && !listing.indexes.contains_key(&name)
            {
                // Next time, then.
                let _ = fs_err::remove_file(entry.path());
            }
        }
    }

    fn copy(&self, name: &Digest) -> Option<Vec<u8>> {
        let bytes = fs_err::read(self.copies.as_ref()?.join(name.to_string())).ok()?;
        (Digest::of(&bytes) == *name).then_some(bytes)
    }

    fn keep(&self, name: &Digest, bytes: &[u8]) {
        if let Some(folder) = &self.copies {
            let path = folder.join(name.to_string());
            // Without a copy it is fetched again.
            let _ = crate::write_atomically_with(&path, bytes, Durability::Buffered);
        }
    }
}

/// Takes so many bytes and no more.
pub(super) struct Bounded {
    pub(super) bytes: Vec<u8>,
    most: u64,
}

impl Bounded {
    pub(super) fn new(most: u64) -> Self {
        Self {
            bytes: Vec::new(),
            most,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + buffer.len()) as u64 > self.most {
            let text = "the remote sends more than was asked for";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
