//! The loop that keeps a model good: it watches, retrains, gates, releases and rolls back.
//!
//! This crate owns decisions and their durability. One thread for each model takes served and
//! labelled rows in, compares what should be with what is, and takes one step at a time; each step
//! is in a hash-chained journal before it takes effect, and the routing table is a pure function
//! of that journal, so a crash anywhere resumes where it was. A rollback is the same publication
//! of a routing table as a release.
//!
//! It must never speak HTTP, print, read the environment or the clock (both come in), or decide
//! on data drift alone: drift is noticed, the labelled loss opens incidents.

#![forbid(unsafe_code)]

mod candidate;
mod clock;
mod error;
mod event;
mod gate;
mod handle;
mod history;
mod journal;
mod loading;
mod model_loop;
mod monitor;
mod paths;
mod recovery;
mod registration;
mod state;
mod versions;
mod why;

pub use candidate::{CandidateOptions, make_candidate};
pub use clock::{Clock, StoppedClock, SystemClock};
pub use error::ControlError;
pub use event::{ColumnDrift, Event, EventKind, Position, Trigger};
pub use gate::{GateReport, check_gate};
pub use handle::{LabelSummary, LoopOptions, LoopReporter, ModelHandle, Snapshot, start_model};
pub use journal::{Journal, read_journal};
pub use monitor::QualityPoint;
pub use paths::{ModelPaths, tracking_path};
pub use registration::{RegisterOptions, Registered, committed, model_config, register};
pub use state::{
    Incident, LIFECYCLE, ModelState, PendingRelease, Phase, RetrainPlan, Retraining, RolloutState,
};
pub use versions::{VersionRow, list_versions};
pub use why::{Why, WhyRun, WhyVersion, why};
