//! What does not fit the memory budget goes to disk, cut into parts by the key's hash.
//!
//! The two sides of one key are in one part, so the parts are compared one by one.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use camino::{Utf8Path, Utf8PathBuf};

use crate::TableError;

/// How many parts there are: two open files for each at most.
pub(super) const PARTS: usize = 64;

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// Bytes by part and side, in the order in which they came.
pub(super) struct Spill {
    parts: Vec<[Vec<u8>; 2]>,
    /// Empty until memory has run out.
    files: Vec<[std::fs::File; 2]>,
    held: usize,
    budget: usize,
    folder: Utf8PathBuf,
}

impl Spill {
    pub(super) fn new(budget: usize, folder: &Utf8Path) -> Self {
        Self {
            parts: vec![[Vec::new(), Vec::new()]; PARTS],
            files: Vec::new(),
            held: 0,
            budget,
            folder: folder.to_owned(),
        }
    }

    /// Adds what `write` appends to a part.
    #[inline]
    pub(super) fn push(
        &mut self,
        part: usize,
        side: Side,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TableError> {
        let bytes = &mut self.parts[part][side as usize];
        let before = bytes.len();
        write(bytes);
        self.held += bytes.len() - before;
        if self.held > self.budget {
            self.flush().map_err(|source| TableError::Io {
                path: self.folder.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Whether nothing has gone to disk.
    pub(super) fn is_in_memory(&self) -> bool {
        self.files.is_empty()
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while self.files.len() < PARTS {
            // Without a name: they are gone when this is dropped, and after a crash.
            let file = || tempfile::tempfile_in(&self.folder);
            self.files.push([file()?, file()?]);
        }
        for (part, files) in self.parts.iter_mut().zip(&mut self.files) {
            for (bytes, file) in part.iter_mut().zip(files) {
                file.write_all(bytes)?;
                *bytes = Vec::new();
            }
        }
        self.held = 0;
        Ok(())
    }

    /// Takes the bytes of a part.
    pub(super) fn take(&mut self, part: usize, side: Side) -> Result<Vec<u8>, TableError> {
        let held = std::mem::take(&mut self.parts[part][side as usize]);
        let Some(files) = self.files.get_mut(part) else {
            return Ok(held);
        };
        let file = &mut files[side as usize];
        let mut read = || {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut bytes = read().map_err(|source| TableError::Io {
            path: self.folder.clone(),
            source,
        })?;
        bytes.extend_from_slice(&held);
        Ok(bytes)
    }
}
