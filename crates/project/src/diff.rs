//! What differs in the data between two revisions, or a revision and the work tree.

use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use serde::Serialize;

use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::transfer::look_up_manifests;
use crate::tree::{Depth, Difference, Tree, chosen, compare, shown};
use crate::{Project, ProjectError, RemoteChoice};

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// A revision; `HEAD` if not given.
    pub from: Option<String>,
    /// A revision; the work tree if not given.
    pub to: Option<String>,
    /// Outputs, what is in them, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    /// Where the manifests of directories are asked for that the cache lacks; nowhere if not given.
    pub manifests: Option<RemoteChoice>,
}

/// What differs, each list in the order of its paths; directories end with a slash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DiffReport {
    pub added: Vec<DataPath>,
    pub deleted: Vec<DataPath>,
    pub modified: Vec<ModifiedPath>,
    pub renamed: Vec<RenamedPath>,
    /// Of the older state, where it is compared with the work tree.
    #[serde(rename = "not in cache")]
    pub not_in_cache: Vec<DataPath>,
}

/// A path and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataPath {
    pub path: String,
    pub hash: ObjectId,
}

/// A path and its two hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModifiedPath {
    pub path: String,
    pub hash: OldAndNew<ObjectId>,
}

/// The same content under two paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenamedPath {
    pub path: OldAndNew<String>,
    pub hash: ObjectId,
}

/// Before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldAndNew<T> {
    pub old: T,
    pub new: T,
}

impl DiffReport {
    /// Whether nothing differs and nothing is missing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the data of two states, file by file. Takes no lock and changes nothing.
///
/// Before the first commit there is nothing to compare with, and nothing differs.
pub fn diff(
    project: &Project,
    options: &DiffOptions,
    reporter: &dyn Reporter,
) -> Result<DiffReport, ProjectError> {
    let git = project.git();
    if !git.is_declined() && git.head()?.is_none() {
        return Ok(DiffReport::default());
    }
    let from = git.resolve(options.from.as_deref().unwrap_or("HEAD"))?;
    let to = options.to.as_ref().map(|to| git.resolve(to)).transpose()?;
    if to.as_ref() == Some(&from) {
        return Ok(DiffReport::default());
    }
    let blobs = Blobs::default();
    let before = Snapshot::of_commit(project, &from, &blobs)?.outputs()?;
    let now = match &to {
        Some(to) => Snapshot::of_commit(project, to, &blobs)?.outputs()?,
        None => Snapshot::of_workspace(project)?.outputs()?,
    };
    if let Some(from) = &options.manifests {
        look_up_manifests(project, before.iter().chain(&now), from);
    }
    let mut old = Tree::recorded(project, &before, Depth::Files);
    let mut new = match &to {
        Some(_) => Tree::recorded(project, &now, Depth::Files),
        None => Tree::workspace(project, &now, Depth::Files, reporter)?,
    };
    if !options.targets.is_empty() {
        let both: Vec<Recorded> = before.into_iter().chain(now).collect();
        let wanted = chosen(project, &both, &options.targets)?;
        for tree in [&mut old, &mut new] {
            tree.retain(|path| wanted.iter().any(|wanted| path.starts_with(wanted)));
        }
    }
    let mut report = DiffReport::default();
    if to.is_none() {
        report.not_in_cache = old
            .items
            .iter()
            .filter(|(_, id)| !project.cache().contains(id))
            .map(|(path, id)| DataPath {
                path: shown(path, id),
                hash: id.clone(),
            })
            .collect();
    }
    for difference in compare(&old, &new) {
        match difference {
            Difference::Added(path, id) => report.added.push(DataPath {
                path: shown(&path, &id),
                hash: id,
            }),
            Difference::Deleted(path, id) => report.deleted.push(DataPath {
                path: shown(&path, &id),
                hash: id,
            }),
            Difference::Modified(path, before, now) => report.modified.push(ModifiedPath {
                path: shown(&path, &before),
                hash: OldAndNew {
                    old: before,
                    new: now,
                },
            }),
            Difference::Renamed(before, now, id) => report.renamed.push(RenamedPath {
                path: OldAndNew {
                    old: shown(&before, &id),
                    new: shown(&now, &id),
                },
                hash: id,
            }),
            Difference::Unchanged(..) | Difference::Unknown(_) => {}
        }
    }
    Ok(report)
}
