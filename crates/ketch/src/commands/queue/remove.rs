//! `ketch queue remove`

use std::collections::BTreeSet;

use clap::Args;
use ketch_project::{TaskRemoval, TaskState, remove_tasks};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Take experiments out of the queue, or forget those that are over
///
/// What runs is left alone, and experiments that came of it stay.
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct RemoveArgs {
    /// Their names, or the first digits of their ids
    #[arg(value_name = "TASK")]
    tasks: Vec<String>,

    /// All that do not run
    #[arg(long)]
    all: bool,

    /// All that wait
    #[arg(long)]
    queued: bool,

    /// All that failed
    #[arg(long)]
    failed: bool,

    /// All that did well
    #[arg(long)]
    success: bool,
}

pub(super) fn run(
    args: RemoveArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let states: BTreeSet<TaskState> = [
        (args.all || args.queued, TaskState::Queued),
        (args.all || args.failed, TaskState::Failed),
        (args.all || args.success, TaskState::Success),
    ]
    .into_iter()
    .filter_map(|(chosen, state)| chosen.then_some(state))
    .collect();
    if states.is_empty() == args.tasks.is_empty() {
        return Err(CommandError::user(
            "either name tasks, or choose them with `--all`, `--queued`, `--failed` or `--success`",
        ));
    }
    let project = open_project(settings, printer)?;
    let choice = if states.is_empty() {
        TaskRemoval::Named(args.tasks)
    } else {
        TaskRemoval::In(states)
    };
    let removed = remove_tasks(&project, &choice)?;
    printer.json(&removed);
    let names: Vec<&str> = removed.iter().map(|task| task.name.as_str()).collect();
    if names.is_empty() {
        printer.line("there was none to remove");
    } else if printer.speaks_dvc() {
        printer.line(format_args!("Removed tasks in queue: {}", names.join(", ")));
    } else {
        for name in names {
            printer.line(format_args!("removed {name}"));
        }
    }
    Ok(ExitStatus::Success)
}
