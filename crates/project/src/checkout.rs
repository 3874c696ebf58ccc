//! Outputs and tracked data out of the cache.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{ObjectId, OutputEntry};
use ketch_store::{Reporter, StoreError};
use serde::Serialize;

use crate::content::{self, is_cached, relink, restore};
use crate::import::{Undownloaded, undownloaded};
use crate::inside::{Part, PartialCheckout};
use crate::paths::join;
use crate::stage::{Index, answers_to, check_place};
use crate::trash::{keep_unsaved, move_there};
use crate::versioned::manifest_of;
use crate::{Project, ProjectError};

/// What to restore.
#[derive(Debug, Clone, Default)]
pub struct CheckoutOptions {
    /// Outputs, places in directories, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub overwrite: Overwrite,
    pub missing: MissingTargets,
    /// The folder below `.ketch/trash` that takes what is overwritten and saved nowhere; such
    /// content is gone where there is none.
    pub trash: Option<String>,
}

/// What to do about files that are as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Relink {
    #[default]
    Keep,
    /// Make them out of the cache again, linked as `cache.type` says now.
    Anew,
}

/// What to do about content that is saved nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    #[default]
    Refuse,
    Force,
}

/// What to do about targets that the cache does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingTargets {
    /// It is an error, and nothing is touched.
    #[default]
    Refused,
    /// They are reported, as what was not named is.
    Reported,
}

/// What was restored. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CheckoutReport {
    pub restored: Vec<Utf8PathBuf>,
    pub unchanged: Vec<Utf8PathBuf>,
    /// Recorded, but not in the cache.
    pub missing: Vec<Utf8PathBuf>,
    /// Those of `restored` that were not there before.
    pub added: Vec<Utf8PathBuf>,
    /// What was overwritten, saved nowhere, and is in the trash now.
    pub trashed: Vec<Utf8PathBuf>,
    /// How many files `added` comes to.
    #[serde(skip)]
    pub added_files: usize,
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
    checkout_linked(project, options, Relink::Keep, reporter)
}

/// [`checkout`], and what becomes of files that are as recorded.
pub fn checkout_linked(
    project: &Project,
    options: &CheckoutOptions,
    links: Relink,
    reporter: &dyn Reporter,
) -> Result<CheckoutReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let mut report = CheckoutReport::default();
    let mut pending = Vec::new();
    let mut again = Vec::new();
    let mut partly = Vec::new();
    for (path, entry, part) in wanted(project, &index, &options.targets)? {
        if let (Part::Places(_), Some(id)) = (&part, &entry.md5) {
            match PartialCheckout::look(project, &path, id, &part, options, reporter) {
                Err(ProjectError::Store(StoreError::Missing { .. }))
                    if options.missing == MissingTargets::Reported =>
                {
                    report.missing.push(project.shown(&path));
                }
                found => partly.push(found?),
            }
            continue;
        }
        if entry.md5.is_none() {
            report.missing.push(project.shown(&path));
            continue;
        }
        let content = content::content_as(project, &path, entry.md5.as_ref(), reporter)?;
        if content.as_ref().map(|content| &content.id) == entry.md5.as_ref() {
            report.unchanged.push(project.shown(&path));
            if links == Relink::Anew && is_cached(project, &entry) {
                again.push((path, entry));
            }
        } else if !is_cached(project, &entry) {
            if !options.targets.is_empty()
                && options.missing == MissingTargets::Refused
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
        if path.symlink_metadata().is_err() {
            report.added.push(project.shown(&path));
            report.added_files += match &entry.md5 {
                Some(id) if id.is_directory() => manifest_of(project, &entry, id)?.entries().len(),
                _ => 1,
            };
        } else if let (Overwrite::Force, Some(name)) = (options.overwrite, &options.trash) {
            let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
            if is_directory && !entry.md5.as_ref().is_some_and(ObjectId::is_directory) {
                // A file takes the place of all of it, of what `.dvcignore` hides too.
                report.trashed.push(move_there(project, name, &path)?);
            } else {
                let kept = keep_unsaved(project, name, &path, reporter)?;
                report.trashed.extend(kept);
            }
        }
        restore(project, &path, &entry, reporter)?;
        report.restored.push(project.shown(&path));
    }
    for partial in partly {
        partial.apply(project, options, reporter, &mut report)?;
    }
    for (path, entry) in again {
        relink(project, &path, &entry, reporter)?;
    }
    project.remember();
    Ok(report)
}

/// What the targets record, by absolute path.
fn wanted(
    project: &Project,
    index: &Index,
    targets: &[String],
) -> Result<Vec<(Utf8PathBuf, OutputEntry, Part)>, ProjectError> {
    let mut all = Vec::new();
    // Imports that nobody downloaded.
    let mut lacking = Vec::new();
    for data in &index.data {
        let names = vec![project.shown(&data.file).into_string()];
        let entry = match undownloaded(project, data)? {
            Undownloaded::Fetched(entry) => *entry,
            Undownloaded::Unknown => {
                lacking.push(data.path.clone());
                data.entry.clone()
            }
            Undownloaded::No => data.entry.clone(),
        };
        all.push((names, data.path.clone(), entry));
    }
    for stage in &index.stages {
        let Some(recorded) = index.recorded(stage) else {
            continue;
        };
        for (out, path) in stage.outputs().filter(|(out, _)| out.cache) {
            if let Some(entry) = recorded.outs.iter().find(|known| known.path == out.path) {
                check_place(project, &path)?;
                all.push((vec![stage.address.clone()], path, entry.clone()));
            }
        }
    }
    for target in targets {
        let path = join(project.root(), target);
        let one = std::slice::from_ref(target);
        let known = all.iter().any(|(names, out, entry)| {
            names.iter().any(|name| answers_to(name, target))
                || *out == path
                || Part::below(project, out, entry.md5.as_ref(), one).is_some()
        });
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
            || targets.iter().any(|target| {
                names.iter().any(|name| answers_to(name, target))
                    || join(project.root(), target) == out
            })
    };
    Ok(all
        .into_iter()
        .filter(|(_, out, entry)| entry.md5.is_some() || lacking.contains(out))
        .filter_map(|(names, out, entry)| {
            let part = if chosen(&names, &out) {
                Part::Whole
            } else {
                Part::below(project, &out, entry.md5.as_ref(), targets)?
            };
            Some((out, entry, part))
        })
        .collect())
}

/// Whether the cache has every byte of what is at `path` now.
fn is_saved(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<bool, ProjectError> {
    if fs_err::metadata(path).is_err() {
        return Ok(true);
    }
    Ok(project
        .cache()
        .has_content(project.root(), path, reporter)?)
}
