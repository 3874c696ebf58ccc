//! `ketch exp apply`

use clap::Args;
use ketch_project::apply_experiment;

use crate::commands::checkout::warn_of_missing;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Have the files and data of an experiment in the work tree
///
/// The branch stays where it is. What is overwritten has a way back: tracked files in a Git stash,
/// the rest below `.ketch/trash`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Its name, its commit or its full reference
    experiment: String,

    /// Taken from DVC's command line, where it does nothing any more
    #[arg(long, hide = true)]
    no_force: bool,
}

pub(super) fn run(
    args: &ApplyArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let report = apply_experiment(&project, &args.experiment, &FileProgress::new(printer))?;
    printer.json(&report);
    if printer.speaks_dvc() {
        printer.line(format_args!(
            "Changes for experiment '{}' have been applied to your current workspace.",
            args.experiment
        ));
        return Ok(ExitStatus::Success);
    }
    printer.line(format_args!("applied {}", report.experiment.name));
    for path in &report.moved {
        printer.note(format_args!("{path} is in {} now", report.trash));
    }
    if !report.data.trashed.is_empty() {
        printer.note(format_args!(
            "data that was saved nowhere is in {} now",
            report.trash
        ));
    }
    if report.before.is_some() {
        printer.hint(
            "what was here before: `git reset --hard`, then `git stash apply refs/exps/apply/stash`",
        );
    }
    if report.data.missing.is_empty() {
        return Ok(ExitStatus::Success);
    }
    warn_of_missing(&project, settings, printer, &report.data.missing);
    Ok(ExitStatus::Refused)
}
