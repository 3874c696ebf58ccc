//! The object of a directory: which files it has, each with the id of its bytes.

use std::collections::HashSet;

use md5::{Digest, Md5};
use serde::Deserialize;

use crate::json::write_string;
use crate::{FormatError, ObjectId};

/// One file of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The file's object.
    pub md5: ObjectId,
    /// The file's path below the directory, with forward slashes.
    pub relpath: String,
}

/// A directory's files, in the order and with the bytes DVC gives a `.dir` object.
///
/// Entries are sorted by path, by code point over the whole path. No path is absolute, has an
/// empty, `.` or `..` component, appears twice, or is both a file and a directory; so a manifest
/// can be laid out below any directory without leaving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<ManifestEntry>,
}

/// What errors call a manifest: it has no name but its hash.
const SOURCE_NAME: &str = "directory manifest";

/// Largest manifest that is read, in bytes: some ten million files.
const SIZE_LIMIT: usize = 1 << 30;

#[derive(Deserialize)]
struct RawEntry {
    md5: String,
    relpath: String,
    // Older and cloud-versioned manifests carry more (`size`, `etag`): of no use here.
}

impl Manifest {
    /// Sorts the entries and checks their paths.
    ///
    /// # Errors
    ///
    /// On a path that is not relative and plain, on two entries for one path, on a path that is
    /// both a file and a directory, and on an entry whose object is a directory.
    pub fn new(mut entries: Vec<ManifestEntry>) -> Result<Self, FormatError> {
        for entry in &entries {
            check_relpath(&entry.relpath)?;
            if entry.md5.is_directory() {
                return Err(error(&entry.relpath, "is given a directory's object"));
            }
        }
        entries.sort_by(|left, right| left.relpath.cmp(&right.relpath));
        for pair in entries.windows(2) {
            if pair[0].relpath == pair[1].relpath {
                return Err(error(&pair[0].relpath, "is listed twice"));
            }
        }
        let files: HashSet<&str> = entries.iter().map(|entry| entry.relpath.as_str()).collect();
        for entry in &entries {
            let ancestors = entry
                .relpath
                .match_indices('/')
                .map(|(at, _)| &entry.relpath[..at]);
            for ancestor in ancestors {
                if files.contains(ancestor) {
                    return Err(error(ancestor, "is both a file and a directory"));
                }
            }
        }
        Ok(Self { entries })
    }

    /// Reads a `.dir` object.
    ///
    /// # Errors
    ///
    /// When the bytes are no JSON list of `md5` and `relpath`, and for what [`Self::new`] refuses.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > SIZE_LIMIT {
            return Err(FormatError::new(
                SOURCE_NAME,
                "the manifest is larger than 1 GiB",
            ));
        }
        let raw: Vec<RawEntry> = serde_json::from_slice(bytes).map_err(|source| {
            FormatError::new(SOURCE_NAME, format!("not a list of files: {source}"))
                .with_hint("the object is damaged: remove it from the cache and fetch it again")
        })?;
        let entries = raw.into_iter().map(|entry| {
            let md5 = ObjectId::parse(&entry.md5).map_err(|cause| {
                error(
                    &entry.relpath,
                    &format!("has a bad hash: {}", cause.message()),
                )
            })?;
            Ok(ManifestEntry {
                md5,
                relpath: entry.relpath,
            })
        });
        Self::new(entries.collect::<Result<_, FormatError>>()?)
    }

    /// The bytes of the `.dir` object, as Python's `json.dumps(…, sort_keys=True)` writes them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::with_capacity(2 + self.entries.len() * 80);
        out.push('[');
        for (index, entry) in self.entries.iter().enumerate() {
            out.push_str(if index == 0 {
                "{\"md5\": \""
            } else {
                ", {\"md5\": \""
            });
            out.push_str(entry.md5.hex());
            out.push_str("\", \"relpath\": ");
            write_string(&entry.relpath, &mut out);
            out.push('}');
        }
        out.push(']');
        out.into_bytes()
    }

    /// The directory's id: the MD5 of [`Self::to_bytes`], as a directory.
    pub fn id(&self) -> ObjectId {
        ObjectId::file_from_digest(Md5::digest(self.to_bytes()).into()).as_directory()
    }

    /// The same files by DVC 2's hashes, as the manifest of a directory of DVC 2 has them.
    #[must_use]
    pub fn into_legacy(mut self) -> Self {
        for entry in &mut self.entries {
            entry.md5 = entry.md5.as_legacy();
        }
        self
    }

    /// The files, sorted by path.
    pub fn entries(&self) -> &[ManifestEntry] {
        &self.entries
    }
}

