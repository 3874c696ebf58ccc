//! Files that appear whole or not at all.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use camino::Utf8Path;
use tempfile::NamedTempFile;

use crate::leftovers::temporary_prefix;

/// Whether a write waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The bytes are on the disk before the name is.
    #[default]
    Synced,
    /// The operating system writes when it likes; for what can be made again.
    Buffered,
}

/// The mode of an object.
pub(crate) const OBJECT_MODE: u32 = 0o444;

/// Name prefix of every temporary file, so that leftovers of a killed process can be told.
pub(crate) const TEMPORARY_PREFIX: &str = ".ketch-tmp-";

/// Replaces `path` by a file with these bytes, through a synced temporary file beside it.
///
/// An existing file keeps its permission bits; a symbolic link is written through, not replaced.
pub fn write_atomically(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, bytes, Durability::Synced)
}

/// [`write_atomically`] with a choice of [`Durability`].
pub fn write_atomically_with(
    path: &Utf8Path,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<()> {
    let target = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => path.canonicalize_utf8()?,
        _ => path.to_owned(),
    };
    let mut file = temporary_beside(&target)?;
    if let Ok(metadata) = fs_err::metadata(&target) {
        fs_err::set_permissions(file.path(), metadata.permissions())?;
    }
    file.write_all(bytes)
        .map_err(|error| named(&target, "write", &error))?;
    place(file, &target, durability)
}

/// A temporary file in the directory of `path` with the mode a new file would have. The directory
/// is made if need be.
pub(crate) fn temporary_beside(path: &Utf8Path) -> io::Result<NamedTempFile> {
    // The umask takes its bits off, as for any new file.
    temporary_with(path, 0o666)
}

/// A temporary file in the directory of `path` with the mode of an object, 0444, which DVC trusts
/// without hashing again.
pub(crate) fn temporary_object(path: &Utf8Path) -> io::Result<NamedTempFile> {
    /// Whether the umask leaves the mode as it is. A process has one.
    static UNMASKED: OnceLock<bool> = OnceLock::new();
    let mode = || Permissions::from_mode(OBJECT_MODE);
    let file = temporary_with(path, OBJECT_MODE)?;
    let unmasked = if let Some(unmasked) = UNMASKED.get() {
        *unmasked
    } else {
        let made = file.as_file().metadata()?.permissions();
        *UNMASKED.get_or_init(|| made.mode() & 0o7777 == OBJECT_MODE)
    };
    if !unmasked {
        file.as_file()
            .set_permissions(mode())
            .map_err(|error| named(path, "protect", &error))?;
    }
    Ok(file)
}

fn temporary_with(path: &Utf8Path, mode: u32) -> io::Result<NamedTempFile> {
    let directory = parent(path);
    let make = || {
        tempfile::Builder::new()
            .prefix(&temporary_prefix())
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)
    };
    let made = match make() {
        // Most often the directory is there, and asking costs more than trying.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs_err::create_dir_all(directory)?;
            make()
        }
        made => made,
    };
    made.map_err(|error| named(path, "create a temporary file beside", &error))
}

/// Gives the temporary file its final name.
pub(crate) fn place(
    file: NamedTempFile,
    path: &Utf8Path,
    durability: Durability,
) -> io::Result<()> {
    if durability == Durability::Synced {
        file.as_file()
            .sync_all()
            .map_err(|error| named(path, "sync", &error))?;
    }
    file.persist(path)
        .map_err(|error| named(path, "replace", &error.error))?;
    if durability == Durability::Synced {
        sync_directory(parent(path));
    }
    Ok(())
}

/// Makes a rename survive a power cut. Some file systems refuse; there is nothing better to do.
pub(crate) fn sync_directory(directory: &Utf8Path) {
    if let Ok(handle) = fs_err::File::open(directory) {
        let _ = handle.sync_all();
    }
}

pub(crate) fn parent(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    }
}

pub(crate) fn named(path: &Utf8Path, doing: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {doing} `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, path)
    }

    #[test]
    fn replaces_and_keeps_the_mode() {
        let (_guard, root) = directory();
        let path = root.join("a/b");
        write_atomically(&path, b"one").unwrap();
        fs_err::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(
            fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(fs_err::read_dir(root.join("a")).unwrap().count(), 1);
    }

    #[test]
    fn writes_through_a_link() {
        let (_guard, root) = directory();
        write_atomically(&root.join("target"), b"one").unwrap();
        fs_err::os::unix::fs::symlink(root.join("target"), root.join("link")).unwrap();
        write_atomically(&root.join("link"), b"two").unwrap();
        assert_eq!(fs_err::read(root.join("target")).unwrap(), b"two");
        assert!(root.join("link").is_symlink());
    }

    #[test]
    fn a_failed_write_names_the_path() {
        let (_guard, root) = directory();
        fs_err::create_dir_all(root.join("taken/child")).unwrap();
        let error = write_atomically(&root.join("taken"), b"x").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
    }
}
