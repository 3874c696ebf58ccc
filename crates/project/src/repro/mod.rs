//! Bringing a pipeline up to date.

mod plan;
mod schedule;
mod sources;
mod work;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use ketch_store::{Reporter, Silent};
use serde::Serialize;

use crate::change::Change;
use crate::environment::{Makers, Surveyor, elsewhere_of_stages};
use crate::graph::StageGraph;
use crate::stage::Index;
use crate::{
    Circumstances, Elsewhere, ExecutorKind, Interrupt, Names, Project, ProjectError, RecordOptions,
    TransferSelection, executor, record,
};

/// What to bring up to date, and how.
#[derive(Debug, Clone, Default)]
pub struct ReproOptions {
    /// Stages, their outputs or `dvc.yaml` files; empty for all in the root's `dvc.yaml`.
    pub targets: Vec<String>,
    pub names: Names,
    pub reach: Reach,
    pub force: Force,
    pub mode: ReproMode,
    /// Where the commands run; what `ketch.toml` says if not given, else here.
    pub executor: Option<ExecutorKind>,
    /// How many stages run at once; what `ketch.toml` says if not given, else what is usual where
    /// they run: one here.
    pub jobs: Option<NonZeroUsize>,
    pub on_failure: OnFailure,
    pub missing: MissingData,
    /// Where data that is not there is fetched from, if it is to be.
    pub pull: Option<TransferSelection>,
    pub earlier_runs: EarlierRuns,
    pub saving: Saving,
    /// Variables added to the environment of the commands.
    pub environment: Vec<(String, String)>,
    /// The Python virtual environments of stages, by their address, where it is not the project's.
    pub virtual_environments: BTreeMap<String, Utf8PathBuf>,
    /// What the process was started with: then each stage that runs is recorded with what it ran in.
    pub circumstances: Option<Circumstances>,
    /// Where the logs of the stages go; `.ketch/logs` if not given.
    pub logs: Option<Utf8PathBuf>,
    /// Stops what runs elsewhere; commands on this machine end with the process by themselves.
    pub interrupt: Interrupt,
}

/// Which stages belong to the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// The targets and all that they need.
    #[default]
    Upstream,
    /// The targets themselves.
    Alone,
    /// The targets and all that follows from them.
    Downstream,
    /// Everything that hangs together with the targets.
    Pipeline,
    /// Every stage of the project.
    Everything,
    /// The stages of every `dvc.yaml` below the targets, which are directories, and all that they
    /// need.
    Below,
}

/// Whether unchanged stages run too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Only what changed.
    #[default]
    No,
    /// Everything, without asking the run cache.
    Yes,
    /// What changed, and all that follows from it, whether its inputs differ or not.
    Downstream,
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReproMode {
    #[default]
    Run,
    /// Only says what would run and why.
    DryRun,
}

/// What the failure of a stage means to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// No other is begun; those at work come to their end.
    #[default]
    Stop,
    /// What does not follow from it is done all the same.
    KeepGoing,
    /// So is what follows from it.
    Ignore,
}

/// What data means that is neither here nor in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingData {
    /// The stage has to run.
    #[default]
    Changed,
    /// Nothing, if all else is as recorded.
    Allowed,
}

/// Whether results of earlier runs with the same inputs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EarlierRuns {
    #[default]
    Taken,
    Ignored,
}

/// Whether outputs go into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Saving {
    #[default]
    Saved,
    /// They are only recorded.
    Left,
}

/// Receives what happens while a pipeline is brought up to date.
pub trait ReproReporter: Send + Sync {
    /// Whether a stage may run.
    fn may_run(&self, _stage: &str) -> bool {
        true
    }

    /// A stage is about to run.
    fn stage_started(&self, _stage: &str, _changes: &[Change]) {}

    /// Its command wrote a line, to its standard output or error. Comes from several threads where
    /// several stages run.
    fn stage_line(&self, _stage: &str, _line: &str) {}

    /// Something happened to it that is none of its output: its node failed, it waits.
    fn stage_note(&self, _stage: &str, _note: &str) {}

    /// A stage is dealt with.
    fn stage_finished(&self, _result: &StageResult) {}

    /// A stage failed, and others go on.
    fn stage_failed(&self, _stage: &str, _error: &ProjectError) {}

