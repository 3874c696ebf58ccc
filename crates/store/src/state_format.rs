//! The bytes of the state index. Little-endian:
//!
//! ```text
//! magic, 8 bytes
//! records, each
//!     kind, 1 byte: 1 a file, 2 a directory
//!     path: length as u32, UTF-8
//!     of a file: stamp (inode u64, size u64, modified i64, changed i64), MD5
//!     of a directory: MD5 of its manifest, size u64, entries u32, each: path, stamp, MD5
//! CRC-32 of all before, 4 bytes
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::Digest;
use crate::stamp::Stamp;

const MAGIC: &[u8; 8] = b"ketchSI\x01";
const CHECKSUM: usize = 4;

/// What is known, by path below the root; outside of it, by absolute path.
pub(crate) type Records = BTreeMap<String, Record>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    File(Known),
    Directory(Arc<Tree>),
}

/// The digest of a file that had this stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) stamp: Stamp,
    pub(crate) digest: Digest,
}

/// A directory's files and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) manifest: Digest,
    /// Sum over the files, in bytes.
    pub(crate) size: u64,
    /// By path below the directory, in its order.
    pub(crate) entries: Vec<(String, Known)>,
}

pub(crate) fn encode(records: &Records) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for (path, record) in records {
        match record {
            Record::File(known) => {
                out.push(1);
                put_text(&mut out, path);
                put_known(&mut out, known);
            }
            Record::Directory(tree) => {
                out.push(2);
                put_text(&mut out, path);
                out.extend(tree.manifest);
                out.extend(tree.size.to_le_bytes());
                out.extend((tree.entries.len() as u32).to_le_bytes());
                for (relative, known) in &tree.entries {
                    put_text(&mut out, relative);
                    put_known(&mut out, known);
                }
            }
        }
    }
    let checksum = crc32fast::hash(&out);
    out.extend(checksum.to_le_bytes());
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_known(out: &mut Vec<u8>, known: &Known) {
    out.extend(known.stamp.inode.to_le_bytes());
    out.extend(known.stamp.size.to_le_bytes());
    out.extend(known.stamp.modified.to_le_bytes());
    out.extend(known.stamp.changed.to_le_bytes());
    out.extend(known.digest);
}

/// The records of a file that was written at `written`; nothing if it is damaged.
///
/// A file may have changed once more in the tick in which the index was written, without a trace
/// in its stamp. Such stamps come back as [`Stamp::NONE`], which no file has.
pub(crate) fn decode(bytes: &[u8], written: i64) -> Option<Records> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if crc32fast::hash(body).to_le_bytes() != checksum {
        return None;
    }
    let mut reader = Reader {
        rest: body.strip_prefix(MAGIC)?,
        written,
    };
    let mut records = Records::new();
    while !reader.rest.is_empty() {
        let [kind] = reader.array()?;
        let path = reader.text()?;
        let record = match kind {
            1 => Record::File(reader.known()?),
            2 => {
                let manifest = reader.array()?;
                let size = u64::from_le_bytes(reader.array()?);
                let count = u32::from_le_bytes(reader.array()?);
                let mut entries = Vec::with_capacity((count as usize).min(reader.rest.len() / 52));
                for _ in 0..count {
                    entries.push((reader.text()?, reader.known()?));
                }
                Record::Directory(Arc::new(Tree {
                    manifest,
                    size,
                    entries,
                }))
            }
            _ => return None,
        };
        records.insert(path, record);
    }
    Some(records)
}

struct Reader<'a> {
    rest: &'a [u8],
    written: i64,
}

impl Reader<'_> {
    fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (found, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*found)
    }

    fn text(&mut self) -> Option<String> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    }

    fn known(&mut self) -> Option<Known> {
        let stamp = Stamp {
            inode: u64::from_le_bytes(self.array()?),
            size: u64::from_le_bytes(self.array()?),
            modified: i64::from_le_bytes(self.array()?),
            changed: i64::from_le_bytes(self.array()?),
        };
        let digest = self.array()?;
        let stamp = if stamp.newest() < self.written {
            stamp
        } else {
            Stamp::NONE
        };
        Some(Known { stamp, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: u64) -> Known {
        Known {
            stamp: Stamp {
                inode: number,
                size: 7,
                modified: 10,
                changed: number as i64,
            },
            digest: [number as u8; 16],
        }
    }

    fn sample() -> Records {
        let tree = Tree {
            manifest: [9; 16],
            size: 14,
            entries: vec![("a b".into(), known(1)), ("ü/c\n".into(), known(2))],
        };
        Records::from([
            ("data".into(), Record::Directory(Arc::new(tree))),
            ("file".into(), Record::File(known(30))),
        ])
    }

    #[test]
    fn comes_back() {
        assert_eq!(decode(&encode(&sample()), 100), Some(sample()));
        assert_eq!(
            decode(&encode(&Records::new()), 0),
            Some(Records::default())
        );
    }

    #[test]
    fn what_is_not_older_than_the_index_is_not_believed() {
        let records = decode(&encode(&sample()), 30).unwrap();
        let Some(Record::File(file)) = records.get("file") else {
            panic!()
        };
        assert_eq!(file.stamp, Stamp::NONE);
        let Some(Record::Directory(tree)) = records.get("data") else {
            panic!()
        };
        assert_eq!(tree.entries[0].1, known(1));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_shows() {
        let bytes = encode(&sample());
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length], 100), None, "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert_eq!(decode(&damaged, 100), None, "byte {at}");
        }
    }

    #[test]
    fn counts_that_lie_do_not_take_memory() {
        let mut bytes = MAGIC.to_vec();
        bytes.push(2);
        put_text(&mut bytes, "d");
        bytes.extend([0; 24]);
        bytes.extend(u32::MAX.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        assert_eq!(decode(&bytes, 100), None);
    }
}
