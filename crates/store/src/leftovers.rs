//! What a process that was killed left behind: temporary files, and the mark that it did not finish.
//!
//! A temporary file or folder is named `.ketch-tmp-`, process id, `-`, anything. The walks of ketch
//! never see one; DVC would take it for data.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::atomic::TEMPORARY_PREFIX;
use crate::path_lock::lives;

/// File systems tell the time less finely than the clock.
const COARSENESS: Duration = Duration::from_secs(1);
/// A process id was surely given to somebody else by then.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// When this process was about to make its first temporary file. In a container every start may
/// have the same process id, so a file with our id that is older is not ours.
static FIRST: OnceLock<SystemTime> = OnceLock::new();

/// Who may be at work where leftovers are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Nobody but processes of this machine without the repository's lock.
    Local,
    /// Other projects too, perhaps of other machines: files younger than an hour stay.
    Anybody,
}

/// The name, without what makes it unique, of a temporary file of this process.
pub(crate) fn temporary_prefix() -> String {
    FIRST.get_or_init(SystemTime::now);
    format!("{TEMPORARY_PREFIX}{}-", std::process::id())
}

/// A folder to work in, gone in the end. It is locked while somebody has it, so that it can be told
/// from one that a killed process left behind.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    path: Utf8PathBuf,
    /// None where the file system has no locks for folders.
    _lock: Option<File>,
}

impl TemporaryFolder {
    /// Makes one where the machine has such things.
    pub fn make() -> io::Result<Self> {
        let parent = Utf8PathBuf::try_from(tempfile::env::temp_dir());
        Self::make_in(&parent.map_err(camino::FromPathBufError::into_io_error)?)
    }

    /// Makes one in `parent`, which is made if need be, and removes those there that nobody has.
    pub fn make_in(parent: &Utf8Path) -> io::Result<Self> {
        fs_err::create_dir_all(parent)?;
        Self::clear(parent);
        let folder = tempfile::Builder::new()
            .prefix(&temporary_prefix())
            .tempdir_in(parent)?;
        let path = folder.path().to_owned();
        let path = Utf8PathBuf::try_from(path).map_err(camino::FromPathBufError::into_io_error)?;
        Ok(Self {
            _lock: File::open(&path)
                .ok()
                .filter(|file| is_free(file) == Some(true)),
            folder,
            path,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Utf8Path {
        debug_assert_eq!(self.folder.path(), self.path);
        &self.path
    }

    /// Removes the folders right in `parent` that processes left behind when they were killed, and
    /// says how many there were.
    pub fn clear(parent: &Utf8Path) -> u64 {
        let Ok(entries) = parent.read_dir_utf8() else {
            return 0;
        };
        let mut removed = 0;
        for entry in entries.flatten() {
            if let Some(rest) = entry.file_name().strip_prefix(TEMPORARY_PREFIX)
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
                && is_folder_abandoned(entry.path(), rest)
                && fs_err::remove_dir_all(entry.path()).is_ok()
            {
                removed += 1;
            }
        }
        removed
    }
}

/// Whether nobody has this folder open as their own; then it is ours until the file is closed. None
/// where that cannot be found out.
fn is_free(folder: &File) -> Option<bool> {
    match flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Some(false),
        Err(_) => None,
    }
}

fn is_folder_abandoned(path: &Utf8Path, rest: &str) -> bool {
    // It may be an hour old and in use by a process that this machine does not see.
    let free = File::open(path).ok().and_then(|folder| is_free(&folder));
    match free {
        Some(true) => is_abandoned(path, rest, Neighbours::Local),
        Some(false) => false,
        None => is_abandoned(path, rest, Neighbours::Anybody),
    }
}

/// Removes the temporary files and folders of dead processes below `directory`, not in Git's folder
/// nor in other projects, and says how many there were. What cannot be read or removed stays.
pub fn remove_leftovers(directory: &Utf8Path, neighbours: Neighbours) -> u64 {
    let mut removed = 0;
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = folder.read_dir_utf8() else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory {
                let temporary = name.strip_prefix(TEMPORARY_PREFIX);
                if let Some(rest) = temporary {
                    let gone =
                        is_folder_abandoned(path, rest) && fs_err::remove_dir_all(path).is_ok();
                    removed += u64::from(gone);
                } else if name != ".git" && !path.join(".dvc").is_dir() {
                    folders.push(path.to_owned());
                }
            } else if let Some(rest) = name.strip_prefix(TEMPORARY_PREFIX)
                && is_abandoned(path, rest, neighbours)
                && fs_err::remove_file(path).is_ok()
            {
                removed += 1;
            }
        }
    }
    removed
}

