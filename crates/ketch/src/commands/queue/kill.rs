//! `ketch queue kill`

use clap::Args;
use ketch_project::{Signal, kill_tasks};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// End experiments that run; they count as failed
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// Their names, or the first digits of their ids
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,

    /// Give them no time to clean up
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: &KillArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    if args.tasks.is_empty() {
        // As in DVC nothing is meant.
        printer.hint("name tasks, or end all of them: `ketch queue stop --kill`");
        return Ok(ExitStatus::Success);
    }
    let project = open_project(settings, printer)?;
    let signal = if args.force {
        Signal::Kill
    } else {
        Signal::Terminate
    };
    let killed = kill_tasks(&project, &args.tasks, signal)?;
    printer.json(&killed);
    for task in &killed.killed {
        printer.line(if printer.speaks_dvc() {
            format!("{} has been killed.", task.name)
        } else {
            format!("killed {}", task.name)
        });
    }
    Ok(ExitStatus::Success)
}
