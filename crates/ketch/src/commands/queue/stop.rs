//! `ketch queue stop`

use clap::Args;
use ketch_project::{Signal, stop_worker};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Have the worker leave when what it runs is over
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// End what runs, too; it counts as failed
    #[arg(long)]
    kill: bool,
}

pub(super) fn run(
    args: &StopArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let stopped = stop_worker(&project, args.kill.then_some(Signal::Terminate))?;
    printer.json(&stopped);
    if printer.speaks_dvc() {
        printer.line(if args.kill {
            "All running tasks in the queue have been killed.Queue workers are stopping."
        } else {
            "Queue workers will stop after running tasks finish."
        });
        return Ok(ExitStatus::Success);
    }
    for task in &stopped.killed {
        printer.line(format_args!("killed {}", task.name));
    }
    printer.line(match (stopped.was_at_work, args.kill) {
        (false, _) => "no worker is at work",
        (true, true) => "the worker leaves",
        (true, false) => "the worker leaves when what it runs is over",
    });
    Ok(ExitStatus::Success)
}
