//! How progress leaves this crate.

use camino::Utf8Path;

/// Receives progress of hashing and copying. Called from several threads at once.
pub trait Reporter: Send + Sync {
    /// That many files are about to be worked on.
    fn start(&self, _files: u64) {}

    /// One more file is done.
    fn file(&self, _path: &Utf8Path, _bytes: u64) {}
}

/// A reporter that drops everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {}
