//! MD5 as DVC 3.x counts it: of the raw bytes.

use std::io::{self, Read, Write};

use camino::Utf8Path;
use fs_err::File;
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};

use crate::atomic::named;
use crate::content::digest_files;
use crate::digest::{Digest, Stream, digest_many};
use crate::{Reporter, Stamp, StoreError, walk_directory};

const BUFFER: usize = 1 << 20;

/// The id of these bytes.
pub fn hash_bytes(bytes: &[u8]) -> ObjectId {
    let digest = digest_many(&[bytes]).first().copied().unwrap_or_default();
    ObjectId::file_from_digest(digest)
}

/// The id and the size in bytes of a file; links are followed.
///
/// A file that is written to meanwhile is an error, not a wrong answer.
pub fn hash_file(path: &Utf8Path) -> Result<(ObjectId, u64), StoreError> {
    let copied = copy_hashed(path, &mut io::sink())?;
    Ok((ObjectId::file_from_digest(copied.digest), copied.size))
}

/// The manifest of a directory and the sum of its files' sizes, without storing anything.
///
/// `root` is the repository root, whose `.dvcignore` files are honoured.
pub fn hash_directory(
    root: &Utf8Path,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<(Manifest, u64), StoreError> {
    let files = walk_directory(root, path)?;
    digest_files(None, path, files, reporter)?.manifest(path)
}

/// A manifest and the summed size out of hashed entries.
pub(crate) fn collect(
    path: &Utf8Path,
    hashed: Vec<(ManifestEntry, u64)>,
) -> Result<(Manifest, u64), StoreError> {
    let size = hashed.iter().map(|(_, size)| size).sum();
    let manifest =
        Manifest::new(hashed.into_iter().map(|(entry, _)| entry).collect()).map_err(|source| {
            StoreError::Manifest {
                path: path.to_owned(),
                source,
            }
        })?;
    Ok((manifest, size))
}

/// What went through [`copy_hashed`].
pub(crate) struct Copied {
    pub(crate) digest: Digest,
    /// In bytes.
    pub(crate) size: u64,
    /// What was read, if it was the same before and after.
    pub(crate) stamp: Option<Stamp>,
}

impl Copied {
    pub(crate) fn id(&self) -> ObjectId {
        ObjectId::file_from_digest(self.digest)
    }
}

/// Copies a file into `sink` and says what was copied.
pub(crate) fn copy_hashed(path: &Utf8Path, sink: &mut dyn Write) -> Result<Copied, StoreError> {
    let mut file = File::open(path)?;
    let before = Stamp::of(&file.metadata()?);
    let mut stream = Stream::new();
    let mut buffer = vec![0; BUFFER.min(usize::try_from(before.size).unwrap_or(BUFFER) + 1)];
    let mut size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        stream.update(chunk);
        sink.write_all(chunk)
            .map_err(|error| named(path, "copy", &error))?;
        size += read as u64;
    }
    let after = Stamp::of(&file.metadata()?);
    // The change time also moves when a link is made, which harms nobody.
    if !before.same_but_change_time(after) || size != after.size {
        return Err(StoreError::ChangedWhileRead {
            path: path.to_owned(),
        });
    }
    Ok(Copied {
        digest: stream.finish(),
        size,
        stamp: (before == after).then_some(after),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        assert_eq!(
            hash_bytes(b"").to_string(),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        // dvc-format.md 1.2: raw bytes, line endings untouched.
        assert_eq!(
            hash_bytes(b"a\r\nb\r\n").to_string(),
            "59b0d7772f0561efb95518f3cb8abc60"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = hash_file(Utf8Path::new("no/such/file")).unwrap_err();
        assert!(error.to_string().contains("no/such/file"), "{error}");
    }
}
