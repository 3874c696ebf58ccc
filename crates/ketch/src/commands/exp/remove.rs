//! `ketch exp remove`

use clap::Args;
use ketch_project::{
    ExperimentChoice, Removal, Task, TaskRemoval, TaskState, remove_experiments, remove_tasks,
};

use super::{BaselineArgs, named};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Remove experiments
///
/// Their commits go when Git collects its garbage, their data with `ketch gc`.
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
pub(crate) struct RemoveArgs {
    /// Their names or full references
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,

    #[command(flatten)]
    baselines: BaselineArgs,

    /// Remove all others instead
    #[arg(long)]
    keep: bool,

    /// Take all that wait out of the queue instead
    #[arg(
        short = 'Q',
        long,
        conflicts_with_all = ["experiments", "revisions", "all_commits", "keep", "git_remote"]
    )]
    queue: bool,

    /// Remove them from this Git remote or repository
    #[arg(short, long, value_name = "REMOTE")]
    git_remote: Option<String>,
}

pub(super) fn run(
    args: RemoveArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    if args.queue {
        let choice = TaskRemoval::In([TaskState::Queued].into());
        tell_tasks(&remove_tasks(&project, &choice)?, printer);
        return Ok(ExitStatus::Success);
    }
    let given = args.baselines.given();
    let choice = match (given, args.experiments.is_empty()) {
        (Some(choice), true) => choice,
        (None, false) => ExperimentChoice::Named(args.experiments),
        _ => {
            return Err(CommandError::user(
                "either name experiments, or choose them with `--rev` or `--all-commits`",
            ));
        }
    };
    let removal = if args.keep {
        Removal::Others
    } else {
        Removal::Chosen
    };
    let removed = remove_experiments(&project, &choice, removal, args.git_remote.as_deref())?;
    printer.json(&removed);
    if printer.speaks_dvc() {
        let told = if removed.is_empty() {
            "No experiments to remove.".to_owned()
        } else {
            format!("Removed experiments: {}", named(&removed))
        };
        printer.line(told);
        return Ok(ExitStatus::Success);
    }
    for experiment in &removed {
        printer.line(format_args!("removed {}", experiment.name));
        printer.hint(format_args!(
            "the way back: `git update-ref {} {}`",
            experiment.reference(),
            experiment.commit
        ));
    }
    if removed.is_empty() {
        printer.note("there was none to remove");
    }
    Ok(ExitStatus::Success)
}

fn tell_tasks(removed: &[Task], printer: &Printer) {
    printer.json(&removed);
    for task in removed {
        printer.line(format_args!("removed {}", task.name));
    }
    if removed.is_empty() {
        printer.note("nothing is queued");
    }
}
