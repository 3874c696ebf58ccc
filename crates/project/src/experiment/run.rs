//! Running a pipeline as an experiment, and saving a work tree as one.

use std::io;

use camino::Utf8PathBuf;
use ketch_store::Reporter;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::apart::Apart;
use super::override_params::{self, ParameterOverride};
use super::queue::waiting_names;
use super::workspace::{commit_workspace, default_message};
use super::{APPLIED, Experiment, ExperimentError, NAMESPACE, known, names, reference};
use crate::git::RefChange;
use crate::project::state_directory;
use crate::{
    ChangedInputs, CheckoutOptions, CommitId, OnFailure, Overwrite, Project, ProjectError,
    RecordOptions, RecordedData, ReproMode, ReproOptions, ReproReport, ReproReporter, checkout,
    record_as, repro,
};

/// How many names are tried for a result whose own was taken meanwhile.
const MOST_NAMES: usize = 100;

/// What to run, and under which name its result is kept.
#[derive(Debug, Clone, Default)]
pub struct ExperimentOptions {
    /// One is made up if not given.
    pub name: Option<String>,
    pub existing: OnExistingName,
    /// What its commit says; what DVC would say if not given.
    pub message: Option<String>,
    pub overrides: Vec<ParameterOverride>,
    pub place: ExperimentPlace,
    pub repro: ReproOptions,
    /// What names are made up from.
    pub seed: u64,
}

/// What to do when the commit has an experiment of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExistingName {
    #[default]
    Refuse,
    Replace,
}

/// Where an experiment runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExperimentPlace {
    /// In the work tree, which has its results afterwards.
    #[default]
    Here,
    /// In a work tree of its own, which begins as this one is now. What Git does not track is not
    /// there, but for data and for these paths (relative to the root).
    Apart { copied: Vec<Utf8PathBuf> },
}

/// What ran.
#[derive(Debug, Serialize)]
pub struct ExperimentReport {
    /// Nothing where nothing was to be run.
    pub experiment: Option<Experiment>,
    #[serde(flatten)]
    pub repro: ReproReport,
}

/// What to save.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// Outputs, `.dvc` files or stages whose data is put into the cache; empty for all.
    pub targets: Vec<String>,
    pub name: Option<String>,
    pub existing: OnExistingName,
    pub message: Option<String>,
    /// Files that Git does not track, relative to the root.
    pub untracked: Vec<Utf8PathBuf>,
    pub seed: u64,
}

/// Brings the pipeline up to date with changed parameters and keeps the result as an experiment.
///
/// # Errors
///
/// When the pipeline fails there is no experiment; what was changed in the work tree stays.
pub fn run_experiment(
    project: &Project,
    options: &ExperimentOptions,
    reporter: &dyn ReproReporter,
) -> Result<ExperimentReport, ProjectError> {
    let naming = Naming::new(
        project,
        options.name.as_deref(),
        options.existing,
        options.seed,
    )?;
    let is_dry = options.repro.mode == ReproMode::DryRun;
    let apart = match &options.place {
        ExperimentPlace::Here if is_dry && !options.overrides.is_empty() => Some(&[][..]),
        ExperimentPlace::Here => None,
        ExperimentPlace::Apart { copied } => Some(copied.as_slice()),
    };
    let Some(copied) = apart else {
        let _busy = Busy::begin(project)?;
        override_params::apply(project, &options.overrides)?;
        let report = run_pipeline(project, &naming.told(&options.repro), reporter)?;
        if is_dry {
            return Ok(ExperimentReport {
                experiment: None,
                repro: report,
            });
        }
        let experiment = naming.keep(project, &[], options.message.as_deref())?;
        project.git().update_ref(APPLIED, &experiment.commit)?;
        return Ok(ExperimentReport {
            experiment: Some(experiment),
            repro: report,
        });
    };
    let start = commit_workspace(
        project,
        &[],
        &format!("workspace of {}", naming.name),
        &naming.baseline,
    )?;
    let beginning = Beginning {
        start: &start,
        copied,
        overrides: &options.overrides,
        seed: options.seed,
    };
    run_apart(
        project,
        &naming,
        &beginning,
        &options.repro,
        options.message.as_deref(),
        reporter,
    )
}

/// What a work tree of its own begins with.
pub(super) struct Beginning<'a> {
    pub(super) start: &'a CommitId,
    /// Paths that Git does not track, relative to the root.
    pub(super) copied: &'a [Utf8PathBuf],
    pub(super) overrides: &'a [ParameterOverride],
    /// What its name is made from.
    pub(super) seed: u64,
}

/// Runs a pipeline in a work tree of its own and keeps the result.
pub(super) fn run_apart(
    project: &Project,
    naming: &Naming,
    beginning: &Beginning<'_>,
    repro: &ReproOptions,
    message: Option<&str>,
    reporter: &dyn ReproReporter,
) -> Result<ExperimentReport, ProjectError> {
    let mut repro = naming.told(repro);
    if repro.logs.is_none() {
        let logs = state_directory(project.main_root())?
            .join("logs")
            .join(&naming.name);
        repro.logs = Some(logs);
    }
    let own = Apart::begin(project, beginning.seed, beginning.start)?;
    for path in beginning.copied {
        own.copy(project, path)?;
    }
    override_params::apply(&own.project, beginning.overrides)?;
    let data = CheckoutOptions {
        overwrite: Overwrite::Force,
        ..CheckoutOptions::default()
    };
    checkout(&own.project, &data, reporter.files())?;
    let report = run_pipeline(&own.project, &repro, reporter)?;
    let experiment = (repro.mode != ReproMode::DryRun)
        .then(|| naming.keep(&own.project, &[], message))
        .transpose()?;
    Ok(ExperimentReport {
        experiment,
        repro: report,
    })
}