fn is_abandoned(path: &Utf8Path, rest: &str, neighbours: Neighbours) -> bool {
    let Ok(metadata) = fs_err::symlink_metadata(path) else {
        return false;
    };
    // A hard link has the other times of its object.
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let made = UNIX_EPOCH + Duration::from_secs(seconds);
    let age = SystemTime::now().duration_since(made).unwrap_or_default();
    let patience = match neighbours {
        Neighbours::Local => Duration::ZERO,
        Neighbours::Anybody => Duration::from_hours(1),
    };
    let process = rest.split('-').next().and_then(|id| id.parse::<u32>().ok());
    let dead = match process {
        Some(id) if id == std::process::id() => FIRST
            .get()
            .is_none_or(|first| made + COARSENESS + COARSENESS < *first),
        Some(id) => !lives(id),
        None => false,
    };
    age >= FORGOTTEN || (dead && age >= patience)
}

/// The mark of a process that is at work in a repository. It goes when the work ends, well or not,
/// but not when the process is killed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: Utf8PathBuf,
    /// Whether somebody before was killed.
    pub(crate) found: bool,
}

impl Unfinished {
    /// To be called by whoever has the lock of the repository, whose `.dvc` this is.
    pub(crate) fn begin(dvc_directory: &Utf8Path) -> io::Result<Self> {
        let path = dvc_directory.join("tmp/ketch-unfinished");
        let found = path.symlink_metadata().is_ok();
        if !found {
            fs_err::write(&path, "")?;
        }
        Ok(Self { path, found })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs_err::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RepoLock;

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap();
        let own = crate::atomic::temporary_beside(&root.join("data/own")).unwrap();
        // No process has this id: it is above every limit.
        let dead = format!("{TEMPORARY_PREFIX}2000000000-x");
        let living = format!("{TEMPORARY_PREFIX}1-x");
        for name in [&dead, &living, "file", ".ketch-tmpo"] {
            for folder in ["data/sub", "other", "other/.dvc", ".git"] {
                fs_err::create_dir_all(root.join(folder)).unwrap();
                fs_err::write(root.join(folder).join(name), "").unwrap();
            }
        }
        assert_eq!(remove_leftovers(root, Neighbours::Anybody), 0);
        assert_eq!(remove_leftovers(root, Neighbours::Local), 1);
        assert!(!root.join("data/sub").join(&dead).exists());
        for kept in [&living, "file", ".ketch-tmpo"] {
            assert!(root.join("data/sub").join(kept).exists(), "{kept}");
        }
        for kept in ["other", ".git"] {
            assert!(root.join(kept).join(&dead).exists(), "{kept}");
        }
        assert!(own.path().exists());
    }

    #[test]
    fn folders_that_somebody_has_stay() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap().join("scratch");
        let own = TemporaryFolder::make_in(&root).unwrap();
        fs_err::write(own.path().join("file"), "").unwrap();
        let [dead, held, living] = ["2000000000-x", "2000000000-y", "1-x"]
            .map(|name| root.join(format!("{TEMPORARY_PREFIX}{name}")));
        for folder in [&dead, &held, &living] {
            fs_err::create_dir_all(folder.join("below")).unwrap();
            fs_err::write(folder.join("below/file"), "").unwrap();
        }
        // By a process in another container, say.
        let lock = File::open(&held).unwrap();
        assert_eq!(is_free(&lock), Some(true));
        let other = TemporaryFolder::make_in(&root).unwrap();
        assert!(!dead.exists());
        for kept in [own.path(), other.path(), &held, &living] {
            assert!(kept.exists(), "{kept}");
        }
        drop(lock);
        assert_eq!(remove_leftovers(&root, Neighbours::Anybody), 1);
        assert!(!held.exists() && living.join("below/file").exists());
        let path = own.path().to_owned();
        drop(own);
        assert!(!path.exists());
    }

    #[test]
    fn only_a_killed_process_leaves_the_mark() {
        let guard = tempfile::tempdir().unwrap();
        let dvc = Utf8Path::from_path(guard.path()).unwrap().join(".dvc");
        assert!(!RepoLock::acquire(&dvc).unwrap().after_a_kill());
        let killed = RepoLock::acquire(&dvc).unwrap();
        assert!(!killed.after_a_kill(), "the one before finished");
        drop(killed);
        fs_err::write(dvc.join("tmp/ketch-unfinished"), "").unwrap();
        assert!(RepoLock::acquire(&dvc).unwrap().after_a_kill());
        assert!(!RepoLock::acquire(&dvc).unwrap().after_a_kill());
    }
}
