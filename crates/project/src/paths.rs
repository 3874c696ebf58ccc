//! Paths as text: joined and tidied without asking the file system.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::ProjectError;

/// `base/path` without `.` and `..`; links are not followed, as DVC does not either.
pub(crate) fn join(base: &Utf8Path, path: impl AsRef<Utf8Path>) -> Utf8PathBuf {
    let mut joined = Utf8PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                joined.pop();
            }
            other => joined.push(other.as_str()),
        }
    }
    joined
}

/// The path below `root`, which must hold it.
pub(crate) fn relative(root: &Utf8Path, path: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
    match join(root, path).strip_prefix(root) {
        Ok(inside) if !inside.as_str().is_empty() => Ok(inside.to_owned()),
        _ => Err(ProjectError::OutsideProject {
            path: path.to_owned(),
            root: root.to_owned(),
        }),
    }
}

/// A path as it is called from a folder; both are absolute.
pub(crate) fn from_folder(folder: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let common = folder
        .components()
        .zip(path.components())
        .take_while(|(left, right)| left == right)
        .count();
    let up = folder.components().skip(common).map(|_| "..");
    let down = path.components().skip(common);
    up.chain(down.map(|part| part.as_str())).collect()
}

/// One holds the other, or they are the same.
pub(crate) fn overlap(left: &Utf8Path, right: &Utf8Path) -> bool {
    left.starts_with(right) || right.starts_with(left)
}

/// Whether DVC would take this for something on another machine or for a data set.
pub(crate) fn is_url(path: &str) -> bool {
    path.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// A file read if it is there.
pub(crate) fn read_if_there(path: &Utf8Path) -> Result<Option<String>, ProjectError> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes a file, a link or a whole directory, if it is there.
pub(crate) fn remove(path: &Utf8Path) -> Result<(), ProjectError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(fs_err::remove_dir_all(path)?),
        Ok(_) => Ok(fs_err::remove_file(path)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => Ok(fs_err::symlink_metadata(path).map(drop)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_tidily() {
        assert_eq!(join("/p".into(), "a/./b/../c"), "/p/a/c");
        assert_eq!(join("/p".into(), "../../x"), "/x");
        assert_eq!(join("/p".into(), "/abs"), "/abs");
        assert_eq!(join("".into(), "a/../b"), "b");
    }

    #[test]
    fn stays_inside() {
        assert_eq!(relative("/p".into(), "a".into()).unwrap(), "a");
        assert_eq!(relative("/p".into(), "/p/a/b".into()).unwrap(), "a/b");
        for path in ["..", "/q", "", ".", "/pq/a", "a/../../x"] {
            relative("/p".into(), path.into()).unwrap_err();
        }
    }

    #[test]
    fn overlaps_by_component() {
        assert!(overlap("a/b".into(), "a".into()));
        assert!(!overlap("a/b".into(), "a/bc".into()));
    }

    #[test]
    fn paths_are_called_from_a_folder() {
        let called = |folder: &str, path: &str| from_folder(folder.into(), path.into());
        assert_eq!(called("/p", "/p/a/b"), "a/b");
        assert_eq!(called("/p/deep", "/ext/x"), "../../ext/x");
        assert_eq!(called("/p/deep", "/p/x"), "../x");
        assert_eq!(called("/p", "/p"), "");
    }

    #[test]
    fn urls() {
        for url in ["s3://b/k", "ds://x", "remote://r/p", "https://h/p"] {
            assert!(is_url(url), "{url}");
        }
        for path in ["a/b", "/a//b", "C:x", "a b://c", "://x"] {
            assert!(!is_url(path), "{path}");
        }
    }
}
