//! Stages and imports that are left as they are.

use camino::Utf8PathBuf;
use ketch_dvc::{DvcFile, PipelineFile};
use ketch_store::write_atomically;
use serde::Serialize;

use crate::paths::join;
use crate::stage::{Index, answers_to};
use crate::{Project, ProjectError};

/// Whether what it depends on counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Frozen {
    /// No: it is not run again, and an import not brought up to date, unless by name.
    Yes,
    No,
}

/// What is in the state that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FreezeReport {
    /// `.dvc` files and addresses of stages, as they were named.
    pub targets: Vec<String>,
    /// The files that were written, relative to the root; those that said so already were not.
    pub changed_files: Vec<Utf8PathBuf>,
    /// The `dvc.yaml` of each target that is a stage, and the stage's name in it.
    #[serde(skip)]
    pub stages: Vec<(Utf8PathBuf, String)>,
}

enum Target {
    File(Utf8PathBuf),
    Stage(Utf8PathBuf, String),
}

/// Freezes `.dvc` files and stages, or takes that back: one key in their file, whose other text
/// stays. All targets are looked up before anything is written.
pub fn freeze(
    project: &Project,
    targets: &[String],
    frozen: Frozen,
) -> Result<FreezeReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let found = targets
        .iter()
        .map(|target| find(project, &index, target))
        .collect::<Result<Vec<_>, _>>()?;
    let mut report = FreezeReport {
        targets: targets.to_vec(),
        ..FreezeReport::default()
    };
    for target in found {
        let (Target::File(file) | Target::Stage(file, _)) = &target;
        // Read anew for each: two stages of one file are two edits of it.
        let text = fs_err::read_to_string(file)?;
        let shown = project.shown(file);
        let changed = match &target {
            Target::File(_) => of_file(&text, shown.as_str(), frozen)?,
            Target::Stage(_, stage) => {
                let edited = match frozen {
                    Frozen::Yes => PipelineFile::with_frozen(&text, stage),
                    Frozen::No => PipelineFile::without_frozen(&text, stage),
                };
                edited.ok_or_else(|| ProjectError::FrozenElsewhere {
                    file: shown.clone(),
                    stage: stage.clone(),
                })?
            }
        };
        if changed != text {
            write_atomically(file, changed.as_bytes())?;
            report.changed_files.push(shown.clone());
        }
        if let Target::Stage(_, stage) = target {
            report.stages.push((shown, stage));
        }
    }
    report.changed_files.sort();
    report.changed_files.dedup();
    Ok(report)
}

fn of_file(text: &str, shown: &str, frozen: Frozen) -> Result<String, ProjectError> {
    let mut file = DvcFile::parse(text, shown)?;
    let wanted = frozen == Frozen::Yes;
    if file.frozen == wanted {
        return Ok(text.to_owned());
    }
    file.frozen = wanted;
    Ok(file.update_text(text))
}

fn find(project: &Project, index: &Index, target: &str) -> Result<Target, ProjectError> {
    let path = join(project.root(), target);
    if path.extension() == Some("dvc") && path.is_file() {
        return Ok(Target::File(path));
    }
    if let Some(stage) = index
        .stages
        .iter()
        .find(|stage| answers_to(&stage.address, target))
    {
        stage.refuse_generated(project)?;
        return Ok(Target::Stage(stage.file.clone(), stage.name.clone()));
    }
    match index.data.iter().find(|data| data.path == path) {
        Some(data) => Err(ProjectError::UnknownTarget {
            name: target.to_owned(),
            suggestion: Some(project.shown(&data.file).into_string()),
        }),
        None => Err(index.unknown(target)),
    }
}
