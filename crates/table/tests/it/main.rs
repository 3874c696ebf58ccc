//! What users and peers see of `ketch-table`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod csv;
mod parquet;
mod peers;
mod row_diff;
mod row_diff_edits;
mod segment;
mod table;

use camino::Utf8PathBuf;

/// A folder that goes away with the test.
struct Folder {
    path: Utf8PathBuf,
    _guard: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
        Self {
            path,
            _guard: guard,
        }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.path.join(name);
        fs_err::write(&path, content).unwrap();
        path
    }
}
