//! Which outputs a transfer is about.

use camino::Utf8PathBuf;
use ketch_dvc::{DvcFile, ObjectId, OutputEntry};
use serde::Serialize;

use crate::inside::Part;
use crate::paths::join;
use crate::stage::{Index, answers_to};
use crate::{Project, ProjectError};

/// An output that was not moved, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub reason: SkipReason,
}

/// Why an output stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// It says `push: false`.
    NotPushed,
    /// It comes from another repository, whose remote has it, or is of recorded versions at a URL.
    Imported,
    /// It comes from a URL, and was not downloaded when it was imported.
    NotDownloaded,
    /// It is recorded with a hash that is not MD5.
    UnknownHash,
    /// It is recorded for a remote that keeps versions, without the hashes of its files.
    CloudVersioned,
    /// No remote is configured, and none is needed.
    NoRemote,
}

impl SkipReason {
    /// Whether it is elsewhere, where it was imported from.
    pub(crate) fn is_import(self) -> bool {
        matches!(self, Self::Imported | Self::NotDownloaded)
    }
}

/// The `.dvc` files of the imports that come from elsewhere again among what was left out, relative
/// to the root.
pub(crate) fn imports(
    project: &Project,
    skipped: &[Skipped],
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let index = Index::load(project)?;
    let left_out = |path: &Utf8PathBuf| {
        let same = |one: &Skipped| one.path == *path && one.reason.is_import();
        skipped.iter().any(same)
    };
    Ok(index
        .data
        .iter()
        .filter(|data| left_out(&project.shown(&data.path)))
        .map(|data| project.shown(&data.file))
        .collect())
}

/// One recorded output with content in the cache's layout.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// Relative to the root.
    pub(crate) path: Utf8PathBuf,
    pub(crate) id: ObjectId,
    /// The remote it insists on.
    pub(crate) remote: Option<String>,
    pub(crate) pushed: bool,
    /// How much of it is meant.
    pub(crate) part: Part,
    /// What is recorded of it.
    pub(crate) entry: OutputEntry,
}

/// What the targets name: outputs, places in directories, `.dvc` files or stages; everything if
/// there are none.
pub(crate) fn outputs(
    project: &Project,
    targets: &[String],
) -> Result<(Vec<Output>, Vec<Skipped>), ProjectError> {
    let index = Index::load(project)?;
    let mut all: Vec<Recorded> = Vec::new();
    for data in &index.data {
        let file = project.shown(&data.file);
        let text = fs_err::read_to_string(&data.file)?;
        let dependencies = DvcFile::parse(&text, file.as_str())?.deps;
        let recorded = data.entry.md5.is_some() || data.entry.files.is_some();
        let comes_again = dependencies.iter().any(|one| {
            let is_version = one.version_id.is_some() && !data.entry.push;
            one.repo.is_some() || one.files.is_some() || is_version
        });
        let elsewhere = if comes_again {
            Some(SkipReason::Imported)
        } else {
            let pending = !recorded && dependencies.len() == 1;
            pending.then_some(SkipReason::NotDownloaded)
        };
        all.push(Recorded {
            name: file.into_string(),
            path: data.path.clone(),
            entry: data.entry.clone(),
            elsewhere,
        });
    }
    for stage in &index.stages {
        let Some(recorded) = index.recorded(stage) else {
            continue;
        };
        for (out, path) in stage.outputs().filter(|(out, _)| out.cache) {
            if let Some(entry) = recorded.outs.iter().find(|known| known.path == out.path) {
                let mut entry = entry.clone();
                entry.remote.clone_from(&out.remote);
                entry.push = out.push;
                all.push(Recorded {
                    name: stage.address.clone(),
                    path,
                    entry,
                    elsewhere: None,
                });
            }
        }
    }
    let names = |target: &String, recorded: &Recorded| {
        answers_to(&recorded.name, target) || join(project.root(), target) == recorded.path
    };
    let part_below = |recorded: &Recorded, targets: &[String]| {
        Part::below(
            project,
            &recorded.path,
            recorded.entry.md5.as_ref(),
            targets,
        )
    };
    for target in targets {
        let known = |recorded: &Recorded| {
            names(target, recorded) || part_below(recorded, std::slice::from_ref(target)).is_some()
        };
        if !all.iter().any(known) {
            let path = join(project.root(), target);
            return Err(match index.owner(&path) {
                Some(_) => ProjectError::NotRecorded {
                    path: project.shown(&path),
                },
                None => index.unknown(target),
            });
        }
    }
    let mut chosen = Vec::new();
    let mut skipped = Vec::new();
    for recorded in all {
        let is_whole = targets.is_empty() || targets.iter().any(|target| names(target, &recorded));
        let part = if is_whole {
            Part::Whole
        } else if let Some(part) = part_below(&recorded, targets) {
            part
        } else {
            continue;
        };
        let path = project.shown(&recorded.path);
        let entry = recorded.entry;
        let mut skip = |reason| {
            skipped.push(Skipped {
                path: path.clone(),
                reason,
            });
        };
        if !entry.cache {
            continue;
        }
        if let Some(reason) = recorded.elsewhere {
            skip(reason);
        } else if let Some(id) = entry.md5.clone() {
            if id.is_legacy() || entry.hash.as_deref() == Some("md5") {
                chosen.push(Output {
                    path,
                    id,
                    remote: entry.remote.clone(),
                    pushed: entry.push,
                    part,
                    entry,
                });
            } else {
                skip(SkipReason::UnknownHash);
            }
        } else if entry.files.is_some() || entry.cloud.is_some() {
            skip(SkipReason::CloudVersioned);
        }
    }
    Ok((chosen, skipped))
}

struct Recorded {
    /// The `.dvc` file or the stage.
    name: String,
    path: Utf8PathBuf,
    entry: OutputEntry,
    /// Why it is an import and comes from where it was imported.
    elsewhere: Option<SkipReason>,
}