    /// Where progress of hashing and copying goes.
    fn files(&self) -> &dyn Reporter {
        &Silent
    }
}

impl ReproReporter for Silent {}

/// What happened, stage by stage, in the order of the plan.
#[derive(Debug, Serialize)]
pub struct ReproReport {
    pub stages: Vec<StageResult>,
    /// Why stages failed, where that did not end everything.
    #[serde(skip)]
    pub failures: BTreeMap<String, ProjectError>,
    /// Results that were left as they are and were made in another environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
    /// Why it cannot be told what results were made in.
    #[serde(skip)]
    pub unknown_makers: Option<ProjectError>,
}

/// What happened to one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageResult {
    pub stage: String,
    pub outcome: StageOutcome,
    /// Why; empty for an unchanged stage.
    pub changes: Vec<Change>,
}

/// How a stage was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// Nothing to do.
    Unchanged,
    /// Nothing to run; missing outputs came out of the cache.
    CheckedOut,
    /// The same was run before; its outputs came out of the cache.
    Restored,
    /// Its commands were run.
    Ran,
    /// Its commands would be run, or their results restored.
    WouldRun,
    Failed,
    /// A stage that it needs failed.
    Skipped,
}

impl ReproReport {
    /// Whether any stage was run or restored, or would be.
    pub fn changed(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| stage.outcome != StageOutcome::Unchanged)
    }
}

/// Brings the wanted stages and all they need up to date, each after what it needs, several at once
/// if that is wanted.
///
/// Data that the stages read is recorded first where it is not as its `.dvc` file says. A stage is
/// recorded in `dvc.lock` only after its outputs are in the cache, so being killed at
/// any moment leaves nothing that would be believed. The project's lock is free while nothing but
/// commands is at work, as it is with DVC.
///
/// # Errors
///
/// The first failure, when all that was at work has come to its end; with another
/// [`OnFailure`] than `Stop` failures of stages are in the report.
pub fn repro(
    project: &Project,
    options: &ReproOptions,
    reporter: &dyn ReproReporter,
) -> Result<ReproReport, ProjectError> {
    let mut lock = match options.mode {
        ReproMode::Run => Some(project.lock()?),
        ReproMode::DryRun => None,
    };
    let makers = Makers::read(project);
    let surveyor = options.circumstances.as_ref();
    let surveyor = surveyor.map(|given| Surveyor::new(project, given, &options.environment));
    let mut index = Index::load(project)?;
    let mut graph = StageGraph::build(&index)?;
    let mut steps = plan::steps(project, &index, &graph, options)?;
    let runs = options.mode == ReproMode::Run && options.saving == Saving::Saved;
    if runs && options.reach != Reach::Alone {
        let targets = sources::changed(project, &index, &steps, reporter.files())?;
        if !targets.is_empty() {
            let sources = RecordOptions {
                targets,
                ..RecordOptions::default()
            };
            drop(lock.take());
            record(project, &sources, reporter.files())?;
            lock = Some(project.lock_with_patience()?);
            index = Index::load(project)?;
            graph = StageGraph::build(&index)?;
            steps = plan::steps(project, &index, &graph, options)?;
        }
    }
    let executor = executor::open(project, options);
    let job = schedule::Job {
        project,
        executor: &*executor,
        index: &index,
        graph: &graph,
        options,
        surveyor: surveyor.as_ref(),
        reporter,
    };
    let mut report = match options.mode {
        ReproMode::Run => job.run(&steps, &mut lock)?,
        ReproMode::DryRun => job.look(&steps)?,
    };
    if let Some(surveyor) = surveyor.as_ref().filter(|_| !makers.is_empty()) {
        let untouched = index.stages.iter().filter(|stage| {
            report.stages.iter().any(|result| {
                result.stage == stage.address
                    && matches!(
                        result.outcome,
                        StageOutcome::Unchanged | StageOutcome::CheckedOut
                    )
            })
        });
        match elsewhere_of_stages(project, &makers, &index, surveyor, untouched) {
            Ok(elsewhere) => report.elsewhere = elsewhere,
            Err(error) => report.unknown_makers = Some(error),
        }
    }
    project.remember();
    Ok(report)
}
