//! Walking directories with `.dvcignore` honoured.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};
use ignore::{DirEntry, WalkBuilder};

use crate::atomic::TEMPORARY_PREFIX;
use crate::{Stamp, StoreError};

/// A file found below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedFile {
    /// Where it is.
    pub path: Utf8PathBuf,
    /// The same below the walked directory, with forward slashes.
    pub relative: String,
    /// Of the file itself where this is a link.
    pub stamp: Stamp,
    /// Whether anybody may execute it.
    pub executable: bool,
    /// Whether this is a symbolic link.
    pub link: bool,
    /// How many names the inode has.
    pub(crate) names: u64,
    /// The permission bits.
    pub(crate) mode: u32,
}

impl WalkedFile {
    /// A single file, or what a link leads to.
    pub(crate) fn at(path: &Utf8Path) -> Result<Self, StoreError> {
        let metadata = fs_err::metadata(path)?;
        if !metadata.is_file() {
            return Err(StoreError::NotRegular {
                path: path.to_owned(),
            });
        }
        let name = path.file_name().unwrap_or_default().to_owned();
        Ok(walked(path.to_owned(), name, &metadata, path.is_symlink()))
    }
}

/// Every file below `path`, ordered by relative path, without those `.dvcignore` hides.
///
/// Links to files are listed as files. Links to directories are left out, as DVC does. `root` is
/// the repository root: the ignore files from there down to `path` count too.
pub fn walk_directory(root: &Utf8Path, path: &Utf8Path) -> Result<Vec<WalkedFile>, StoreError> {
    let mut files = if is_plain(root, path) {
        walk_without_rules(path)?
    } else {
        walk_with_rules(root, path)?
    };
    // DVC orders by code point over the whole path, not by component.
    files.sort_unstable_by(|left, right| left.relative.cmp(&right.relative));
    Ok(files)
}

/// Whether `path` is a directory that no rule and no link on the way from `root` can have a say
/// about. Rules inside of it are an error, so they need not be looked for.
fn is_plain(root: &Utf8Path, path: &Utf8Path) -> bool {
    let Ok(below) = path.strip_prefix(root) else {
        return false;
    };
    let real = |path: &Utf8Path| path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let outer = path.ancestors().skip(1).take(below.components().count());
    !below.as_str().is_empty()
        && !below.components().any(|part| is_internal(part.as_str()))
        && path.ancestors().take(below.components().count()).all(real)
        && outer.into_iter().all(|directory| {
            match fs_err::read_to_string(directory.join(".dvcignore")) {
                Ok(rules) => rules.lines().all(|line| {
                    let line = line.trim();
                    line.is_empty() || line.starts_with('#')
                }),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            }
        })
}

fn walk_without_rules(path: &Utf8Path) -> Result<Vec<WalkedFile>, StoreError> {
    let mut files = Vec::new();
    let mut directories = vec![(path.to_owned(), String::new())];
    while let Some((directory, prefix)) = directories.pop() {
        for entry in fs_err::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(StoreError::NotUtf8 {
                    directory: path.to_owned(),
                    name: entry.path().display().to_string(),
                });
            };
            if is_internal(name) || name.starts_with(TEMPORARY_PREFIX) {
                continue;
            }
            let relative = format!("{prefix}{name}");
            let found = directory.join(name);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push((found, format!("{relative}/")));
            } else if kind.is_file() && name != ".dvcignore" {
                files.push(walked(found, relative, &entry.metadata()?, false));
            } else {
                files.extend(walk_odd(found, relative, kind)?);
            }
        }
    }
    Ok(files)
}

fn walk_with_rules(root: &Utf8Path, path: &Utf8Path) -> Result<Vec<WalkedFile>, StoreError> {
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
        let Some(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            continue;
        }
        let relative = found
            .strip_prefix(path)
            .unwrap_or(&found)
            .as_str()
            .to_owned();
        files.extend(walk_odd(found, relative, kind)?);
    }
    if !seen {
        // Either a rule hides it, or it is not there; opening it says which.
        fs_err::metadata(path)?;
        return Err(StoreError::Ignored {
            path: path.to_owned(),
        });
    }
    Ok(files)
}

/// What is not simply a file: links are followed to files, not to directories.
fn walk_odd(
    found: Utf8PathBuf,
    relative: String,
    kind: std::fs::FileType,
) -> Result<Option<WalkedFile>, StoreError> {
    let link = kind.is_symlink();
    if !link && !kind.is_file() {
        return Err(StoreError::NotRegular { path: found });
    }
    let metadata = match fs_err::metadata(&found) {
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Err(StoreError::NotRegular { path: found }),
        Err(error) if link && error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::DanglingLink { path: found });
        }
        Err(error) => return Err(error.into()),
    };
    if found.file_name() == Some(".dvcignore") {
        return Err(StoreError::IgnoreFileInside { path: found });
    }
    Ok(Some(walked(found, relative, &metadata, link)))
}

fn walked(path: Utf8PathBuf, relative: String, metadata: &Metadata, link: bool) -> WalkedFile {
    WalkedFile {
        path,
        relative,
        stamp: Stamp::of(metadata),
        executable: metadata.permissions().mode() & 0o111 != 0,
        link,
        names: metadata.nlink(),
        mode: metadata.permissions().mode() & 0o7777,
    }
}

/// Whose rules hide files of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenBy {
    /// `.dvcignore` and `.gitignore`.
    DvcAndGit,
    /// `.dvcignore` alone: the project does without Git, and a `.gitignore` means nothing to it.
    Dvc,
}

/// The files of a project that `wanted` accepts by path, ordered, without those that are hidden
/// and without nested repositories.
pub fn find_in_project(
    root: &Utf8Path,
    hidden: HiddenBy,
    wanted: &dyn Fn(&Utf8Path) -> bool,
) -> Result<Vec<Utf8PathBuf>, StoreError> {
    let mut walker = builder(root);
    if hidden == HiddenBy::DvcAndGit {
        walker.git_ignore(true).git_exclude(true).require_git(false);
    }
    let top = root.to_owned();
    walker.filter_entry(move |entry| {
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        let nested = is_directory && entry.path() != top && entry.path().join(".dvc").is_dir();
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

/// What DVC never looks into, whatever the ignore files say, and what is ours for a while.
fn is_repository_internal(entry: &DirEntry) -> bool {
    let ours = |name: &str| is_internal(name) || name.starts_with(TEMPORARY_PREFIX);
    entry.depth() > 0 && entry.file_name().to_str().is_some_and(ours)
}

fn is_internal(name: &str) -> bool {
    matches!(name, ".git" | ".hg" | ".dvc" | ".ketch")
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
