//! Data that may be edited: no links into the cache.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::walk_directory;

use crate::{Project, ProjectError, paths};

/// Makes the files at these paths (relative to the root) copies of their own that may be written,
/// and returns those that were changed. An edit through a link would damage the cache.
pub fn unprotect(
    project: &Project,
    targets: &[Utf8PathBuf],
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let _lock = project.lock()?;
    let mut files = Vec::new();
    for target in targets {
        let path = project
            .root()
            .join(paths::relative(project.root(), target)?);
        if fs_err::metadata(&path)?.is_dir() {
            files.extend(
                walk_directory(project.root(), &path)?
                    .into_iter()
                    .map(|file| file.path),
            );
        } else {
            files.push(path);
        }
    }
    let mode = mode_of_new_files(project)?;
    let mut changed = Vec::new();
    for file in files {
        if unprotect_file(&file, mode)? {
            changed.push(project.shown(&file));
        }
    }
    Ok(changed)
}

fn unprotect_file(path: &Utf8Path, mode: u32) -> Result<bool, ProjectError> {
    let metadata = fs_err::symlink_metadata(path)?;
    if metadata.is_symlink() || metadata.nlink() > 1 {
        let copy = path.with_file_name(format!(".ketch-tmp-{}", std::process::id()));
        paths::remove(&copy)?;
        fs_err::copy(path, &copy)?;
        fs_err::set_permissions(&copy, Permissions::from_mode(mode))?;
        fs_err::File::open(&copy)?.sync_all()?;
        fs_err::rename(&copy, path)?;
        return Ok(true);
    }
    if metadata.permissions().mode() & 0o777 == mode {
        return Ok(false);
    }
    fs_err::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(true)
}

/// 0666 without what the umask takes off, which only a new file tells.
fn mode_of_new_files(project: &Project) -> Result<u32, ProjectError> {
    let probe = project
        .state_dir()?
        .join(format!("mode-{}", std::process::id()));
    let file = fs_err::File::create(&probe)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    paths::remove(&probe)?;
    Ok(mode)
}
