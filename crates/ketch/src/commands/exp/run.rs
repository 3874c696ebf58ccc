//! `ketch exp run`

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{
    ExperimentOptions, ExperimentPlace, Metrics, Project, QueueOptions, StageResult, metrics,
    parameter_sweep, queue_experiments, run_experiment,
};
use serde::Serialize;

use super::{existing, seed, short};
use crate::commands::metrics::print_metrics;
use crate::commands::queue::{Told, work_off};
use crate::commands::repro::{ReproArgs, tell_plan};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{open_project, target};

/// Run the pipeline and keep the result as an experiment
///
/// Sets parameters, brings the pipeline up to date as `ketch repro` does, and keeps code, parameters,
/// `dvc.lock` and metrics as a commit on top of HEAD that no branch shows. The work tree has the
/// results afterwards; with `--temp` it stays as it is.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What to call it; made up if not given
    #[arg(short, long)]
    name: Option<String>,

    /// Set a parameter: `[FILE:]NAME=VALUE`; `+NAME=VALUE` adds one, `~NAME` takes one away
    #[arg(short = 'S', long = "set-param", value_name = "CHANGE")]
    set_params: Vec<String>,

    /// Run in a work tree of its own, and leave this one as it is
    #[arg(long)]
    temp: bool,

    /// Queue it and run nothing now; several values of a parameter, as `NAME=1,2`,
    /// `NAME=choice(1,2)` or `NAME=range(1,9)`, queue one for each combination
    #[arg(long, conflicts_with = "temp")]
    queue: bool,

    /// Run all that is queued, so many at once as `--jobs` says
    #[arg(long, conflicts_with_all = ["queue", "temp", "set_params", "name", "targets"])]
    run_all: bool,

    /// Copy a path that Git does not track to the work tree of `--temp`; may be repeated
    #[arg(long = "copy-paths", value_name = "PATH")]
    copy_paths: Vec<String>,

    /// What the commit of the experiment says
    #[arg(short, long)]
    message: Option<String>,

    #[command(flatten)]
    repro: ReproArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    experiment: &'a ketch_project::Experiment,
    stages: &'a [StageResult],
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
}

pub(super) fn run(
    args: RunArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    if args.run_all {
        let jobs = args.repro.jobs().unwrap_or(NonZeroUsize::MIN);
        return run_all(&project, jobs, printer);
    }
    let mut parameters = parameter_sweep(&args.set_params)?;
    for one in parameters.iter_mut().flatten() {
        one.file = Utf8PathBuf::from(target(&project, settings, one.file.as_str()));
    }
    let copied = args.copy_paths.iter();
    let copied = copied.map(|path| target(&project, settings, path).into());
    let copied: Vec<Utf8PathBuf> = copied.collect();
    if args.queue {
        let options = QueueOptions {
            name: args.name,
            existing: existing(args.repro.is_forced()),
            message: args.message,
            parameters,
            copied,
            arguments: serde_json::to_value(args.repro.queued(&project, settings))
                .map_err(std::io::Error::from)?,
            seed: seed(),
        };
        return queue(&project, &options, printer);
    }
    if parameters.len() > 1 {
        return Err(CommandError::user(
            "several values of a parameter make several experiments, which have to be queued: add `--queue`",
        ));
    }
    let overrides = parameters.pop().unwrap_or_default();
    let place = if args.temp {
        ExperimentPlace::Apart { copied }
    } else {
        ExperimentPlace::Here
    };
    let existing = existing(args.repro.is_forced());
    let (repro, progress) = args.repro.prepare(&project, settings, printer)?;
    let options = ExperimentOptions {
        name: args.name,
        existing,
        message: args.message,
        overrides,
        place,
        repro,
        seed: seed(),
    };
    let report = run_experiment(&project, &options, &progress)?;
    drop(progress);
    let Some(experiment) = &report.experiment else {
        tell_plan(printer, &report.repro);
        return Ok(ExitStatus::Success);
    };
    let metrics = (!args.temp).then(|| metrics(&project)).transpose()?;
    printer.json(&Report {
        experiment,
        stages: &report.repro.stages,
        metrics: metrics.clone(),
    });
    let name = &experiment.name;
    if printer.speaks_dvc() {
        printer.line(format_args!("\nRan experiment(s): {name}"));
        if args.temp {
            printer.line(
                "To apply the results of an experiment to your workspace run:\n\n\tdvc exp apply <exp>",
            );
        } else {
            printer.line("Experiment results have been applied to your workspace.");
        }
        return Ok(ExitStatus::Success);
    }
    if let Some(metrics) = &metrics {
        print_metrics(printer, metrics);
    }
    printer.line(format_args!(
        "experiment {name} ({})",
        short(&experiment.commit)
    ));
    if args.temp {
        printer.hint(format_args!(
            "have its results here: `ketch exp apply {name}`"
        ));
    } else {
        printer.hint(format_args!("make it a branch: `ketch exp branch {name}`"));
    }
    Ok(ExitStatus::Success)
}

fn queue(
    project: &Project,
    options: &QueueOptions,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let tasks = queue_experiments(project, options)?;
    printer.json(&tasks);
    for task in &tasks {
        printer.line(if printer.speaks_dvc() {
            format!("Queued experiment '{}' for future execution.", task.name)
        } else {
            format!("queued {}", task.name)
        });
    }
    printer.hint("run what is queued: `ketch queue start`, or here: `ketch exp run --run-all`");
    Ok(ExitStatus::Success)
}

/// Fails if one of those fails that are queued now.
fn run_all(
    project: &Project,
    jobs: NonZeroUsize,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let told = Told::new(printer);
    work_off(project, jobs, &told, printer)?;
    let ran = told.names();
    printer.json(&ran);
    if printer.speaks_dvc() && !ran.done.is_empty() {
        printer.line(format_args!("\nRan experiment(s): {}", ran.done.join(", ")));
    }
    if ran.done.is_empty() && ran.failed.is_empty() {
        printer.note("nothing is queued");
    }
    if ran.failed.is_empty() {
        return Ok(ExitStatus::Success);
    }
    printer.hint(format_args!(
        "see what it printed: `ketch queue logs {}`",
        ran.failed.first().map_or("", String::as_str)
    ));
    Ok(ExitStatus::Failure)
}
