//! The store on real files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod add;
mod checkout;
mod walk;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Cache, Durability};

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
