//! What does not fit the memory budget goes to disk, cut into parts by the key's hash.
//!
//! The two sides of one key are in one part, so the parts are compared one by one.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use camino::{Utf8Path, Utf8PathBuf};

use crate::TableError;

/// How many parts there are: one open file for each and each sort at most.
pub(super) const PARTS: usize = 64;

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// Bytes of `SORTS` sorts by part, in the order in which they came.
pub(super) struct Spill<const SORTS: usize> {
    parts: Vec<[Part; SORTS]>,
    is_in_memory: bool,
    held: usize,
    budget: usize,
    folder: Utf8PathBuf,
}

#[derive(Default)]
struct Part {
    /// What came last.
    held: Vec<u8>,
    /// What came before it. Without a name: it is gone when this is dropped, and after a crash.
    file: Option<File>,
}

impl<const SORTS: usize> Spill<SORTS> {
    pub(super) fn new(budget: usize, folder: &Utf8Path) -> Self {
        let part = |_| std::array::from_fn(|_| Part::default());
        Self {
            parts: (0..PARTS).map(part).collect(),
            is_in_memory: true,
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
        sort: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TableError> {
        let bytes = &mut self.parts[part][sort].held;
        let before = bytes.len();
        write(bytes);
        self.held += bytes.len() - before;
        if self.held > self.budget {
            self.flush().map_err(|source| self.io(source))?;
        }
        Ok(())
    }

    /// Whether nothing has gone to disk.
    pub(super) fn is_in_memory(&self) -> bool {
        self.is_in_memory
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.is_in_memory = false;
        for part in self.parts.iter_mut().flatten() {
            if part.held.is_empty() {
                continue;
            }
            let file = match &mut part.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile_in(&self.folder)?),
            };
            file.write_all(&part.held)?;
            part.held = Vec::new();
        }
        self.held = 0;
        Ok(())
    }

    /// Takes the bytes of a part.
    pub(super) fn take(&mut self, part: usize, sort: usize) -> Result<Vec<u8>, TableError> {
        let Part { held, file } = std::mem::take(&mut self.parts[part][sort]);
        let Some(mut file) = file else {
            return Ok(held);
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|source| self.io(source))?;
        bytes.extend_from_slice(&held);
        Ok(bytes)
    }

    fn io(&self, source: std::io::Error) -> TableError {
        TableError::Io {
            path: self.folder.clone(),
            source,
        }
    }
}
