//! Running a pipeline as an experiment, and saving a work tree as one.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::Reporter;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::override_params::{self, ParameterOverride};
use super::workspace::{commit_workspace, default_message};
use super::{APPLIED, Experiment, ExperimentError, NAMESPACE, known, names, reference};
use crate::project::state_directory;
use crate::{
    ChangedInputs, CheckoutOptions, CommitId, OnFailure, Overwrite, Project, ProjectError,
    RecordOptions, RecordedData, ReproMode, ReproOptions, ReproReport, ReproReporter, checkout,
    create_worktree, paths, record_as, remove_worktree, repro,
};

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
    let mut repro_options = options.repro.clone();
    repro_options.environment.extend([
        (
            "DVC_EXP_BASELINE_REV".to_owned(),
            naming.baseline.to_string(),
        ),
        ("DVC_EXP_NAME".to_owned(), naming.name.clone()),
    ]);
    let is_dry = options.repro.mode == ReproMode::DryRun;
    let apart = match &options.place {
        ExperimentPlace::Here if is_dry && !options.overrides.is_empty() => Some(&[][..]),
        ExperimentPlace::Here => None,
        ExperimentPlace::Apart { copied } => Some(copied.as_slice()),
    };
    let Some(copied) = apart else {
        let _busy = Busy::begin(project)?;
        override_params::apply(project, &options.overrides)?;
        let report = run_pipeline(project, &repro_options, reporter)?;
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
    if repro_options.logs.is_none() {
        let logs = state_directory(project.main_root())?
            .join("logs")
            .join(&naming.name);
        repro_options.logs = Some(logs);
    }
    let start = commit_workspace(
        project,
        &[],
        &format!("workspace of {}", naming.name),
        &naming.baseline,
    )?;
    let own = Apart::begin(project, format!("exp-{:016x}", options.seed), &start)?;
    for path in copied {
        own.copy(project, path)?;
    }
    override_params::apply(&own.project, &options.overrides)?;
    let data = CheckoutOptions {
        overwrite: Overwrite::Force,
        ..CheckoutOptions::default()
    };
    checkout(&own.project, &data, reporter.files())?;
    let report = run_pipeline(&own.project, &repro_options, reporter)?;
    let experiment = (!is_dry)
        .then(|| naming.keep(&own.project, &[], options.message.as_deref()))
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
struct Naming {
    baseline: CommitId,
    name: String,
    existing: OnExistingName,
}

impl Naming {
    fn new(
        project: &Project,
        wanted: Option<&str>,
        existing: OnExistingName,
        seed: u64,
    ) -> Result<Self, ProjectError> {
        let baseline = project.git().head()?.ok_or(ExperimentError::NoCommit)?;
        let known = known(project, None)?;
        let is_taken = |name: &str| {
            known
                .iter()
                .any(|one| one.name == name && one.baseline == baseline)
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
                .find(|name| !known.iter().any(|one| one.name == *name))
                .unwrap_or_default(),
        };
        Ok(Self {
            baseline,
            name,
            existing,
        })
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
        if self.existing == OnExistingName::Replace {
            git.update_ref(&reference(&self.baseline, &self.name), &commit)?;
            return Ok(self.experiment(self.name.clone(), commit));
        }
        let mut name = self.name.clone();
        let mut turn = 1;
        while !git.create_ref(&reference(&self.baseline, &name), &commit)? {
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

/// A work tree of its own, which goes away in the end.
struct Apart<'p> {
    main: &'p Project,
    name: String,
    project: Project,
}

impl<'p> Apart<'p> {
    fn begin(main: &'p Project, name: String, start: &CommitId) -> Result<Self, ProjectError> {
        let project = create_worktree(main, &name, start.as_str())?.project;
        Ok(Self {
            main,
            name,
            project,
        })
    }

    /// Copies a file or folder that Git does not track.
    fn copy(&self, from: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
        let path = paths::relative(from.root(), path)?;
        let (source, target) = (from.root().join(&path), self.project.root().join(&path));
        if let Some(folder) = target.parent() {
            fs_err::create_dir_all(folder)?;
        }
        copy_all(&source, &target)?;
        Ok(())
    }
}

/// Copies a file, or a folder with all that is in it; links stay links.
fn copy_all(source: &Utf8Path, target: &Utf8Path) -> io::Result<()> {
    let kind = fs_err::symlink_metadata(source)?.file_type();
    if kind.is_symlink() {
        return fs_err::os::unix::fs::symlink(fs_err::read_link(source)?, target);
    }
    if !kind.is_dir() {
        return fs_err::copy(source, target).map(drop);
    }
    fs_err::create_dir_all(target)?;
    for entry in source.read_dir_utf8()? {
        let entry = entry?;
        copy_all(entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(())
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        // One that stays is replaced or removed by the next command that makes one.
        let _ = remove_worktree(self.main, &self.name);
    }
}
