//! The Git and DVC workspace.
//!
//! This crate owns what a project is: discovery, `ketch.toml`, adding and checking out data,
//! running pipelines, their status, parameters and metrics, where an output came from, and linked
//! work trees to run a pipeline in without disturbing anybody.
//!
//! What must stay true:
//!
//! - What DVC reads is written as DVC writes it; nothing of ours goes into its files. Ours is in
//!   `ketch.toml`, `.ketch-environments/` and below `.ketch/`.
//! - `dvc.lock` and `.dvc` files are written after what they promise is in the cache.
//! - Work that is saved nowhere is not overwritten without being asked to.
//! - Use-cases are free functions over an options struct. Nothing here prints, reads the
//!   environment or exits; child processes read their own.

#![forbid(unsafe_code)]

mod add;
mod add_stage;
mod change;
mod changed_files;
mod checkout;
mod choose_targets;
mod commit;
mod config;
mod content;
mod data_status;
mod destroy;
mod diff;
mod dvc_settings;
mod environment;
mod error;
mod executor;
mod experiment;
mod freeze;
mod fsck;
mod gc;
mod gc_remote;
mod git;
mod gitignore;
mod graph;
mod import;
mod init;
mod inside;
mod install;
mod known_settings;
mod legacy;
mod lineage;
mod list;
mod merge;
mod metrics;
mod move_data;
mod objects;
mod partial;
mod paths;
mod pipeline_view;
mod project;
mod record;
mod remove;
mod repro;
mod run_cache;
mod snapshot;
mod stage;
mod status;
mod suggest;
mod templates;
mod transfer;
mod trash;
mod tree;
mod unprotect;
mod value_diff;
mod verify;
mod versioned;
mod worktree;

