//! Linked work trees: a pipeline run at another revision, with nobody's files touched.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::Config;
use ketch_store::write_atomically;
use rustix::fs::{FlockOperation, flock};

use crate::paths::remove;
use crate::project::canonical;
use crate::{Project, ProjectError};

/// A work tree of ours, with no branch checked out.
#[derive(Debug)]
pub struct Worktree {
    /// The project in it. It shares the cache and the virtual environment of the main one.
    pub project: Project,
    /// Where the work tree is.
    pub path: Utf8PathBuf,
}

/// Makes the work tree `.ketch/worktrees/NAME` at a revision.
///
/// One of the same name, such as a killed process leaves behind, is replaced.
pub fn create_worktree(
    project: &Project,
    name: &str,
    revision: &str,
) -> Result<Worktree, ProjectError> {
    let path = place(project, name)?;
    let commit = project.git().resolve(revision)?;
    let _changing = Changing::begin(project)?;
    discard(project, &path)?;
    project.git().add_worktree(&path, &commit)?;

    let top = canonical(&project.git().top_level()?)?;
    let below = project
        .root()
        .strip_prefix(&top)
        .unwrap_or(Utf8Path::new(""));
    let root = canonical(&path)?.join(below);
    let mut settings = Config::default();
    settings.set("cache", "dir", absolute_cache(project)?.as_str())?;
    write_atomically(
        &root.join(".dvc/config.local"),
        settings.to_text().as_bytes(),
    )?;
    Ok(Worktree {
        project: Project::open(&root)?,
        path,
    })
}

/// Removes the work tree `.ketch/worktrees/NAME`, with all that is in it.
pub fn remove_worktree(project: &Project, name: &str) -> Result<(), ProjectError> {
    let path = place(project, name)?;
    let _changing = Changing::begin(project)?;
    discard(project, &path)
}

/// Held while Git's list of work trees is changed: `git worktree prune` takes away what another
/// `git worktree add` has begun.
struct Changing(#[expect(dead_code, reason = "the lock is gone when it is closed")] fs_err::File);

impl Changing {
    fn begin(project: &Project) -> Result<Self, ProjectError> {
        let state = crate::project::state_directory(project.main_root())?;
        let file = fs_err::File::create(state.join("worktrees.lock"))?;
        flock(&file, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
        Ok(Self(file))
    }
}

fn place(project: &Project, name: &str) -> Result<Utf8PathBuf, ProjectError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let valid = name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || byte == b'-' || byte == b'_');
    if !valid {
        return Err(ProjectError::WorktreeName {
            name: name.to_owned(),
        });
    }
    let state = crate::project::state_directory(project.main_root())?;
    Ok(state.join("worktrees").join(name))
}

fn discard(project: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
    remove(path)?;
    project.git().prune_worktrees()
}

/// The cache's own path, which need not exist yet.
fn absolute_cache(project: &Project) -> Result<Utf8PathBuf, ProjectError> {
    let root = project.cache().root();
    if root.exists() {
        canonical(root)
    } else {
        Ok(root.to_owned())
    }
}
