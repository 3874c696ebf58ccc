//! `ketch queue run-task`, hidden: what the worker calls for each task.

use clap::Args;
use ketch_project::{QueuedRun, run_task, task_arguments};

use crate::commands::exp::seed;
use crate::commands::repro::ReproArgs;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Run one experiment that waits
#[derive(Debug, Args)]
pub(crate) struct RunTaskArgs {
    /// Its name
    task: String,
}

pub(super) fn run(
    args: &RunTaskArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let said = task_arguments(&project, &args.task)?;
    let repro: ReproArgs = serde_json::from_value(said).map_err(|error| {
        CommandError::user(format!(
            "`{}` was queued by another version of ketch: {error}",
            args.task
        ))
    })?;
    let (repro, progress) = repro.prepare(&project, settings, printer)?;
    let run = QueuedRun {
        repro,
        seed: seed(),
    };
    let report = run_task(&project, &args.task, &run, &progress)?;
    drop(progress);
    if let Some(experiment) = &report.experiment {
        printer.line(format_args!(
            "experiment {} ({})",
            experiment.name, experiment.commit
        ));
    }
    Ok(ExitStatus::Success)
}
