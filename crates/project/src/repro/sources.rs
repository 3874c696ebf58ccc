//! Data that stages read and that `.dvc` files record: what a stage used must be recorded there
//! too, or nobody else could have it.

use camino::Utf8PathBuf;
use ketch_store::Reporter;

use crate::content;
use crate::paths::overlap;
use crate::stage::{Index, TrackedData};
use crate::{Project, ProjectError};

/// The `.dvc` files (relative to the root) whose data the stages read, and which is not as
/// recorded. What is not there, and what was imported, is left alone.
pub(super) fn changed(
    project: &Project,
    index: &Index,
    steps: &[usize],
    reporter: &dyn Reporter,
) -> Result<Vec<String>, ProjectError> {
    let stages = steps.iter().filter_map(|place| index.stages.get(*place));
    let read: Vec<Utf8PathBuf> = stages
        .filter(|stage| !stage.spec.frozen)
        .flat_map(|stage| stage.local_deps().collect::<Vec<_>>())
        .collect();
    let is_read =
        |data: &&TrackedData| !data.is_import && read.iter().any(|path| overlap(path, &data.path));
    let mut changed = Vec::new();
    for data in index.data.iter().filter(is_read) {
        let Some(recorded) = &data.entry.md5 else {
            continue;
        };
        let now = content::content_as(project, &data.path, Some(recorded), reporter)?;
        if now.is_some_and(|now| now.id != *recorded) {
            changed.push(project.shown(&data.file).into_string());
        }
    }
    Ok(changed)
}