fn check_relpath(relpath: &str) -> Result<(), FormatError> {
    if relpath.starts_with('/') {
        return Err(error(relpath, "is absolute"));
    }
    if relpath.contains('\0') {
        return Err(error(relpath, "contains a NUL character"));
    }
    if relpath
        .split('/')
        .any(|component| matches!(component, "" | "." | ".."))
    {
        return Err(error(relpath, "has an empty, `.` or `..` component"));
    }
    Ok(())
}

fn error(relpath: &str, what: &str) -> FormatError {
    let shown: String = relpath.escape_debug().take(200).collect();
    FormatError::new(SOURCE_NAME, format!("path `{shown}` {what}"))
        .with_hint("do not check this directory out: DVC never writes such a manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(relpath: &str) -> ManifestEntry {
        ManifestEntry {
            md5: ObjectId::file_from_digest([7; 16]),
            relpath: relpath.to_owned(),
        }
    }

    #[test]
    fn has_the_bytes_and_the_id_of_dvc() {
        // Entries of a directory that DVC 3.67.1 added.
        let bytes = br#"[{"md5": "b1946ac92492d2347c6235b4d2611184", "relpath": "a.txt"}, {"md5": "469bba0a564235dfceede42db14f17b0", "relpath": "back\\slash"}, {"md5": "9dd4e461268c8034f5c8564e155c67a6", "relpath": "\u00fcn\u00ef/\u03c0 \"q\".bin"}, {"md5": "ba323c3f5b3f1b536461d41cc7f1ba60", "relpath": "\ud83d\ude00.txt"}]"#;
        let manifest = Manifest::parse(bytes).unwrap();
        assert_eq!(manifest.entries()[2].relpath, "ünï/π \"q\".bin");
        assert_eq!(manifest.to_bytes(), bytes);
        let empty = Manifest::new(Vec::new()).unwrap();
        assert_eq!(empty.to_bytes(), b"[]");
        assert_eq!(
            empty.id().to_string(),
            "d751713988987e9331980363e24189ce.dir"
        );
    }

    #[test]
    fn sorts_whole_paths_by_code_point() {
        let manifest =
            Manifest::new(["a/b", "a.txt", "a-b", "B", "é", "z"].map(entry).to_vec()).unwrap();
        let order: Vec<_> = manifest
            .entries()
            .iter()
            .map(|entry| entry.relpath.as_str())
            .collect();
        assert_eq!(order, ["B", "a-b", "a.txt", "a/b", "z", "é"]);
    }

    #[test]
    fn refuses_paths_that_leave_the_directory() {
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "./a",
            "a/.",
            "a\0b",
        ] {
            let found = Manifest::new(vec![entry(path)]).unwrap_err();
            assert!(found.hint().is_some(), "{path:?}: {found}");
        }
        let twice = Manifest::new(vec![entry("a"), entry("a")]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "directory manifest: path `a` is listed twice"
        );
        assert!(Manifest::new(["a", "a-b", "a/b"].map(entry).to_vec()).is_err());
    }

    #[test]
    fn ignores_extra_keys_and_refuses_other_shapes() {
        let extra = br#"[{"relpath": "x", "size": 3, "md5": "d41d8cd98f00b204e9800998ecf8427e"}]"#;
        assert_eq!(Manifest::parse(extra).unwrap().entries().len(), 1);
        for bytes in [
            &b""[..],
            b"{}",
            b"[1]",
            b"[{\"relpath\": \"x\"}]",
            b"[",
            b"\xff",
            br#"[{"relpath": "x", "md5": "12"}]"#,
        ] {
            assert!(Manifest::parse(bytes).is_err());
        }
    }
}
