//! `ketch repro`

use std::num::NonZeroUsize;

use camino::Utf8Path;
use clap::Args;
use clap::builder::PossibleValuesParser;
use ketch_project::{
    EXECUTORS, EarlierRuns, Elsewhere, ExecutorKind, Force, Metrics, MissingData, Names, OnFailure,
    Project, ProjectError, Reach, ReproMode, ReproOptions, ReproReport, Saving, StageOutcome,
    StageResult, TransferSelection, fetch_runs, metrics, repro,
};
use serde::{Deserialize, Serialize};

use super::env;
use super::metrics::print_metrics;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::{FileProgress, StageProgress, outcome_text, reasons};
use crate::settings::Settings;
use crate::signals::StopSignals;
use crate::workspace::{open_project, remote_choice, target};

/// Bring the pipeline up to date
///
/// Runs, in order, each stage of `dvc.yaml` whose command, parameters, dependencies or outputs
/// differ from `dvc.lock`, and all stages before it, and says why. What was run before with the
/// same inputs comes out of the cache. Standard output and error of a stage go to standard error,
/// after the name of the stage; `.ketch/logs` keeps them. At the end the metrics are printed.
///
/// With `--jobs` stages that do not need each other run at once. What they share, like GPUs, is
/// counted in `ketch.toml`: `[pipeline] resources = { gpu = 1 }` and
/// `[pipeline.stage.train] needs = { gpu = 1 }`.
#[derive(Debug, Args, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct ReproArgs {
    /// Stages, outputs or dvc.yaml files to bring up to date; all stages by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Run unchanged stages too, without asking the cache of runs
    #[arg(short, long)]
    force: bool,

    /// Stages that run at once [default: `pipeline.jobs` in ketch.toml, or 1; 16 on Slurm]
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,

    /// Where the stages run: `slurm` makes each one a batch job [default: `executor.use` in
    /// ketch.toml, or local]
    #[arg(long, value_name = "EXECUTOR", value_parser = executors())]
    executor: Option<String>,

    /// Ask before each stage that runs
    #[arg(short, long)]
    interactive: bool,

    #[command(flatten)]
    reach: ReachArgs,

    /// Run all that follows from a stage that ran, whether its inputs differ or not
    #[arg(long)]
    force_downstream: bool,

    /// Fetch data and runs that are not here from the remote
    #[arg(long)]
    pull: bool,

    /// Leave stages alone of which nothing but data is missing
    #[arg(long)]
    allow_missing: bool,

    /// Only print what would run, and why
    #[arg(long)]
    dry: bool,

    /// Go on with what does not need a stage that failed
    #[arg(short, long)]
    keep_going: bool,

    /// Go on with all other stages when one fails
    #[arg(long, conflicts_with = "keep_going")]
    ignore_errors: bool,

    /// Take the targets for patterns
    #[arg(long)]
    glob: bool,

    /// Record outputs without putting them into the cache
    #[arg(long)]
    no_commit: bool,

    /// Run what was run before with the same inputs, too
    #[arg(long)]
    no_run_cache: bool,
}

/// Which stages belong to the targets.
#[derive(Debug, Clone, Copy, Args, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
struct ReachArgs {
    /// Only the targets, not what they need
    #[arg(short, long)]
    single_item: bool,

    /// Everything that hangs together with the targets
    #[arg(short, long)]
    pipeline: bool,

    /// Every stage of the project
    #[arg(short = 'P', long)]
    all_pipelines: bool,

    /// The stages of every dvc.yaml below the targets, which are directories
    #[arg(short = 'R', long)]
    recursive: bool,

    /// The targets and what follows from them
    #[arg(long)]
    downstream: bool,
}

