//! How a file in the workspace shares bytes with its object.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use camino::Utf8Path;
use rustix::io::Errno;

use crate::atomic::{Durability, named, parent, place, temporary_beside};
use crate::leftovers::temporary_prefix;
use crate::{Stamp, StoreError};

/// A kind of DVC's `cache.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// A copy that shares its blocks until one of the two is written to.
    Reflink,
    /// The object itself under a second name; read-only.
    Hardlink,
    /// A link to the object, which is read-only.
    Symlink,
    /// A file of its own.
    Copy,
}

impl LinkKind {
    /// What DVC tries where `cache.type` says nothing.
    pub const DEFAULT: &[Self] = &[Self::Reflink, Self::Copy];

    const NAMES: &[(&str, Self)] = &[
        ("reflink", Self::Reflink),
        ("hardlink", Self::Hardlink),
        ("symlink", Self::Symlink),
        ("copy", Self::Copy),
    ];

    /// Reads `cache.type`: kinds with commas between them, the best first.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, StoreError> {
        text.split(',').map(|name| name.trim().parse()).collect()
    }
}

impl FromStr for LinkKind {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, kind)| *kind)
            .ok_or_else(|| StoreError::LinkKind {
                found: text.to_owned(),
            })
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, kind)| kind == self);
        formatter.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The kinds to try in one operation. One that the file system refuses is not tried again.
#[derive(Debug)]
pub(crate) struct Links {
    kinds: Vec<(LinkKind, AtomicBool)>,
}

/// What is linked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linked<'a> {
    pub(crate) object: &'a Utf8Path,
    /// In bytes.
    pub(crate) size: u64,
    /// Somebody may execute it: then it never shares the object's inode, whose mode is 0444.
    pub(crate) executable: bool,
}

impl Links {
    pub(crate) fn new(kinds: &[LinkKind]) -> Self {
        let kinds = kinds.iter().map(|kind| (*kind, AtomicBool::new(true)));
        Self {
            kinds: kinds.collect(),
        }
    }

    /// The kind for the next file like this; nothing if all have been refused.
    pub(crate) fn kind(&self, size: u64, executable: bool) -> Option<LinkKind> {
        let possible = |kind| match kind {
            // There is a limit to the links of one inode, and empty files would reach it.
            LinkKind::Hardlink => size > 0 && !executable,
            LinkKind::Symlink => !executable,
            LinkKind::Reflink | LinkKind::Copy => true,
        };
        let usable = || {
            self.kinds
                .iter()
                .filter(|(_, usable)| usable.load(Ordering::Relaxed))
                .map(|(kind, _)| *kind)
        };
        usable()
            .find(|kind| possible(*kind))
            // Only kinds that must not be used for this file: DVC makes a plain file then, too.
            .or_else(|| usable().next().map(|_| LinkKind::Copy))
    }

    /// Whether the next file of this size, in bytes, shares its object's inode.
    pub(crate) fn shares(&self, size: u64) -> bool {
        matches!(
            self.kind(size, false),
            Some(LinkKind::Hardlink | LinkKind::Symlink)
        )
    }

    /// Whether this is a refusal of the file system. The kind is not tried again then.
    pub(crate) fn refused(&self, kind: LinkKind, error: &io::Error) -> bool {
        let refusals = [
            Errno::PERM,
            Errno::NOTSUP,
            Errno::OPNOTSUPP,
            Errno::XDEV,
            Errno::NOTTY,
            Errno::NOSYS,
            Errno::INVAL,
            Errno::AGAIN,
        ];
        let refused = error.kind() == io::ErrorKind::Unsupported
            || refusals
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        if refused {
            for (known, usable) in &self.kinds {
                if *known == kind {
                    usable.store(false, Ordering::Relaxed);
                }
            }
        }
        refused
    }

    /// Puts the object at `target` by the first link that works, and says what stamp the target
    /// has then, but for the change time. Nothing: a copy is wanted, which is for the caller.
    pub(crate) fn place(
        &self,
        linked: Linked<'_>,
        target: &Utf8Path,
    ) -> Result<Option<Stamp>, StoreError> {
        loop {
            let Some(kind) = self.kind(linked.size, linked.executable) else {
                return Err(StoreError::NoLinkKind {
                    path: target.to_owned(),
                    tried: self.kinds.iter().map(|(kind, _)| *kind).collect(),
                });
            };
            let result = match kind {
                LinkKind::Copy => return Ok(None),
                LinkKind::Reflink => clone_to(linked.object, target),
                LinkKind::Hardlink => hard_link(linked.object, target),
                LinkKind::Symlink => soft_link(linked.object, target),
            };
            match result {
                Ok(stamp) => return Ok(Some(stamp)),
                // An inode can be full of links while others are not.
                Err(error) if error.raw_os_error() == Some(Errno::MLINK.raw_os_error()) => {
                    return Ok(None);
                }
                Err(error) if self.refused(kind, &error) => {}
                Err(error) => return Err(named(target, kind.doing(), &error).into()),
            }
        }
    }
}

impl LinkKind {
    fn doing(self) -> &'static str {
        match self {
            Self::Reflink => "make the clone",
            Self::Hardlink => "make the hard link",
            Self::Symlink => "make the symbolic link",
            Self::Copy => "copy",
        }
    }
}

