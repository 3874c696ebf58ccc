//! Bytes on their way, hashed as they pass.

use std::io::{self, Read, Write};

use ketch_dvc::{LegacyHasher, ObjectId};

use crate::cache::alike;
use crate::digest::Stream;

/// The reader of an object that fails at its end when the bytes are not those its name promises, so
/// that whoever writes them elsewhere does not finish.
pub(crate) struct VerifiedReader<R> {
    inner: R,
    id: ObjectId,
    hasher: Option<Hasher>,
    /// What the bytes hashed to, when that was not the name.
    pub(crate) damaged: Option<ObjectId>,
}

impl<R: Read> VerifiedReader<R> {
    pub(crate) fn new(inner: R, id: &ObjectId) -> Self {
        Self {
            inner,
            id: id.clone(),
            hasher: Some(Hasher::of(id)),
            damaged: None,
        }
    }
}

impl<R: Read> Read for VerifiedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(buffer.get(..read).unwrap_or_default());
            }
        } else if !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish(&self.id);
            if found != self.id {
                self.damaged = Some(found);
            }
        }
        if self.damaged.is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the content does not have the hash of its name",
            ));
        }
        Ok(read)
    }
}

/// Keeps nothing of what is written but its digest.
pub(crate) struct HashingSink(Hasher);

impl HashingSink {
    pub(crate) fn new(id: &ObjectId) -> Self {
        Self(Hasher::of(id))
    }

    /// What the bytes are, as the same kind of object as `id`.
    pub(crate) fn found(self, id: &ObjectId) -> ObjectId {
        self.0.finish(id)
    }
}

impl Write for HashingSink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The hash that an object's name is made of.
pub(crate) enum Hasher {
    Raw(Stream),
    Legacy(LegacyHasher),
}

impl Hasher {
    pub(crate) fn of(id: &ObjectId) -> Self {
        if id.is_legacy() {
            Self::Legacy(LegacyHasher::new())
        } else {
            Self::Raw(Stream::new())
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Raw(hasher) => hasher.update(bytes),
            Self::Legacy(hasher) => hasher.update(bytes),
        }
    }

    /// What was hashed, as the same kind of object as `id`.
    pub(crate) fn finish(self, id: &ObjectId) -> ObjectId {
        let found = match self {
            Self::Raw(hasher) => ObjectId::file_from_digest(hasher.finish()),
            Self::Legacy(hasher) => hasher.finish(),
        };
        alike(id, found)
    }
}

/// Copies everything, with a buffer no larger than what is expected.
pub(crate) fn copy(source: &mut dyn Read, sink: &mut dyn Write, expected: u64) -> io::Result<u64> {
    const LARGEST: u64 = 1 << 18;
    let mut buffer = vec![0; usize::try_from(expected.clamp(512, LARGEST - 1) + 1).unwrap_or(512)];
    let mut copied = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                sink.write_all(buffer.get(..read).unwrap_or_default())?;
                copied += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_bytes;

    #[test]
    fn other_bytes_never_reach_the_end() {
        let id = hash_bytes(b"right");
        let mut sink = Vec::new();
        let mut reader = VerifiedReader::new(&b"right"[..], &id);
        assert_eq!(copy(&mut reader, &mut sink, 5).unwrap(), 5);
        for wrong in [&b"wrong"[..], b"righ", b"right!", b""] {
            let mut reader = VerifiedReader::new(wrong, &id);
            copy(&mut reader, &mut sink, 5).unwrap_err();
            assert_eq!(reader.damaged, Some(hash_bytes(wrong)));
            // Not at a second try of the end either.
            reader.read(&mut [0; 8]).unwrap_err();
        }
        let manifest = hash_bytes(b"[]").as_directory();
        let mut reader = VerifiedReader::new(&b"[]"[..], &manifest);
        copy(&mut reader, &mut sink, 2).unwrap();
    }
}
