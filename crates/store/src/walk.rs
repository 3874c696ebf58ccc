//! Walking directories with `.dvcignore` honoured.

use camino::{Utf8Path, Utf8PathBuf};
use ignore::{DirEntry, WalkBuilder};

use crate::StoreError;
use crate::atomic::TEMPORARY_PREFIX;

/// A file found below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedFile {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The same below the walked directory, with forward slashes.
    pub relative: String,
}

/// Every file below `path`, ordered by relative path, without those `.dvcignore` hides.
///
/// Links to files are listed as files. Links to directories are left out, as DVC does. `root` is
/// the repository root: the ignore files from there down to `path` count too.
pub fn walk_directory(root: &Utf8Path, path: &Utf8Path) -> Result<Vec<WalkedFile>, StoreError> {
    // Starting at the root and going only where `path` is makes the rules of every level count, in
    // the right order.
    let start = if path.starts_with(root) { root } else { path };
    let wanted = path.to_owned();
    let mut walker = builder(start);
    walker.filter_entry(move |entry| {
        (entry.path().starts_with(&wanted) || wanted.as_std_path().starts_with(entry.path()))
            && !is_repository_internal(entry)
    });
    let mut seen = false;
    let mut files = Vec::new();
    for entry in walker.build() {
        let entry = entry.map_err(|error| walk_error(&error))?;
        if !entry.path().starts_with(path) {
            continue;
        }
        let found = utf8(path, &entry)?;
        if found == path {
            seen = true;
            continue;
        }
        if is_temporary(&found) {
            continue;
        }
        let Some(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            continue;
        }
        if kind.is_symlink() {
            match fs_err::metadata(&found) {
                Ok(metadata) if metadata.is_dir() => continue,
                Ok(metadata) if metadata.is_file() => {}
                Ok(_) => return Err(StoreError::NotRegular { path: found }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(StoreError::DanglingLink { path: found });
                }
                Err(error) => return Err(error.into()),
            }
        } else if !kind.is_file() {
            return Err(StoreError::NotRegular { path: found });
        }
        if found.file_name() == Some(".dvcignore") {
            return Err(StoreError::IgnoreFileInside { path: found });
        }
        let relative = found
            .strip_prefix(path)
            .unwrap_or(&found)
            .as_str()
            .to_owned();
        files.push(WalkedFile {
            path: found,
            relative,
        });
    }
    if !seen {
        // Either a rule hides it, or it is not there; opening it says which.
        fs_err::metadata(path)?;
        return Err(StoreError::Ignored {
            path: path.to_owned(),
        });
    }
    // DVC orders by code point over the whole path, not by component.
    files.sort_by(|left, right| left.relative.cmp(&right.relative));
    Ok(files)
}

/// The files of a project that `wanted` accepts by path, ordered, without those that Git or DVC
/// ignore and without nested repositories.
pub fn find_in_project(
    root: &Utf8Path,
    wanted: &dyn Fn(&Utf8Path) -> bool,
) -> Result<Vec<Utf8PathBuf>, StoreError> {
    let mut walker = builder(root);
    walker.git_ignore(true).git_exclude(true).require_git(false);
    let top = root.to_owned();
    walker.filter_entry(move |entry| {
        let nested = entry.path() != top && entry.path().join(".dvc").is_dir();
        !nested && !is_repository_internal(entry)
    });
    let mut found = Vec::new();
    for entry in walker.build() {
        let entry = entry.map_err(|error| walk_error(&error))?;
        if entry.file_type().is_some_and(|kind| !kind.is_dir())
            && let Some(path) = Utf8Path::from_path(entry.path())
            && wanted(path)
        {
            found.push(path.to_owned());
        }
    }
    found.sort();
    Ok(found)
}

fn builder(start: &Utf8Path) -> WalkBuilder {
    let mut walker = WalkBuilder::new(start);
    walker
        .standard_filters(false)
        .add_custom_ignore_filename(".dvcignore")
        .follow_links(false);
    walker
}

/// What DVC never looks into, whatever the ignore files say.
fn is_repository_internal(entry: &DirEntry) -> bool {
    entry.depth() > 0
        && matches!(
            entry.file_name().to_str(),
            Some(".git" | ".hg" | ".dvc" | ".ketch")
        )
}

fn is_temporary(path: &Utf8Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
}

fn utf8(directory: &Utf8Path, entry: &DirEntry) -> Result<Utf8PathBuf, StoreError> {
    Utf8PathBuf::from_path_buf(entry.path().to_owned()).map_err(|path| StoreError::NotUtf8 {
        directory: directory.to_owned(),
        name: path.display().to_string(),
    })
}

fn walk_error(error: &ignore::Error) -> StoreError {
    let message = error.to_string();
    let kind = error
        .io_error()
        .map_or(std::io::ErrorKind::Other, std::io::Error::kind);
    StoreError::Io(std::io::Error::new(kind, message))
}
