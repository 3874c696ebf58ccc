//! The name of an object: the MD5 of its bytes, and whether those bytes are a directory manifest.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::FormatError;

/// The MD5 of an object's bytes and whether the object is a directory's [`Manifest`].
///
/// Written as 32 lower-case hexadecimal digits, with `.dir` behind them for a directory. Whether the
/// hash is that of DVC 2 (see [`LegacyHasher`]), whose objects lie elsewhere, is not written: an
/// entry of a `.dvc` file or of `dvc.lock` without `hash:` says it.
///
/// [`Manifest`]: crate::Manifest
/// [`LegacyHasher`]: crate::LegacyHasher
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ObjectId {
    hex: String,
    directory: bool,
    legacy: bool,
}

const DIRECTORY_SUFFIX: &str = ".dir";
const HEX_LENGTH: usize = 32;

impl ObjectId {
    /// The id of a file whose bytes have this MD5.
    pub fn file_from_digest(digest: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(HEX_LENGTH);
        for byte in digest {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        Self {
            hex,
            directory: false,
            legacy: false,
        }
    }

    /// Reads `<32 hex digits>` or `<32 hex digits>.dir`; upper-case digits are lowered, as DVC
    /// does on reading.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let (hex, directory) = match text.strip_suffix(DIRECTORY_SUFFIX) {
            Some(hex) => (hex, true),
            None => (text, false),
        };
        if hex.len() != HEX_LENGTH || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let shown: String = text.chars().take(80).collect();
            return Err(
                FormatError::new("md5", format!("`{shown}` is not an MD5 object id")).with_hint(
                    "an object id is 32 hexadecimal digits, with `.dir` for a directory",
                ),
            );
        }
        Ok(Self {
            hex: hex.to_ascii_lowercase(),
            directory,
            legacy: false,
        })
    }

    /// Whether the object is a directory's manifest.
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// The same digest, as the id of a directory.
    #[must_use]
    pub fn as_directory(&self) -> Self {
        Self {
            directory: true,
            ..self.clone()
        }
    }

    /// The same digest, as one of DVC 2's.
    #[must_use]
    pub fn as_legacy(&self) -> Self {
        Self {
            legacy: true,
            ..self.clone()
        }
    }

    /// Whether the hash is DVC 2's, which is not of the raw bytes.
    pub fn is_legacy(&self) -> bool {
        self.legacy
    }

    /// The 32 lower-case hexadecimal digits, without `.dir`.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Where the object lies in a cache or a remote: `files/md5/ab/cdef….dir`; of DVC 2
    /// `ab/cdef….dir`.
    pub fn cache_path(&self) -> String {
        let (prefix, rest) = self.hex.split_at(2);
        let suffix = if self.directory { DIRECTORY_SUFFIX } else { "" };
        let folder = if self.legacy { "" } else { "files/md5/" };
        format!("{folder}{prefix}/{rest}{suffix}")
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex)?;
        if self.directory {
            f.write_str(DIRECTORY_SUFFIX)
        } else {
            Ok(())
        }
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ObjectId {
    type Error = FormatError;

    fn try_from(text: String) -> Result<Self, FormatError> {
        Self::parse(&text)
    }
}

impl FromStr for ObjectId {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_objects_as_dvc_does() {
        let id = ObjectId::parse("2f2b7d0e4c3883b61702739a7de08eca.dir").unwrap();
        assert!(id.is_directory());
        assert_eq!(
            id.cache_path(),
            "files/md5/2f/2b7d0e4c3883b61702739a7de08eca.dir"
        );
        assert_eq!(id.to_string(), "2f2b7d0e4c3883b61702739a7de08eca.dir");
        let file = ObjectId::file_from_digest([0xd4; 16]);
        assert_eq!(file.hex(), "d4".repeat(16));
        assert_eq!(file.as_directory().to_string(), format!("{file}.dir"));
    }

    #[test]
    fn refuses_what_is_no_md5() {
        for text in [
            "",
            "abc",
            ".dir",
            "../../etc/passwd",
            &"g".repeat(32),
            &"é".repeat(16),
        ] {
            let error = ObjectId::parse(text).unwrap_err();
            assert!(error.hint().is_some(), "{text}");
        }
        assert_eq!(
            ObjectId::parse(&"AB".repeat(16)).unwrap().hex(),
            "ab".repeat(16)
        );
    }

    #[test]
    fn serialises_as_text() {
        let id = ObjectId::parse("2f2b7d0e4c3883b61702739a7de08eca.dir").unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"2f2b7d0e4c3883b61702739a7de08eca.dir\"");
        assert_eq!(serde_json::from_str::<ObjectId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<ObjectId>("\"x\"").is_err());
    }
}