pub use add::{AddOptions, AddReport, AddedContent, AddedData, add, add_as};
pub use add_stage::{AddStageOptions, AddStageReport, ExistingStage, NewStageError, add_stage};
pub use change::{Change, FileState};
pub use changed_files::{ChangedFile, ChangedFiles, FileContent, changed_files};
pub use checkout::{
    CheckoutOptions, CheckoutReport, MissingTargets, Overwrite, Relink, checkout, checkout_linked,
};
pub use choose_targets::{Below, Names, TargetChoice, Upstream, choose_targets, matches_pattern};
pub use commit::{CommitOptions, CommitPaths, commit, set_params};
pub use config::{
    Beats, ConfigWarning, EnvironmentConfig, ExecutorConfig, GateConfig, Goal, LifecycleConfig,
    MetricConfig, ModelConfig, MonitorConfig, PipelineConfig, ProjectConfig, RemoteConfig,
    RemoteLayout, RetrainConfig, RolloutConfig, RowWindow, SlurmAsks, SlurmConfig, VerifiedTable,
    VerifyConfig,
};
pub use data_status::{DataChanges, DataStatusOptions, DataStatusReport, Strangers, data_status};
pub use destroy::{Destruction, destroy};
pub use diff::{DataPath, DiffOptions, DiffReport, ModifiedPath, OldAndNew, RenamedPath, diff};
pub use dvc_settings::{
    ExistingRemote, Remote, Setting, SettingFiles, SettingLevel, SettingName, SharedSettings,
    add_remote, modify_remote, remotes, remove_remote, rename_remote, set_default_remote,
    set_setting, setting, settings, unset_setting,
};
pub use environment::{
    CaptureReport, CapturedStages, Circumstances, Container, Cpu, Difference, Elsewhere,
    Environment, EnvironmentBuildOptions, EnvironmentBuildReport, EnvironmentComparison,
    EnvironmentDiffOptions, EnvironmentDiffReport, EnvironmentId, Gpu, Interpreter, LeftOut,
    Manager, Package, PackageOrigin, Prefix, System, Weight, build_environment,
    capture_environment, diff_environments, made_elsewhere,
};
pub use error::{ProjectError, StageFailure};
pub use executor::{EXECUTORS, ExecutorError, ExecutorKind, Interrupt};
pub use experiment::{
    AppliedExperiment, BaselineExperiments, BranchedExperiment, CleanedExperiments, ColumnKind,
    CommitTime, ExchangeOptions, ExchangedExperiments, Executor, Experiment, ExperimentChoice,
    ExperimentError, ExperimentOptions, ExperimentPlace, ExperimentRange, ExperimentReport,
    ExperimentState, ExperimentTable, FileValues, FirstColumns, HiddenExperiments, KilledTasks,
    LocalExecutor, OnExistingName, OwnProgram, ParameterOverride, QueueOptions, QueueReporter,
    QueuedRun, Removal, RowKind, Runs, SaveOptions, ShowOptions, ShownDependency, ShownOutput,
    Signal, SortOrder, StartedWorker, StateData, StateError, StoppedWorker, TableColumn,
    TableOptions, Task, TaskRemoval, TaskState, WorkerOptions, Workers, apply_experiment,
    branch_experiment, clean_experiments, kill_tasks, list_experiments, parameter_sweep,
    pull_experiments, push_experiments, queue_experiments, queue_tasks, queue_workers,
    remove_experiments, remove_tasks, rename_experiment, run_experiment, run_task, save_experiment,
    show_experiments, start_worker, stop_worker, task_arguments, task_log, work_off_queue,
};
pub use freeze::{FreezeReport, Frozen, freeze};
pub use fsck::{FsckObject, FsckOptions, FsckReport, Repair, fsck};
pub use gc::{FailedCommits, GcMode, GcObject, GcOptions, GcReport, Keep, Reachable, gc};
pub use gc_remote::{PackGarbage, RemoteGarbage};
pub use git::{CommitId, Git, Identity};
pub use import::{
    AddDestination, AddFromOptions, AddFromReport, Bringing, DataOutcome, DataUpdate,
    FrozenImports, GetOptions, GetReport, ImportChange, ImportError, ImportLook, ImportLookOptions,
    ImportOptions, ImportReport, OnExisting, SourceListOptions, SourceSpec, SourceState,
    UpdateDestination, UpdateOptions, UpdateReport, UpdatedImport, UrlDestination, UrlGetOptions,
    UrlImportOptions, UrlListEntry, UrlListOptions, VERSION_AWARE, add_from, get, get_url, import,
    import_changes, import_url, list_source, list_url, record_sources, settings_on_top,
    storage_url, update,
};
pub use init::{Existing, InitOptions, InitReport, init, init_below, init_without_git};
pub use install::{HookProgram, install_hooks, install_with_pre_commit};
pub use legacy::{Migrate, MigrateMode, MigrateReport, migrate_cache};
pub use lineage::{Lineage, StageLineage, lineage};
pub use list::{Folders, ListEntry, ListOptions, Origin, list};
pub use merge::{MergeConflict, MergeOptions, MergeReport, install_merge_driver, merge_driver};
pub use metrics::{Metrics, RevisionMetrics, ShowMetricsOptions, metrics, show_metrics};
pub use move_data::{MoveReport, move_data};
pub use pipeline_view::{
    BrokenFile, Dag, DagNodes, DagOptions, DagReach, ListedStage, StageListOptions,
    StageListReport, Unreadable, WhichStages, dag, list_stages,
};
pub use project::{Patience, Project};
pub use record::{ChangedInputs, RecordOptions, RecordReport, RecordedData, record, record_as};
pub use remove::{RemoveOptions, RemoveReport, RemovedOutputs, remove};
pub use repro::{
    EarlierRuns, Force, MissingData, OnFailure, Reach, ReproMode, ReproOptions, ReproReport,
    ReproReporter, Saving, StageOutcome, StageResult, repro,
};
pub use stage::{Index, Stage, TrackedData};
pub use status::{
    CacheCheck, DataStatus, StageStatus, StatusOptions, StatusReport, status, status_of,
};
pub use transfer::{
    AskPassword, DataKind, ExportOptions, ExportReport, Exported, History, Moved, NoRemote,
    NotInRemoteOptions, OutputRemoteStatus, PullOptions, PullReport, RemoteChoice,
    RemoteFsckReport, RemoteLook, RemoteObject, RemoteState, RemoteStatusReport, RemoteTransfer,
    RunsMoved, SkipReason, Skipped, TransferSelection, export, fetch, fetch_runs, fetch_smaller,
    pull, push, push_runs, remote_fsck, remote_status,
};
pub use tree::Depth;
pub use unprotect::unprotect;
pub use value_diff::{
    ComparedValues, PlainValue, Rounding, UnchangedValues, UnreadableValues, ValueChange,
    ValueDiff, ValueDiffOptions, value_diff,
};
pub use verify::{
    Cause, CauseKind, CheckStatementOptions, CheckedStatement, Diagnosis, DifferentRows,
    DifferentValue, EnvironmentOrigin, OutputDifference, OutputOutcome, StatementSigner,
    UsedEnvironment, Verdict, VerifiedOutput, VerifiedStage, Verifier, VerifyData,
    VerifyEnvironment, VerifyError, VerifyOptions, VerifyOutcome, VerifyReport, VerifyRuns,
    check_statement, sign_statement, statement, verify, write_statement,
};
pub use worktree::{Worktree, create_worktree, remove_worktree};
