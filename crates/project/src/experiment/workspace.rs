//! A work tree as a commit, while its own index and branch stay as they are.

use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::TemporaryFolder;
use sha2::{Digest, Sha256};

use crate::commit::described;
use crate::git::Git;
use crate::project::state_directory;
use crate::stage::{Index, Stage};
use crate::{CommitId, Project, ProjectError};

/// The work tree as a commit would have it, in an index of its own: the user's is copied, not used.
/// What was staged is in the commit and stays staged.
#[derive(Debug)]
pub(super) struct StagedWorkspace {
    git: Git,
    /// Where the index is.
    _scratch: TemporaryFolder,
}

impl StagedWorkspace {
    /// What Git tracks as it is in the work tree, what describes the project, and these other paths
    /// (relative to the root).
    pub(super) fn of(project: &Project, others: &[Utf8PathBuf]) -> Result<Self, ProjectError> {
        let state = state_directory(project.root())?;
        let scratch = TemporaryFolder::make_in(&state)?;
        let git = project.git().with_index(&scratch.path().join("index"))?;
        let mut paths = described(project)?;
        paths.extend(others.iter().cloned());
        paths.retain(|path| project.root().join(path).symlink_metadata().is_ok());
        git.stage_changes(&paths)?;
        Ok(Self {
            git,
            _scratch: scratch,
        })
    }

    /// Has a file (relative to the root) say something else than in the work tree.
    pub(super) fn replace(&self, file: &Utf8Path, text: &str) -> Result<(), ProjectError> {
        self.git.stage_text(file, text)
    }

    /// Commits it on top of `parent` and on no branch.
    pub(super) fn commit(
        &self,
        message: &str,
        parent: &CommitId,
    ) -> Result<CommitId, ProjectError> {
        self.git.commit_staged(message, parent)
    }
}

/// Commits the work tree on top of `parent` and on no branch.
pub(super) fn commit_workspace(
    project: &Project,
    others: &[Utf8PathBuf],
    message: &str,
    parent: &CommitId,
) -> Result<CommitId, ProjectError> {
    StagedWorkspace::of(project, others)?.commit(message, parent)
}

/// What a commit of an experiment says if nothing else is wanted: as DVC does, with a hash of what
/// `dvc.lock` records of all stages.
pub(super) fn default_message(project: &Project) -> Result<String, ProjectError> {
    let index = Index::load(project)?;
    let mut locks: Vec<Utf8PathBuf> = index.stages.iter().map(Stage::lock_path).collect();
    locks.sort();
    locks.dedup();
    let mut hash = Sha256::new();
    for lock in locks {
        if let Some(text) = crate::paths::read_if_there(&lock)? {
            hash.update(project.shown(&lock).as_str());
            hash.update([0]);
            hash.update(text);
            hash.update([0]);
        }
    }
    let mut message = "dvc: commit experiment ".to_owned();
    for byte in hash.finalize() {
        let _ = write!(message, "{byte:02x}");
    }
    Ok(message)
}