impl From<ReachArgs> for Reach {
    fn from(args: ReachArgs) -> Self {
        // Of several, the one that DVC heeds.
        if args.all_pipelines {
            Self::Everything
        } else if args.pipeline {
            Self::Pipeline
        } else if args.single_item {
            Self::Alone
        } else if args.downstream {
            Self::Downstream
        } else if args.recursive {
            Self::Below
        } else {
            Self::Upstream
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    stages: &'a [StageResult],
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    /// Results that were left as they are and were made in another environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<&'a Elsewhere>,
}

pub(super) fn run(
    args: ReproArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let (options, progress) = args.prepare(&project, settings, printer)?;
    let report = repro(&project, &options, &progress)?;
    drop(progress);
    if options.mode == ReproMode::DryRun {
        tell_plan(printer, &report);
        return Ok(ExitStatus::Success);
    }
    let metrics = metrics(&project)?;
    printer.json(&Report {
        stages: &report.stages,
        metrics: Some(&metrics),
        elsewhere: report.elsewhere.as_ref(),
    });
    print_metrics(printer, &metrics);
    warn(printer, &report);
    let failed: Vec<String> = report.failures.keys().cloned().collect();
    if !failed.is_empty() && options.on_failure == OnFailure::KeepGoing {
        return Err(ProjectError::StagesFailed { stages: failed }.into());
    }
    close(printer, &project, &report);
    Ok(ExitStatus::Success)
}

/// What a dry run found.
pub(super) fn tell_plan(printer: &Printer, report: &ReproReport) {
    printer.json(&Report {
        stages: &report.stages,
        metrics: None,
        elsewhere: report.elsewhere.as_ref(),
    });
    for stage in &report.stages {
        printer.line(planned(stage));
    }
    warn(printer, report);
}

impl ReproArgs {
    /// Whether unchanged stages run too.
    pub(super) fn is_forced(&self) -> bool {
        self.force
    }

    /// How many run at once.
    pub(super) fn jobs(&self) -> Option<NonZeroUsize> {
        self.jobs
    }

    /// The same, asked from the root of the project, where nobody can be asked.
    pub(super) fn queued(mut self, project: &Project, settings: &Settings) -> Self {
        self.targets = targets(self.targets, project, settings);
        self.interactive = false;
        self
    }

    /// What is asked for, and who is told of it; with `--pull`, earlier runs are here afterwards.
    pub(super) fn prepare(
        self,
        project: &Project,
        settings: &Settings,
        printer: &Printer,
    ) -> Result<(ReproOptions, StageProgress), CommandError> {
        let from = TransferSelection {
            remote: remote_choice(settings, None, None),
            ..TransferSelection::default()
        };
        if self.pull && !self.no_run_cache && !self.dry {
            match fetch_runs(project, &from.remote, &FileProgress::new(printer)) {
                Ok(_) => {}
                Err(error) => {
                    printer.warning(format_args!("earlier runs were not fetched: {error}"));
                }
            }
        }
        let progress = StageProgress::new(printer).asking(self.interactive);
        let mut options = options(self, project, settings, from);
        if options.mode == ReproMode::Run
            && options.executor.unwrap_or(project.config().executor.kind) != ExecutorKind::Local
        {
            // Commands on this machine end with ketch; jobs elsewhere have to be cancelled.
            let (interrupt, printer) = (options.interrupt.clone(), printer.clone());
            StopSignals::catch()?.then(move || {
                interrupt.raise();
                printer.note("stopping, jobs are cancelled; once more to leave them alone");
            });
        }
        // DVC's files only, where somebody called DVC.
        if !printer.speaks_dvc() {
            options.circumstances = Some(settings.circumstances.clone());
        }
        Ok((options, progress))
    }
}

fn options(
    args: ReproArgs,
    project: &Project,
    settings: &Settings,
    from: TransferSelection,
) -> ReproOptions {
    ReproOptions {
        targets: targets(args.targets, project, settings),
        names: if args.glob {
            Names::Patterns
        } else {
            Names::Exact
        },
        reach: args.reach.into(),
        force: match (args.force, args.force_downstream) {
            (true, _) => Force::Yes,
            (false, true) => Force::Downstream,
            (false, false) => Force::No,
        },
        mode: if args.dry {
            ReproMode::DryRun
        } else {
            ReproMode::Run
        },
        executor: args.executor.as_deref().and_then(executor_named),
        jobs: args.jobs,
        on_failure: match (args.keep_going, args.ignore_errors) {
            (true, _) => OnFailure::KeepGoing,
            (false, true) => OnFailure::Ignore,
            (false, false) => OnFailure::Stop,
        },
        missing: if args.allow_missing {
            MissingData::Allowed
        } else {
            MissingData::Changed
        },
        pull: args.pull.then_some(from),
        earlier_runs: if args.no_run_cache {
            EarlierRuns::Ignored
        } else {
            EarlierRuns::Taken
        },
        saving: if args.no_commit {
            Saving::Left
        } else {
            Saving::Saved
        },
        ..ReproOptions::default()
    }
}

/// As seen from the root of the project.
fn targets(named: Vec<String>, project: &Project, settings: &Settings) -> Vec<String> {
    let named = named.into_iter();
    let mut targets: Vec<String> = named.map(|name| target(project, settings, &name)).collect();
    // As in DVC the pipeline is that of the directory where one is.
    let here = target(project, settings, "dvc.yaml");
    if targets.is_empty() && Utf8Path::new(&here) != "dvc.yaml" {
        targets.push(here);
    }
    targets
}

fn executors() -> PossibleValuesParser {
    PossibleValuesParser::new(EXECUTORS.map(|(name, _)| name))
}

fn executor_named(wanted: &str) -> Option<ExecutorKind> {
    let mut known = EXECUTORS.iter();
    known.find_map(|(name, kind)| (*name == wanted).then_some(*kind))
}

/// Tells of results that were made elsewhere.
fn warn(printer: &Printer, report: &ReproReport) {
    if let Some(elsewhere) = &report.elsewhere {
        env::warn(printer, elsewhere);
    }
    if let Some(error) = &report.unknown_makers {
        printer.warning(format_args!(
            "what made the results cannot be told: {error}"
        ));
    }
}

/// Says what to do next.
fn close(printer: &Printer, project: &Project, report: &ReproReport) {
    if report.stages.is_empty() {
        printer.note("there is no stage to run");
        printer.hint("describe the pipeline in dvc.yaml");
    } else if report.stages.iter().any(recorded) {
        if !project.git().is_declined() {
            let command = if project.root().join(".ketch-environments").exists() {
                "git add dvc.lock .ketch-environments"
            } else {
                "git add dvc.lock"
            };
            printer.hint(format_args!(
                "record it in Git: `{command}`, then `git commit`"
            ));
        }
    } else if report.failures.is_empty() {
        printer.note("the pipeline is up to date");
    }
}

/// Whether `dvc.lock` says something new of the stage.
fn recorded(stage: &StageResult) -> bool {
    matches!(stage.outcome, StageOutcome::Ran | StageOutcome::Restored)
}

fn planned(stage: &StageResult) -> String {
    let name = &stage.stage;
    match stage.outcome {
        StageOutcome::WouldRun => format!("{name} would run: {}", reasons(&stage.changes)),
        outcome => format!("{name} {}", outcome_text(outcome)),
    }
}
