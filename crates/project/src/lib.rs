//! The Git and DVC workspace.
//!
//! This crate owns what a project is: discovery, `ketch.toml`, adding and checking out data,
//! running pipelines, their status, parameters and metrics, where an output came from, and linked
//! work trees to run a pipeline in without disturbing anybody.
//!
//! What must stay true:
//!
//! - What DVC reads is written as DVC writes it; nothing of ours goes into its files. Ours is in
//!   `ketch.toml` and below `.ketch/`.
//! - `dvc.lock` and `.dvc` files are written after what they promise is in the cache.
//! - Work that is saved nowhere is not overwritten without being asked to.
//! - Use-cases are free functions over an options struct. Nothing here prints, reads the
//!   environment or exits; child processes read their own.

#![forbid(unsafe_code)]

mod add;
mod change;
mod checkout;
mod command;
mod commit;
mod config;
mod content;
mod error;
mod git;
mod gitignore;
mod graph;
mod init;
mod lineage;
mod metrics;
mod paths;
mod project;
mod repro;
mod run_cache;
mod stage;
mod status;
mod suggest;
mod worktree;

pub use add::{AddOptions, AddReport, AddedData, add};
pub use change::{Change, FileState};
pub use checkout::{CheckoutOptions, CheckoutReport, Overwrite, checkout};
pub use commit::{CommitOptions, CommitPaths, commit, set_params};
pub use config::{
    Beats, ConfigWarning, EnvironmentConfig, GateConfig, Goal, LifecycleConfig, MetricConfig,
    ModelConfig, MonitorConfig, ProjectConfig, RetrainConfig, RolloutConfig, RowWindow,
};
pub use error::{ProjectError, StageFailure};
pub use git::{CommitId, Git, Identity};
pub use init::{Existing, InitOptions, InitReport, init};
pub use lineage::{Lineage, StageLineage, lineage};
pub use metrics::{Metrics, metrics};
pub use project::Project;
pub use repro::{
    Force, ReproMode, ReproOptions, ReproReport, ReproReporter, StageOutcome, StageResult, repro,
};
pub use stage::{Index, Stage, TrackedData};
pub use status::{DataStatus, StageStatus, StatusReport, status};
pub use worktree::{Worktree, create_worktree, remove_worktree};
