//! A work tree of its own for an experiment.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FlockOperation, flock};

use crate::project::state_directory;
use crate::{CommitId, Project, ProjectError, create_worktree, paths, remove_worktree};

/// What the names of these work trees begin with; those of other uses do not.
const PREFIX: &str = "exp-";

/// A work tree of its own, which goes away in the end. It is locked while somebody has it, so that
/// it can be told from one that a killed process left behind.
pub(super) struct Apart<'p> {
    main: &'p Project,
    name: String,
    pub(super) project: Project,
    /// None where the file system has no locks for folders.
    _lock: Option<fs_err::File>,
}

impl<'p> Apart<'p> {
    /// Makes one of a commit, and removes those that nobody has any more.
    pub(super) fn begin(
        main: &'p Project,
        seed: u64,
        start: &CommitId,
    ) -> Result<Self, ProjectError> {
        // A new one is not locked from its first moment: nobody may look for leftovers before.
        let _making = Making::begin(main)?;
        clear(main)?;
        let name = format!("{PREFIX}{seed:016x}");
        let made = create_worktree(main, &name, start.as_str())?;
        let lock = fs_err::File::open(&made.path).ok();
        let is_locked =
            |file: &fs_err::File| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(Self {
            main,
            name,
            project: made.project,
            _lock: lock.filter(is_locked),
        })
    }

    /// Copies a file or folder that Git does not track.
    pub(super) fn copy(&self, from: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
        let path = paths::relative(from.root(), path)?;
        let (source, target) = (from.root().join(&path), self.project.root().join(&path));
        if let Some(folder) = target.parent() {
            fs_err::create_dir_all(folder)?;
        }
        copy_all(&source, &target)?;
        Ok(())
    }
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        // One that stays is removed by the next command that makes one.
        let _ = remove_worktree(self.main, &self.name);
    }
}

/// Removes the work trees of experiments that nobody has, and says how many.
pub(super) fn clear_leftovers(main: &Project) -> Result<usize, ProjectError> {
    let _making = Making::begin(main)?;
    clear(main)
}

fn clear(main: &Project) -> Result<usize, ProjectError> {
    let folder = place(main)?;
    let mut cleared = 0;
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(file) = fs_err::File::open(entry.path()) else {
            continue;
        };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove_worktree(main, name)?;
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// Where they are.
fn place(main: &Project) -> Result<Utf8PathBuf, ProjectError> {
    let folder = state_directory(main.main_root())?.join("worktrees");
    fs_err::create_dir_all(&folder)?;
    Ok(folder)
}

/// Held while one is made or leftovers are looked for.
struct Making(#[expect(dead_code, reason = "the lock is gone when it is closed")] fs_err::File);

impl Making {
    fn begin(main: &Project) -> Result<Self, ProjectError> {
        let file = fs_err::File::create(place(main)?.join("exp.lock"))?;
        flock(&file, FlockOperation::LockExclusive).map_err(io::Error::from)?;
        Ok(Self(file))
    }
}

/// Copies a file, or a folder with all that is in it; links stay links.
fn copy_all(source: &Utf8Path, target: &Utf8Path) -> io::Result<()> {
    let kind = fs_err::symlink_metadata(source)?.file_type();
    if kind.is_symlink() {
        return fs_err::os::unix::fs::symlink(fs_err::read_link(source)?, target);
    }
    if !kind.is_dir() {
        return fs_err::copy(source, target).map(drop);
    }
    fs_err::create_dir_all(target)?;
    for entry in source.read_dir_utf8()? {
        let entry = entry?;
        copy_all(entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(())
}
