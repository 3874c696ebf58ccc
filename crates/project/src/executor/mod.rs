//! Where the commands of stages run.
//!
//! An executor brings the commands of one stage to their end; what decides which stage is next,
//! restores and records is the same for all of them (`repro/`).

mod error;
mod interrupt;
mod lines;
mod local;
mod slurm;
mod transcript;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::StageLock;
use serde::Serialize;

pub use error::ExecutorError;
pub use interrupt::Interrupt;

use crate::stage::{Index, Stage};
use crate::{Project, ProjectError, ReproOptions, ReproReporter};
use local::Local;
use slurm::Slurm;

/// Every executor, by the name that `--executor` and `ketch.toml` know it by.
pub const EXECUTORS: [(&str, ExecutorKind); 2] = [
    ("local", ExecutorKind::Local),
    ("slurm", ExecutorKind::Slurm),
];

/// Where the commands of stages run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutorKind {
    /// On this machine, in the work tree.
    #[default]
    Local,
    /// As batch jobs of Slurm, each in a folder of its own.
    Slurm,
}

/// Something that runs the commands of stages.
pub(crate) trait Executor: Sync {
    /// Runs the commands of one stage to their end: its outputs are then where the work tree has
    /// them. Called from a thread of the stage's own, several at once.
    fn run(&self, task: &Task<'_>) -> Result<(), ProjectError>;

    /// How many stages run at once where nobody says.
    fn usual_jobs(&self) -> usize;

    /// Whether no other stage is to be begun.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Called when nothing runs any more: what earlier runs left behind goes.
    fn close(&self) {}
}

/// One stage that has to run; nobody else works at its paths meanwhile, and outputs that do not
/// persist are out of the way.
pub(crate) struct Task<'a> {
    pub(crate) project: &'a Project,
    pub(crate) index: &'a Index,
    pub(crate) stage: &'a Stage,
    /// Its command, parameters and dependencies, hashed.
    pub(crate) inputs: &'a StageLock,
    pub(crate) variables: &'a [(String, String)],
    /// Whose programs come first.
    pub(crate) virtual_environment: Option<Utf8PathBuf>,
    /// The whole path of the log; made anew.
    pub(crate) log: &'a Utf8Path,
    pub(crate) reporter: &'a dyn ReproReporter,
}

/// The executor that is asked for: by the command line, else by `ketch.toml`.
pub(crate) fn open<'p>(project: &'p Project, options: &ReproOptions) -> Box<dyn Executor + 'p> {
    let config = &project.config().executor;
    match options.executor.unwrap_or(config.kind) {
        ExecutorKind::Local => Box::new(Local),
        ExecutorKind::Slurm => Box::new(Slurm::new(
            project,
            config.slurm.clone(),
            options.interrupt.clone(),
        )),
    }
}
