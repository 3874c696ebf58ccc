//! Data between the last commit, what is recorded now, and the work tree.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::Reporter;
use serde::Serialize;

use crate::diff::OldAndNew;
use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::transfer::look_up_manifests;
use crate::transfer::{NotInRemoteOptions, not_in_remote};
use crate::tree::{Depth, Difference, Tree, chosen, compare, shown};
use crate::{Project, ProjectError, RemoteChoice};

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct DataStatusOptions {
    /// Outputs, what is in them, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub strangers: Strangers,
    pub depth: Depth,
    /// Where the manifests of directories are asked for that the cache lacks; nowhere if not given.
    pub manifests: Option<RemoteChoice>,
    /// Whether to look for what remotes do not have, and how.
    pub not_in_remote: Option<NotInRemoteOptions>,
}

/// What becomes of targets that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strangers {
    #[default]
    Refused,
    /// They are left out: nothing is said about them.
    Left,
}

/// Data between three states. Directories end with a slash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DataStatusReport {
    /// Recorded, but not in the cache.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_in_cache: Vec<String>,
    /// Recorded, but not on the remote, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_in_remote: Vec<String>,
    /// From the last commit to what is recorded now.
    #[serde(skip_serializing_if = "DataChanges::is_empty")]
    pub committed: DataChanges,
    /// From what is recorded to the work tree.
    #[serde(skip_serializing_if = "DataChanges::is_empty")]
    pub uncommitted: DataChanges,
    /// Files that neither Git nor a `.dvc` file tracks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untracked: Vec<String>,
    /// The same in all three states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unchanged: Vec<String>,
    /// Whether Git sees changes of its own.
    #[serde(skip)]
    pub git_dirty: bool,
    /// Whether there is a commit at all.
    #[serde(skip)]
    pub git_empty: bool,
}

/// What differs between two states.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DataChanges {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modified: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<OldAndNew<String>>,
    /// In a directory whose manifest the cache has lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl DataChanges {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the last commit, what is recorded now and the work tree, and what remotes have if that
/// is asked for. Takes no lock and changes nothing.
pub fn data_status(
    project: &Project,
    options: &DataStatusOptions,
    reporter: &dyn Reporter,
) -> Result<DataStatusReport, ProjectError> {
    let head = project.git().head()?;
    let now = Snapshot::of_workspace(project)?.outputs()?;
    let before = match &head {
        Some(head) => Snapshot::of_commit(project, head, &Blobs::default())?.outputs()?,
        None => Vec::new(),
    };
    if let (Depth::Files, Some(from)) = (options.depth, &options.manifests) {
        look_up_manifests(project, before.iter().chain(&now), from);
    }
    let mut committed = Tree::recorded(project, &before, options.depth);
    let mut recorded = Tree::recorded(project, &now, options.depth);
    let mut workspace = Tree::workspace(project, &now, options.depth, reporter)?;
    let both: Vec<Recorded> = before.into_iter().chain(now).collect();
    let mut wanted = Vec::new();
    for target in &options.targets {
        match chosen(project, &both, std::slice::from_ref(target)) {
            Err(ProjectError::UnknownTarget { .. }) if options.strangers == Strangers::Left => {}
            found => wanted.extend(found?),
        }
    }
    let is_wanted = |path: &Utf8Path| {
        options.targets.is_empty() || wanted.iter().any(|wanted| path.starts_with(wanted))
    };
    for tree in [&mut committed, &mut recorded, &mut workspace] {
        tree.retain(is_wanted);
    }
    let lacking = match &options.not_in_remote {
        Some(look) => not_in_remote(project, look, options.depth, &is_wanted)?,
        None => Vec::new(),
    };
    let (uncommitted, same) = changes(compare(&recorded, &workspace));
    let without_git = project.git().is_declined();
    let (committed, same_since) = if without_git {
        (DataChanges::default(), same.clone())
    } else {
        changes(compare(&committed, &recorded))
    };
    let (untracked, git_dirty) = if without_git {
        (Vec::new(), false)
    } else {
        seen_by_git(project)?
    };
    Ok(DataStatusReport {
        not_in_cache: recorded
            .items
            .iter()
            .filter(|(_, id)| !project.cache().contains(id))
            .map(|(path, id)| shown(path, id))
            .collect(),
        not_in_remote: lacking.iter().map(|(path, id)| shown(path, id)).collect(),
        committed,
        uncommitted,
        untracked,
        unchanged: same.intersection(&same_since).cloned().collect(),
        git_dirty,
        git_empty: head.is_none() && !without_git,
    })
}

/// The untracked files, and whether there are other changes.
fn seen_by_git(project: &Project) -> Result<(Vec<String>, bool), ProjectError> {
    let git = project.git().run(&[
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--no-renames",
    ])?;
    let (mut untracked, mut git_dirty) = (Vec::new(), false);
    for entry in git.split('\0') {
        match entry.split_at_checked(3) {
            Some(("?? ", path)) => untracked.push(path.to_owned()),
            Some(_) => git_dirty = true,
            None => {}
        }
    }
    Ok((below_root(project, untracked)?, git_dirty))
}

/// Git names paths from its own top.
fn below_root(project: &Project, paths: Vec<String>) -> Result<Vec<String>, ProjectError> {
    let top = crate::project::canonical(&project.git().top_level()?)?;
    let Ok(prefix) = project.root().strip_prefix(&top) else {
        return Ok(paths);
    };
    Ok(paths
        .into_iter()
        .filter_map(|path| {
            let path = Utf8PathBuf::from(path);
            path.strip_prefix(prefix).ok().map(ToString::to_string)
        })
        .collect())
}

fn changes(differences: Vec<Difference>) -> (DataChanges, BTreeSet<String>) {
    let mut changes = DataChanges::default();
    let mut unchanged = BTreeSet::new();
    for difference in differences {
        match difference {
            Difference::Added(path, id) => changes.added.push(shown(&path, &id)),
            Difference::Deleted(path, id) => changes.deleted.push(shown(&path, &id)),
            Difference::Modified(path, _, now) => changes.modified.push(shown(&path, &now)),
            Difference::Renamed(before, now, id) => changes.renamed.push(OldAndNew {
                old: shown(&before, &id),
                new: shown(&now, &id),
            }),
            Difference::Unchanged(path, id) => _ = unchanged.insert(shown(&path, &id)),
            Difference::Unknown(path) => changes.unknown.push(path.into_string()),
        }
    }
    (changes, unchanged)
}
