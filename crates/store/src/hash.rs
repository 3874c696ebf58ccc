//! MD5 as DVC 3.x counts it: of the raw bytes.

use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;

use camino::Utf8Path;
use fs_err::File;
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use md5::{Digest, Md5};
use rayon::prelude::*;

use crate::atomic::named;
use crate::{Reporter, StoreError, walk_directory};

const BUFFER: usize = 1 << 20;

/// The id of these bytes.
pub fn hash_bytes(bytes: &[u8]) -> ObjectId {
    finish(Md5::new_with_prefix(bytes))
}

/// The id and the size in bytes of a file; links are followed.
///
/// A file that is written to meanwhile is an error, not a wrong answer.
pub fn hash_file(path: &Utf8Path) -> Result<(ObjectId, u64), StoreError> {
    copy_hashed(path, &mut io::sink())
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
    reporter.start(files.len() as u64);
    let hashed = files
        .into_par_iter()
        .map(|file| {
            let (id, size) = hash_file(&file.path)?;
            reporter.file(&file.path, size);
            Ok((
                ManifestEntry {
                    md5: id,
                    relpath: file.relative,
                },
                size,
            ))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    collect(path, hashed)
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

/// Copies a file into `sink` and says what was copied.
pub(crate) fn copy_hashed(
    path: &Utf8Path,
    sink: &mut dyn Write,
) -> Result<(ObjectId, u64), StoreError> {
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    let mut hasher = Md5::new();
    let mut buffer = vec![0; BUFFER.min(usize::try_from(before.len()).unwrap_or(BUFFER) + 1)];
    let mut size = 0;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        hasher.update(chunk);
        sink.write_all(chunk)
            .map_err(|error| named(path, "copy", &error))?;
        size += read as u64;
    }
    let after = file.metadata()?;
    let stamp =
        |metadata: &std::fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    if stamp(&before) != stamp(&after) || size != after.len() {
        return Err(StoreError::ChangedWhileRead {
            path: path.to_owned(),
        });
    }
    Ok((finish(hasher), size))
}

fn finish(hasher: Md5) -> ObjectId {
    let digest: [u8; 16] = hasher.finalize().into();
    ObjectId::file_from_digest(digest)
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
