//! Files whose content differs between two states, and where both contents can be read.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::{Reporter, StoreError};
use serde::Serialize;

use crate::diff::DiffOptions;
use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::transfer::look_up_manifests;
use crate::tree::{Depth, Difference, Tree, chosen, compare};
use crate::{Project, ProjectError};

/// What differs between two states, as files that can be opened. Paths are relative to the root
/// and in order; directories themselves are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChangedFiles {
    pub modified: Vec<ChangedFile>,
    pub added: Vec<Utf8PathBuf>,
    pub deleted: Vec<Utf8PathBuf>,
}

/// A file and its two contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedFile {
    pub path: Utf8PathBuf,
    pub before: FileContent,
    pub after: FileContent,
}

/// One content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileContent {
    pub id: ObjectId,
    /// Where the bytes are: an object of the cache, or the file in the work tree.
    pub place: Utf8PathBuf,
}

/// Finds the files that differ. Takes no lock and changes nothing.
///
/// `wanted` says by its path whether a file counts; what does not count need not be in the cache.
///
/// # Errors
///
/// When a content that counts, or the manifest of a directory that changed, is not in the cache;
/// and for a target that names nothing.
pub fn changed_files(
    project: &Project,
    options: &DiffOptions,
    wanted: &dyn Fn(&Utf8Path) -> bool,
    reporter: &dyn Reporter,
) -> Result<ChangedFiles, ProjectError> {
    let git = project.git();
    let mut report = ChangedFiles::default();
    if git.head()?.is_none() {
        return Ok(report);
    }
    let from = git.resolve(options.from.as_deref().unwrap_or("HEAD"))?;
    let to = options.to.as_ref().map(|to| git.resolve(to)).transpose()?;
    let blobs = Blobs::default();
    let before = Snapshot::of_commit(project, &from, &blobs)?.outputs()?;
    let now = match &to {
        Some(to) => Snapshot::of_commit(project, to, &blobs)?.outputs()?,
        None => Snapshot::of_workspace(project)?.outputs()?,
    };
    let both: Vec<Recorded> = before.iter().chain(&now).cloned().collect();
    let targets = chosen(project, &both, &options.targets)?;
    let counts = |path: &Utf8Path| {
        targets.is_empty() || targets.iter().any(|target| path.starts_with(target))
    };
    let touches =
        |path: &Utf8Path| counts(path) || targets.iter().any(|target| target.starts_with(path));
    if let Some(from) = &options.manifests {
        let touched = before.iter().chain(&now).filter(|one| touches(&one.path));
        look_up_manifests(project, touched, from);
    }
    need_manifests(project, &before, &now, to.is_some(), &touches)?;
    let mut old = Tree::recorded(project, &before, Depth::Files);
    let mut new = if to.is_some() {
        Tree::recorded(project, &now, Depth::Files)
    } else {
        let touched: Vec<Recorded> = now.into_iter().filter(|one| touches(&one.path)).collect();
        Tree::workspace(project, &touched, Depth::Files, reporter)?
    };
    for tree in [&mut old, &mut new] {
        tree.retain(counts);
        tree.items.retain(|_, id| !id.is_directory());
    }
    let cached = |id: &ObjectId| -> Result<FileContent, ProjectError> {
        if !project.cache().contains(id) {
            return Err(missing(project, id));
        }
        Ok(FileContent {
            id: id.clone(),
            place: project.cache().object_path(id),
        })
    };
    for difference in compare(&old, &new) {
        match difference {
            Difference::Added(path, _) if wanted(&path) => report.added.push(path),
            Difference::Deleted(path, _) if wanted(&path) => report.deleted.push(path),
            Difference::Modified(path, before, after) if wanted(&path) => {
                let after = if to.is_some() {
                    cached(&after)?
                } else {
                    FileContent {
                        id: after,
                        place: project.root().join(&path),
                    }
                };
                report.modified.push(ChangedFile {
                    before: cached(&before)?,
                    after,
                    path,
                });
            }
            _ => {}
        }
    }
    Ok(report)
}

/// Whether the manifest of each directory that is to be looked into is there: without it, nothing
/// can be said of its files.
fn need_manifests(
    project: &Project,
    before: &[Recorded],
    now: &[Recorded],
    both_recorded: bool,
    touches: &dyn Fn(&Utf8Path) -> bool,
) -> Result<(), ProjectError> {
    let directory = |one: &Recorded| {
        one.entry
            .md5
            .clone()
            .filter(|id| id.is_directory() && touches(&one.path))
    };
    let now = if both_recorded { now } else { &[] };
    for id in before.iter().chain(now).filter_map(directory) {
        let same = |side: &[Recorded]| side.iter().any(|one| one.entry.md5.as_ref() == Some(&id));
        // A directory that is the same on both sides is not looked into.
        if !(both_recorded && same(before) && same(now)) {
            let known = project.cache().manifest(&id).map(drop);
            known.or_else(|error| project.seen_manifest(&id).map(drop).ok_or(error))?;
        }
    }
    Ok(())
}

fn missing(project: &Project, id: &ObjectId) -> ProjectError {
    StoreError::Missing {
        id: id.clone(),
        cache: project.cache().root().to_owned(),
    }
    .into()
}
