//! Data that was pushed to a `worktree` remote, brought up to date with what is there now.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::{Reporter, write_atomically};

use super::ImportError;
use super::destination::Destination;
use super::update::{
    DataOutcome, DataUpdate, UpdateDestination, UpdateOptions, UpdateReport, refuse,
};
use crate::paths::join;
use crate::stage::{Index, Stage, read_lock};
use crate::transfer::{NewestState, newest};
use crate::{Project, ProjectError, RemoteChoice};

/// Where outputs are recorded that are no import.
#[derive(Debug, Clone)]
pub(super) enum Recorder {
    /// A `.dvc` file, absolute.
    Data(Utf8PathBuf),
    /// `dvc.lock`, for a stage.
    Stage(Box<Stage>),
}

/// Brings what is newest on their `worktree` remote of the outputs that are recorded somewhere.
pub(super) fn update_from_worktree(
    project: &Project,
    recorder: &Recorder,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
    report: &mut UpdateReport,
) -> Result<(), ProjectError> {
    let option = match options.to {
        _ if options.revision.is_some() => Some("`--rev`"),
        UpdateDestination::Nowhere => Some("`--no-download`"),
        UpdateDestination::Remote => Some("`--to-remote`"),
        UpdateDestination::Workspace => None,
    };
    let file = recorder.file();
    if let Some(option) = option {
        return Err(refuse(project, file, "this project", option));
    }
    let shown = project.shown(file);
    let choice = RemoteChoice {
        name: None,
        ..options.transfer.clone()
    };
    let target = match recorder {
        Recorder::Data(_) => shown.as_str(),
        Recorder::Stage(stage) => {
            let lock = read_lock(project, &stage.lock_path())?;
            let recorded = lock.stages().get(&stage.name);
            let outs = recorded.map_or(&[][..], |recorded| &recorded.outs);
            // Those of a stage that never ran, as it is now.
            let (known, unknown): (Vec<_>, Vec<_>) = stage
                .outputs()
                .filter(|(out, _)| out.cache)
                .partition(|(out, _)| outs.iter().any(|known| known.path == out.path));
            report
                .data
                .extend(unknown.into_iter().map(|(_, path)| DataUpdate {
                    file: shown.clone(),
                    path: project.shown(&path),
                    remote: None,
                    outcome: DataOutcome::NeverPushed,
                }));
            if known.is_empty() {
                return Ok(());
            }
            &stage.address
        }
    };
    for (before, newest) in newest(project, target, &choice, reporter)? {
        let destination = recorder.place_of(project, &before)?;
        let mut update = DataUpdate {
            file: shown.clone(),
            path: project.shown(&destination.path),
            remote: newest.remote,
            outcome: DataOutcome::Unchanged,
        };
        match newest.state {
            NewestState::Same => {}
            NewestState::NeverPushed => update.outcome = DataOutcome::NeverPushed,
            NewestState::Gone => update.outcome = DataOutcome::NotThere,
            NewestState::NoWorktree => {
                return Err(ImportError::NotAnImport { file: shown }.into());
            }
            // All of it is in the cache: the record comes first, then the data.
            NewestState::Other(entry) => {
                update.outcome = DataOutcome::Updated;
                recorder.record(project, &destination, &entry)?;
                let trashed = destination.lay_out(project, &entry, &options.trash, reporter)?;
                report.trashed.extend(trashed);
            }
        }
        report.data.push(update);
    }
    Ok(())
}

impl Recorder {
    /// The file that people edit, absolute.
    fn file(&self) -> &Utf8Path {
        match self {
            Self::Data(file) => file,
            Self::Stage(stage) => &stage.file,
        }
    }

    /// Where an output is.
    fn place_of(
        &self,
        project: &Project,
        entry: &OutputEntry,
    ) -> Result<Destination, ProjectError> {
        let name = entry.path.clone();
        Ok(match self {
            Self::Data(file) => {
                let content = read(project, file)?;
                let home = file.parent().unwrap_or(Utf8Path::new("/"));
                let base = content
                    .wdir
                    .as_ref()
                    .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
                Destination {
                    path: join(&base, &entry.path),
                    name,
                    file: file.clone(),
                }
            }
            Self::Stage(stage) => Destination {
                path: stage.resolve(&entry.path),
                name,
                file: stage.lock_path(),
            },
        })
    }

    /// Writes down what an output is now.
    fn record(
        &self,
        project: &Project,
        destination: &Destination,
        entry: &OutputEntry,
    ) -> Result<(), ProjectError> {
        let put = |outs: &mut Vec<OutputEntry>| {
            let mut outs = outs.iter_mut();
            if let Some(out) = outs.find(|out| out.path == entry.path) {
                // What `dvc.yaml` says of a stage's output is not repeated in `dvc.lock`.
                let (remote, push) = (out.remote.take(), out.push);
                out.clone_from(entry);
                (out.remote, out.push) = (remote, push);
            }
        };
        match self {
            Self::Data(file) => {
                let mut content = read(project, file)?;
                put(&mut content.outs);
                destination.record(project, content)?;
            }
            Self::Stage(stage) => {
                let mut lock = read_lock(project, &destination.file)?;
                if let Some(mut recorded) = lock.stages().get(&stage.name).cloned() {
                    put(&mut recorded.outs);
                    lock.set_stage(&stage.name, recorded);
                    write_atomically(&destination.file, lock.to_text().as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

fn read(project: &Project, file: &Utf8Path) -> Result<DvcFile, ProjectError> {
    let text = fs_err::read_to_string(file)?;
    Ok(DvcFile::parse(&text, project.shown(file).as_str())?)
}

/// The stages that a place in the project names, absolute: `dvc.yaml`, one stage of it, all that one
/// makes of a list, or an output.
pub(super) fn stages_named<'i>(index: &'i Index, place: &Utf8Path) -> Vec<&'i Stage> {
    let is_named = |stage: &&Stage| {
        let home = stage.file.parent().unwrap_or(Utf8Path::new("/"));
        let group = stage.name.split('@').next().unwrap_or(&stage.name);
        let mut names = [stage.name.as_str(), group].into_iter();
        stage.file == place
            || names
                .any(|name| home.join(name) == place || place == format!("{}:{name}", stage.file))
            || stage.outputs().any(|(_, path)| path == place)
    };
    index.stages.iter().filter(is_named).collect()
}

/// Whether some output of a stage was pushed to a remote that keeps versions.
pub(super) fn was_pushed(index: &Index, stage: &Stage) -> bool {
    let mut outs = index
        .recorded(stage)
        .into_iter()
        .flat_map(|lock| &lock.outs);
    outs.any(|out| out.cloud.is_some() || out.files.is_some())
}
