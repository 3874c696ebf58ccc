//! What differs from what is recorded.

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use serde::Serialize;

use crate::change::{Change, FileState, inspect, shown};
use crate::content::{self, is_cached};
use crate::import::{Undownloaded, is_edited, undownloaded};
use crate::paths::join;
use crate::stage::{Index, Stage, answers_to};
use crate::{Project, ProjectError};

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct StatusOptions {
    /// Outputs, places in directories, `.dvc` files or stages; empty for everything. A place stands
    /// for the whole directory that it is in.
    pub targets: Vec<String>,
    pub cache: CacheCheck,
}

/// Whether the cache is looked at too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheCheck {
    /// No: it takes a look at every object.
    #[default]
    Skipped,
    /// It is said which outputs it does not have.
    Done,
}

/// Stages and data, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    pub stages: Vec<StageStatus>,
    pub data: Vec<DataStatus>,
    /// Whether there is anything that could have a status.
    #[serde(skip)]
    pub is_empty: bool,
}

/// One stage; without changes it is up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageStatus {
    pub stage: String,
    pub changes: Vec<Change>,
    /// Of a stage that never ran, what there is to it, one by one.
    #[serde(skip)]
    pub parts: Vec<Change>,
    /// Outputs as `dvc.yaml` has them that the cache does not have, if it was looked at.
    #[serde(skip)]
    pub not_in_cache: Vec<String>,
}

/// One output of a `.dvc` file; without a state it is as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataStatus {
    /// The `.dvc` file, relative to the root.
    pub file: Utf8PathBuf,
    /// The data, relative to the root.
    pub path: Utf8PathBuf,
    pub state: Option<FileState>,
    /// Whether the cache does not have it, if it was looked at.
    #[serde(skip)]
    pub not_in_cache: bool,
    /// Whether the record says nothing of the content, which may be known all the same: of an import
    /// that was fetched after it was made.
    #[serde(skip)]
    pub is_unrecorded: bool,
    /// Whether the record of an import was changed by hand, or not finished when it was made.
    #[serde(skip)]
    pub is_edited: bool,
}

impl StatusReport {
    /// Whether everything is as recorded.
    pub fn is_clean(&self) -> bool {
        self.stages.iter().all(|stage| stage.changes.is_empty())
            && self.data.iter().all(|data| data.state.is_none())
    }
}

/// Holds everything against its record. Takes no lock and changes nothing, but remembers what it
/// read.
pub fn status(project: &Project, reporter: &dyn Reporter) -> Result<StatusReport, ProjectError> {
    status_of(project, &StatusOptions::default(), reporter)
}

/// [`status`] of some targets.
pub fn status_of(
    project: &Project,
    options: &StatusOptions,
    reporter: &dyn Reporter,
) -> Result<StatusReport, ProjectError> {
    let look = options.cache == CacheCheck::Done;
    let index = Index::load(project)?;
    let mut stages = Vec::new();
    let mut known = vec![false; options.targets.len()];
    let mut wanted = |names: &dyn Fn(&str) -> bool| {
        let mut any = options.targets.is_empty();
        for (target, known) in options.targets.iter().zip(&mut known) {
            if names(target) {
                *known = true;
                any = true;
            }
        }
        any
    };
    for stage in &index.stages {
        if !wanted(&|target| {
            let place = join(project.root(), target);
            answers_to(&stage.address, target)
                || stage.outputs().any(|(_, out)| place.starts_with(out))
        }) {
            continue;
        }
        let inspection = inspect(project, &index, stage, reporter)?;
        let mut changes = inspection.changes;
        changes.extend(inspection.restorable.into_iter().map(|out| Change::Output {
            path: shown(project, stage, &out.path),
            state: FileState::Missing,
        }));
        stages.push(StageStatus {
            stage: stage.address.clone(),
            parts: if changes.contains(&Change::NeverRun) {
                parts(project, stage)
            } else {
                Vec::new()
            },
            not_in_cache: if look {
                lost(project, &index, stage)
            } else {
                Vec::new()
            },
            changes,
        });
    }
    let mut data = Vec::new();
    for tracked in &index.data {
        let file = project.shown(&tracked.file);
        let is_directory = |id: &ObjectId| id.is_directory();
        let holds =
            tracked.entry.md5.as_ref().is_some_and(is_directory) || tracked.entry.files.is_some();
        if !wanted(&|target| {
            let place = join(project.root(), target);
            file == target || tracked.path == place || (holds && place.starts_with(&tracked.path))
        }) {
            continue;
        }
        let expected = match undownloaded(project, tracked)? {
            Undownloaded::Fetched(entry) => entry.md5,
            Undownloaded::No | Undownloaded::Unknown => tracked.entry.md5.clone(),
        };
        let content = content::content_as(project, &tracked.path, expected.as_ref(), reporter)?;
        let state = match (content.map(|content| content.id), &expected) {
            (None, _) => Some(FileState::Missing),
            (Some(_), None) => Some(FileState::New),
            (Some(now), Some(before)) => (now != *before).then_some(FileState::Modified),
        };
        data.push(DataStatus {
            file,
            path: project.shown(&tracked.path),
            state,
            not_in_cache: look
                && tracked.entry.cache
                && tracked.entry.md5.is_some()
                && !is_cached(project, &tracked.entry),
            is_unrecorded: tracked.entry.md5.is_none() && state != Some(FileState::Missing),
            is_edited: is_edited(project, tracked)?,
        });
    }
    let unknown = options.targets.iter().zip(&known);
    if let Some((target, _)) = unknown.into_iter().find(|(_, known)| !**known) {
        return Err(index.unknown(target));
    }
    project.remember();
    Ok(StatusReport {
        stages,
        data,
        is_empty: index.stages.is_empty() && index.data.is_empty(),
    })
}

/// What a stage that never ran reads and makes, each as DVC calls it: there or not.
fn parts(project: &Project, stage: &Stage) -> Vec<Change> {
    let state = |path: &str| {
        if stage.resolve(path).exists() {
            FileState::Modified
        } else {
            FileState::Missing
        }
    };
    let deps = stage.spec.deps.iter().map(|path| Change::Dependency {
        path: shown(project, stage, path),
        state: state(path),
    });
    let params = stage.spec.params.iter().map(|params| Change::Dependency {
        path: shown(project, stage, &params.file),
        state: FileState::New,
    });
    let outs = stage.spec.outs.iter().map(|out| Change::Output {
        path: shown(project, stage, &out.path),
        state: state(&out.path),
    });
    deps.chain(params).chain(outs).collect()
}

fn lost(project: &Project, index: &Index, stage: &Stage) -> Vec<String> {
    let Some(recorded) = index.recorded(stage) else {
        return Vec::new();
    };
    let cached = |path: &str| {
        stage
            .spec
            .outs
            .iter()
            .any(|out| out.path == path && out.cache)
    };
    recorded
        .outs
        .iter()
        .filter(|out| cached(&out.path) && out.md5.is_some() && !is_cached(project, out))
        .map(|out| shown(project, stage, &out.path))
        .collect()
}