/// A clone with the mode of a new file.
fn clone_to(object: &Utf8Path, target: &Utf8Path) -> io::Result<Stamp> {
    let file = temporary_beside(target)?;
    let mode = file.as_file().metadata()?.permissions();
    clone_over(object, file.path())?;
    fs_err::set_permissions(file.path(), mode)?;
    let stamp = Stamp::of(&fs_err::metadata(file.path())?);
    place(file, target, Durability::Buffered)?;
    Ok(stamp)
}

/// Replaces the empty file at `target` by a clone of `source`.
pub(crate) fn clone_over(source: &Utf8Path, target: &std::path::Path) -> io::Result<()> {
    // A link would be cloned as a link by some systems.
    let source = source.canonicalize_utf8()?;
    let beside = target.with_extension("clone");
    let cloned = reflink_copy::reflink(&source, &beside);
    let cloned = cloned.and_then(|()| std::fs::set_permissions(&beside, writable()));
    match cloned.and_then(|()| fs_err::rename(&beside, target)) {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = fs_err::remove_file(&beside);
            Err(error)
        }
    }
}

fn writable() -> Permissions {
    Permissions::from_mode(0o600)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the error number decides what comes next, and fs_err would hide it"
)]
mod raw {
    use camino::Utf8Path;

    pub(super) fn hard_link(object: &Utf8Path, target: &Utf8Path) -> std::io::Result<()> {
        std::fs::hard_link(object, target)
    }

    pub(super) fn rename(from: &Utf8Path, to: &Utf8Path) -> std::io::Result<()> {
        std::fs::rename(from, to)
    }
}

fn hard_link(object: &Utf8Path, target: &Utf8Path) -> io::Result<Stamp> {
    match hard_link_new(object, target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            replace(target, |beside| raw::hard_link(object, beside))?;
        }
        result => result?,
    }
    Ok(Stamp::of(&fs_err::metadata(object)?))
}

/// Gives a file a second name that is not taken.
pub(crate) fn hard_link_new(file: &Utf8Path, name: &Utf8Path) -> io::Result<()> {
    match raw::hard_link(file, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs_err::create_dir_all(parent(name))?;
            raw::hard_link(file, name)
        }
        result => result,
    }
}

fn soft_link(object: &Utf8Path, target: &Utf8Path) -> io::Result<Stamp> {
    let object = object.canonicalize_utf8()?;
    fs_err::create_dir_all(parent(target))?;
    replace(target, |beside| std::os::unix::fs::symlink(&object, beside))?;
    Ok(Stamp::of(&fs_err::metadata(object)?))
}

/// Makes something under a temporary name, then gives it its own.
fn replace(target: &Utf8Path, make: impl Fn(&Utf8Path) -> io::Result<()>) -> io::Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let beside = loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", temporary_prefix());
        let beside = parent(target).join(name);
        match make(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => {
                result?;
                break beside;
            }
        }
    };
    let renamed = raw::rename(&beside, target);
    // Of two names of one inode, a rename leaves both.
    let _ = fs_err::remove_file(&beside);
    renamed
}

/// Makes a file one that can be written to without harm to the cache: a copy of its own instead of
/// a link, with the mode of a new file. Like DVC's, this takes execute bits away.
pub(crate) fn unprotect_file(path: &Utf8Path) -> Result<(), StoreError> {
    if is_shared(path)? {
        return own_copy(path);
    }
    let mode = temporary_beside(path)?.as_file().metadata()?.permissions();
    Ok(fs_err::set_permissions(path, mode)?)
}

/// Whether the inode behind the path has other names, or may have.
pub(crate) fn is_shared(path: &Utf8Path) -> io::Result<bool> {
    let metadata = fs_err::symlink_metadata(path)?;
    Ok(metadata.is_symlink() || metadata.nlink() > 1)
}

/// Replaces a file by a copy of itself that nobody shares.
pub(crate) fn own_copy(path: &Utf8Path) -> Result<(), StoreError> {
    let mut file = temporary_beside(path)?;
    crate::hash::copy_hashed(path, &mut file)?;
    Ok(place(file, path, Durability::Buffered)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dvcs_list() {
        assert_eq!(
            LinkKind::parse_list("reflink, hardlink,symlink,copy").unwrap(),
            [
                LinkKind::Reflink,
                LinkKind::Hardlink,
                LinkKind::Symlink,
                LinkKind::Copy
            ]
        );
        for text in ["", "hard", "copy,", "Copy"] {
            let error = LinkKind::parse_list(text).unwrap_err();
            assert!(error.hint().unwrap().contains("hardlink"), "{error}");
        }
    }

    #[test]
    fn empty_files_and_executables_are_never_shared() {
        let links = Links::new(&[LinkKind::Hardlink, LinkKind::Symlink]);
        assert_eq!(links.kind(1, false), Some(LinkKind::Hardlink));
        assert_eq!(links.kind(0, false), Some(LinkKind::Symlink));
        assert_eq!(links.kind(1, true), Some(LinkKind::Copy));
    }

    #[test]
    fn a_refused_kind_is_not_tried_again() {
        let links = Links::new(&[LinkKind::Hardlink, LinkKind::Copy]);
        let error = |errno: Errno| io::Error::from(errno);
        assert!(!links.refused(LinkKind::Hardlink, &error(Errno::ACCESS)));
        assert!(!links.refused(LinkKind::Hardlink, &error(Errno::MLINK)));
        assert_eq!(links.kind(1, false), Some(LinkKind::Hardlink));
        assert!(links.refused(LinkKind::Hardlink, &error(Errno::XDEV)));
        assert_eq!(links.kind(1, false), Some(LinkKind::Copy));
        assert!(Links::new(&[]).kind(1, false).is_none());
    }
}
