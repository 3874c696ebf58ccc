//! `ketch exp branch`

use clap::Args;
use ketch_project::branch_experiment;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Make a Git branch of an experiment
#[derive(Debug, Args)]
pub(crate) struct BranchArgs {
    /// Its name, its commit or its full reference
    experiment: String,

    /// What to call the branch [default: EXPERIMENT-branch]
    branch: Option<String>,
}

pub(super) fn run(
    args: &BranchArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let report = branch_experiment(&project, &args.experiment, args.branch.as_deref())?;
    printer.json(&report);
    let (branch, name) = (&report.branch, &report.experiment.name);
    if printer.speaks_dvc() {
        printer.line(format_args!(
            "Git branch '{branch}' has been created from experiment '{name}'.\nTo switch to the new branch run:\n\n\tgit checkout {branch}"
        ));
        return Ok(ExitStatus::Success);
    }
    printer.line(format_args!("branch {branch} is {name}"));
    printer.hint(format_args!(
        "go there: `git switch {branch}`, then `ketch checkout`"
    ));
    Ok(ExitStatus::Success)
}
