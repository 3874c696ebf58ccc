//! What differs from what is recorded.

use camino::Utf8PathBuf;
use ketch_store::Reporter;
use serde::Serialize;

use crate::change::{Change, FileState, inspect};
use crate::content::Hasher;
use crate::stage::Index;
use crate::{Project, ProjectError};

/// Stages and data, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    pub stages: Vec<StageStatus>,
    pub data: Vec<DataStatus>,
}

/// One stage; without changes it is up to date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageStatus {
    pub stage: String,
    pub changes: Vec<Change>,
}

/// One output of a `.dvc` file; without a state it is as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataStatus {
    /// The `.dvc` file, relative to the root.
    pub file: Utf8PathBuf,
    /// The data, relative to the root.
    pub path: Utf8PathBuf,
    pub state: Option<FileState>,
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
    let index = Index::load(project)?;
    let hasher = Hasher::default();
    let mut stages = Vec::new();
    for stage in &index.stages {
        let inspection = inspect(project, &index, stage, &hasher, reporter)?;
        let mut changes = inspection.changes;
        changes.extend(inspection.restorable.into_iter().map(|out| Change::Output {
            path: out.path,
            state: FileState::Missing,
        }));
        stages.push(StageStatus {
            stage: stage.address.clone(),
            changes,
        });
    }
    let mut data = Vec::new();
    for tracked in &index.data {
        let content =
            hasher.content_as(project, &tracked.path, tracked.entry.md5.as_ref(), reporter)?;
        let state = match (content.map(|content| content.id), &tracked.entry.md5) {
            (None, _) => Some(FileState::Missing),
            (Some(_), None) => Some(FileState::New),
            (Some(now), Some(before)) => (now != *before).then_some(FileState::Modified),
        };
        data.push(DataStatus {
            file: project.shown(&tracked.file),
            path: project.shown(&tracked.path),
            state,
        });
    }
    project.remember();
    Ok(StatusReport { stages, data })
}
