//! Where the commands of stages run.
//!
//! An executor brings the commands of one stage to their end; what decides which stage is next,
//! restores and records is the same for all of them (`repro/`).

mod lines;
mod local;
mod transcript;

use camino::Utf8Path;

pub(crate) use local::Local;

use crate::stage::Stage;
use crate::{Project, ProjectError, ReproReporter};

/// Something that runs the commands of stages.
pub(crate) trait Executor: Sync {
    /// Runs the commands of one stage to their end: its outputs are then where the work tree has
    /// them. Called from a thread of the stage's own, several at once.
    fn run(&self, task: &Task<'_>) -> Result<(), ProjectError>;
}

/// One stage that has to run; nobody else works at its paths meanwhile, and outputs that do not
/// persist are out of the way.
pub(crate) struct Task<'a> {
    pub(crate) project: &'a Project,
    pub(crate) stage: &'a Stage,
    pub(crate) variables: &'a [(String, String)],
    /// The whole path of the log; made anew.
    pub(crate) log: &'a Utf8Path,
    pub(crate) reporter: &'a dyn ReproReporter,
}
