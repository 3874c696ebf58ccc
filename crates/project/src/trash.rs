//! Ways back: what is overwritten or taken away goes below `.ketch/` first.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Reporter, hash_file, walk_directory};

use crate::{Project, ProjectError};

/// Moves what is at `path` and saved nowhere to `.ketch/trash/NAME/`, under its path below the
/// root. Returns what was moved, relative to the root.
///
/// Of a directory, only the files that the cache does not have.
pub(crate) fn keep_unsaved(
    project: &Project,
    name: &str,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(Vec::new());
    };
    let mut moved = Vec::new();
    if metadata.is_dir() {
        let files = walk_directory(project.root(), path)?;
        reporter.start(files.len() as u64);
        for file in files {
            let (id, size) = hash_file(&file.path)?;
            reporter.file(&file.path, size);
            if !project.cache().contains_bytes(&id, &file.path)? {
                moved.push(move_there(project, name, &file.path)?);
            }
        }
    } else {
        // A link to nothing has no content to lose.
        let saved = match hash_file(path) {
            Ok((id, _)) => project.cache().contains_bytes(&id, path)?,
            Err(_) if metadata.is_symlink() => true,
            Err(error) => return Err(error.into()),
        };
        if !saved {
            moved.push(move_there(project, name, path)?);
        }
    }
    Ok(moved)
}

/// Moves one file or directory to `.ketch/trash/NAME/`, whatever it is.
pub(crate) fn move_there(
    project: &Project,
    name: &str,
    path: &Utf8Path,
) -> Result<Utf8PathBuf, ProjectError> {
    let below = project.shown(path);
    let target = project.state_dir()?.join("trash").join(name).join(&below);
    move_file(path, &target)?;
    Ok(below)
}

/// Renames, or copies and removes where that is another file system.
pub(crate) fn move_file(from: &Utf8Path, to: &Utf8Path) -> Result<(), ProjectError> {
    if let Some(parent) = to.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match fs_err::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            fs_err::copy(from, to)?;
            fs_err::remove_file(from)?;
            Ok(())
        }
        result => Ok(result?),
    }
}
