//! Outputs and tracked data out of the cache.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::OutputEntry;
use ketch_store::{Reporter, hash_directory, hash_file};
use serde::Serialize;

use crate::content::{Hasher, is_cached, restore};
use crate::paths::join;
use crate::stage::Index;
use crate::{Project, ProjectError};

/// What to restore.
#[derive(Debug, Clone, Default)]
pub struct CheckoutOptions {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub overwrite: Overwrite,
}

/// What to do about content that is saved nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    #[default]
    Refuse,
    Force,
}

/// What was restored. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CheckoutReport {
    pub restored: Vec<Utf8PathBuf>,
    pub unchanged: Vec<Utf8PathBuf>,
    /// Recorded, but not in the cache.
    pub missing: Vec<Utf8PathBuf>,
}

/// Makes outputs what `dvc.lock` and the `.dvc` files record.
///
/// Everything is looked at before anything is overwritten. What the cache does not have is
/// reported, not an error, unless it was named as a target.
pub fn checkout(
    project: &Project,
    options: &CheckoutOptions,
    reporter: &dyn Reporter,
) -> Result<CheckoutReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let hasher = Hasher::default();
    let mut report = CheckoutReport::default();
    let mut pending = Vec::new();
    for (path, entry) in wanted(project, &index, &options.targets)? {
        let content = hasher.content(project, &path, reporter)?;
        if content.as_ref().map(|content| &content.id) == entry.md5.as_ref() {
            report.unchanged.push(project.shown(&path));
        } else if !is_cached(project, &entry) {
            if !options.targets.is_empty()
                && let Some(id) = &entry.md5
            {
                project.cache().verify(id)?;
            }
            report.missing.push(project.shown(&path));
        } else {
            if options.overwrite == Overwrite::Refuse && !is_saved(project, &path, reporter)? {
                return Err(ProjectError::Unsaved {
                    path: project.shown(&path),
                });
            }
            pending.push((path, entry));
        }
    }
    for (path, entry) in pending {
        restore(project, &path, &entry, reporter)?;
        report.restored.push(project.shown(&path));
    }
    Ok(report)
}

/// What the targets record, by absolute path.
fn wanted(
    project: &Project,
    index: &Index,
    targets: &[String],
) -> Result<Vec<(Utf8PathBuf, OutputEntry)>, ProjectError> {
    let mut all = Vec::new();
    for data in &index.data {
        let names = vec![project.shown(&data.file).into_string()];
        all.push((names, data.path.clone(), data.entry.clone()));
    }
    for stage in &index.stages {
        let Some(recorded) = index.recorded(stage) else {
            continue;
        };
        for (out, path) in stage.outputs().filter(|(out, _)| out.cache) {
            if let Some(entry) = recorded.outs.iter().find(|known| known.path == out.path) {
                all.push((vec![stage.address.clone()], path, entry.clone()));
            }
        }
    }
    for target in targets {
        let path = join(project.root(), target);
        let known = all
            .iter()
            .any(|(names, out, _)| names.contains(target) || *out == path);
        if !known {
            return Err(match index.owner(&path) {
                Some(_) => ProjectError::NotRecorded {
                    path: project.shown(&path),
                },
                None => index.unknown(target),
            });
        }
    }
    let chosen = |names: &[String], out: &Utf8Path| {
        targets.is_empty()
            || targets
                .iter()
                .any(|target| names.contains(target) || join(project.root(), target) == out)
    };
    Ok(all
        .into_iter()
        .filter(|(names, out, entry)| entry.md5.is_some() && chosen(names, out))
        .map(|(_, out, entry)| (out, entry))
        .collect())
}

/// Whether the cache has every byte of what is at `path` now.
fn is_saved(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<bool, ProjectError> {
    let Ok(metadata) = fs_err::metadata(path) else {
        return Ok(true);
    };
    if metadata.is_dir() {
        let (manifest, _) = hash_directory(project.root(), path, reporter)?;
        return Ok(manifest
            .entries()
            .iter()
            .all(|entry| project.cache().contains(&entry.md5)));
    }
    let (id, _) = hash_file(path)?;
    Ok(project.cache().contains(&id))
}
