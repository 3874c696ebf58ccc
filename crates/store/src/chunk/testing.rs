//! A chunked remote in a directory, for tests of what is inside.

use camino::Utf8PathBuf;

use super::index::Index;
use super::source::index_key;
use super::wire::Digest;
use super::{ChunkedOptions, ChunkedRemote};
use crate::remote::{Remote, RemoteSettings, Retry, open_remote};

/// The directory, gone at the end of the test.
pub(super) struct Place {
    guard: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            guard: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn plain(&self) -> Box<dyn Remote> {
        let path = Utf8PathBuf::from_path_buf(self.guard.path().to_owned()).unwrap();
        open_remote(&RemoteSettings::new("here", path.as_str())).unwrap()
    }

    /// As somebody sees it who has just come.
    pub(super) fn open(&self) -> ChunkedRemote {
        let retry = Retry {
            attempts: 1,
            ..Retry::default()
        };
        ChunkedRemote::open(
            self.plain(),
            ChunkedOptions {
                copies: None,
                retry,
            },
        )
    }

    pub(super) fn write(&self, key: &str, bytes: &[u8]) {
        let remote = self.plain();
        remote.write(key, &mut &*bytes, bytes.len() as u64).unwrap();
    }

    pub(super) fn write_index(&self, index: &Index) -> usize {
        let bytes = index.write();
        self.write(&index_key(&Digest::of(&bytes)), &bytes);
        bytes.len()
    }
}
