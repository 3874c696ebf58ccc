//! Content that comes from elsewhere into the cache, hashed on its way.

use std::io::{self, Write};

use ketch_dvc::{Manifest, ObjectId};

use crate::atomic::{Durability, named, temporary_beside};
use crate::digest::Stream;
use crate::{Cache, StoreError};

impl Cache {
    /// Puts what `send` writes into the cache: one pass, under the hash of what was written.
    /// Returns the object and its size in bytes.
    ///
    /// The error of `send` is returned as it is, and nothing is kept then.
    pub fn receive<E: From<StoreError>>(
        &self,
        send: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(ObjectId, u64), E> {
        // Its name is not known yet, so neither is its folder.
        let beside = self.root().join("incoming");
        let file = temporary_beside(&beside).map_err(StoreError::Io)?;
        let mut sink = Incoming {
            file: file.as_file(),
            stream: Stream::new(),
            size: 0,
            failure: None,
        };
        let sent = send(&mut sink);
        if let Some(error) = sink.failure.take() {
            // The disk is full, say: not the sender's fault.
            return Err(StoreError::Io(named(&beside, "write", &error)).into());
        }
        sent?;
        let size = sink.size;
        let id = ObjectId::file_from_digest(sink.stream.finish());
        if !self.contains(&id) {
            self.place_object(file, &id, self.durability())?;
        }
        Ok((id, size))
    }

    /// Puts the manifest of a directory into the cache; one of DVC 2's hashes among its objects.
    pub fn add_manifest(&self, manifest: &Manifest) -> Result<ObjectId, StoreError> {
        let mut id = manifest.id();
        if manifest.entries().iter().any(|entry| entry.md5.is_legacy()) {
            id = id.as_legacy();
        }
        self.write_object(&id, &manifest.to_bytes(), Durability::Synced)?;
        Ok(id)
    }
}

/// Hashes and counts what it writes.
struct Incoming<W> {
    file: W,
    stream: Stream,
    size: u64,
    /// Why the file could not be written.
    failure: Option<io::Error>,
}

impl<W: Write> Write for Incoming<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.file.write(buffer) {
            Ok(written) => {
                self.stream
                    .update(buffer.get(..written).unwrap_or_default());
                self.size += written as u64;
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                Err(copy)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::hash_bytes;

    #[test]
    fn what_was_sent_is_an_object_and_what_failed_is_nothing() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap().join("cache");
        let cache = Cache::open(&root);
        let send = |sink: &mut dyn Write| {
            sink.write_all(b"some ")?;
            Ok::<(), StoreError>(sink.write_all(b"bytes")?)
        };
        let id = hash_bytes(b"some bytes");
        assert_eq!(cache.receive(send).unwrap(), (id.clone(), 10));
        assert_eq!(cache.receive(send).unwrap(), (id.clone(), 10));
        assert_eq!(cache.read(&id).unwrap(), b"some bytes");
        let failed = cache.receive(|sink: &mut dyn Write| {
            sink.write_all(b"half")?;
            Err::<(), StoreError>(io::Error::other("gone").into())
        });
        assert_eq!(failed.unwrap_err().to_string(), "gone");
        // The objects' folder and nothing else.
        assert_eq!(fs_err::read_dir(&root).unwrap().count(), 1);
        let manifest = Manifest::new(Vec::new()).unwrap();
        let directory = cache.add_manifest(&manifest).unwrap();
        assert_eq!(cache.manifest(&directory).unwrap(), manifest);
    }
}