/// Keeps the work tree as it is as an experiment: its data goes into the cache first.
pub fn save_experiment(
    project: &Project,
    options: &SaveOptions,
    reporter: &dyn Reporter,
) -> Result<Experiment, ProjectError> {
    let naming = Naming::new(
        project,
        options.name.as_deref(),
        options.existing,
        options.seed,
    )?;
    let _busy = Busy::begin(project)?;
    let data = RecordOptions {
        targets: options.targets.clone(),
        inputs: ChangedInputs::Record,
    };
    record_as(project, &data, RecordedData::Left, reporter)?;
    naming.keep(project, &options.untracked, options.message.as_deref())
}

fn run_pipeline(
    project: &Project,
    options: &ReproOptions,
    reporter: &dyn ReproReporter,
) -> Result<ReproReport, ProjectError> {
    let report = repro(project, options, reporter)?;
    if options.on_failure == OnFailure::KeepGoing && !report.failures.is_empty() {
        return Err(ProjectError::StagesFailed {
            stages: report.failures.keys().cloned().collect(),
        });
    }
    Ok(report)
}

/// Whether an experiment can be called so.
pub(super) fn checked_name(project: &Project, name: &str) -> Result<(), ProjectError> {
    // A name is given to commands, which would take a dash for an option.
    let is_odd = name.starts_with('-') || name.contains('/');
    if is_odd || !project.git().is_ref_name(&format!("{NAMESPACE}/{name}")) {
        let name = name.to_owned();
        return Err(ExperimentError::Name { name }.into());
    }
    Ok(())
}

/// The name that a result will have.
#[derive(Debug)]
pub(super) struct Naming {
    pub(super) baseline: CommitId,
    pub(super) name: String,
    existing: OnExistingName,
    /// The reference that the result takes the place of, and what it points at.
    instead: Option<(String, CommitId)>,
}

impl Naming {
    pub(super) fn new(
        project: &Project,
        wanted: Option<&str>,
        existing: OnExistingName,
        seed: u64,
    ) -> Result<Self, ProjectError> {
        let baseline = project.git().head()?.ok_or(ExperimentError::NoCommit)?;
        let known = known(project, None)?;
        let waiting = waiting_names(project)?;
        let is_taken = |name: &str| {
            let on_it = known
                .iter()
                .any(|one| one.name == name && one.baseline == baseline);
            on_it || waiting.contains(name)
        };
        let name = match wanted {
            Some(name) => {
                checked_name(project, name)?;
                if existing == OnExistingName::Refuse && is_taken(name) {
                    return Err(ExperimentError::Exists {
                        name: name.to_owned(),
                    }
                    .into());
                }
                name.to_owned()
            }
            None => names::names(seed)
                .find(|name| !is_taken(name) && !known.iter().any(|one| one.name == *name))
                .unwrap_or_default(),
        };
        Ok(Self {
            baseline,
            name,
            existing,
            instead: None,
        })
    }

    /// The name that a task was given, whose reference goes when there is a result.
    pub(super) fn of_task(
        baseline: CommitId,
        name: String,
        existing: OnExistingName,
        task: (String, CommitId),
    ) -> Self {
        Self {
            baseline,
            name,
            existing,
            instead: Some(task),
        }
    }

    /// The options with what the commands are told of the experiment.
    fn told(&self, options: &ReproOptions) -> ReproOptions {
        let mut options = options.clone();
        options.environment.extend([
            ("DVC_EXP_BASELINE_REV".to_owned(), self.baseline.to_string()),
            ("DVC_EXP_NAME".to_owned(), self.name.clone()),
        ]);
        options
    }

    /// Commits the work tree under the name; under the next free one if somebody else took it
    /// meanwhile, so that no result is lost.
    fn keep(
        &self,
        project: &Project,
        others: &[Utf8PathBuf],
        message: Option<&str>,
    ) -> Result<Experiment, ProjectError> {
        let message = match message {
            Some(message) => message.to_owned(),
            None => default_message(project)?,
        };
        let commit = commit_workspace(project, others, &message, &self.baseline)?;
        let git = project.git();
        let place = |name: &str| -> Result<bool, ProjectError> {
            let reference = reference(&self.baseline, name);
            let mut changes = vec![match self.existing {
                OnExistingName::Replace => RefChange::Set(&reference, &commit),
                OnExistingName::Refuse => RefChange::Create(&reference, &commit),
            }];
            if let Some((instead, task)) = &self.instead {
                changes.push(RefChange::Delete(instead, task));
            }
            git.change_refs(&changes)
        };
        let mut name = self.name.clone();
        let mut turn = 1;
        while !place(&name)? {
            if turn == MOST_NAMES || self.existing == OnExistingName::Replace {
                // The task was taken away, so that nobody waits for the result any more.
                return Err(ExperimentError::TaskGone {
                    name: self.name.clone(),
                }
                .into());
            }
            turn += 1;
            name = format!("{}-{turn}", self.name);
        }
        Ok(self.experiment(name, commit))
    }

    fn experiment(&self, name: String, commit: CommitId) -> Experiment {
        Experiment {
            name,
            baseline: self.baseline.clone(),
            commit,
        }
    }
}

/// Held while an experiment has the work tree to itself: two would set each other's parameters.
pub(super) struct Busy(
    #[expect(dead_code, reason = "the lock is gone when it is closed")] fs_err::File,
);

impl Busy {
    pub(super) fn begin(project: &Project) -> Result<Self, ProjectError> {
        let file = fs_err::File::create(state_directory(project.root())?.join("experiment.lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ExperimentError::Busy.into()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}
