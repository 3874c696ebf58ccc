//! The store on real files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod add;
mod checkout;
mod chunked;
mod chunked_clean;
mod full_disk;
mod links;
mod remote;
mod remote_clouds;
mod remote_doubles;
mod remote_faults;
mod remote_http;
mod remote_servers;
mod remote_ssh;
mod remote_tls;
mod remote_web;
mod state;
mod walk;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Cache, Durability, LinkKind, StateIndex};

/// A directory with a cache in it, gone at the end of the test.
struct Sandbox {
    _guard: tempfile::TempDir,
    root: Utf8PathBuf,
    cache: Cache,
}

impl Sandbox {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let cache = Cache::open_with(root.join(".dvc/cache"), Durability::Buffered);
        Self {
            _guard: guard,
            root,
            cache,
        }
    }

    /// Another process's view of the same cache, with an index and these links.
    fn cache_with(&self, links: &[LinkKind]) -> Cache {
        Cache::open_with(self.root.join(".dvc/cache"), Durability::Buffered)
            .with_links(links.to_vec())
            .with_state(StateIndex::open(self.state_file(), &self.root))
    }

    fn state_file(&self) -> Utf8PathBuf {
        self.root.join(".dvc/tmp/ketch-state")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        path
    }

    fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }
}

/// Lets a read-only object be damaged.
fn overwrite(path: &Utf8Path, content: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(path, mode(0o644)).unwrap();
    fs_err::write(path, content).unwrap();
    fs_err::set_permissions(path, mode(0o444)).unwrap();
}
