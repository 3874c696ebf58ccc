//! `ketch exp clean`

use clap::Args;
use ketch_project::clean_experiments;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Remove what runs of experiments left behind
///
/// Work trees of killed runs, and files of queued experiments that are no more. Experiments and what
/// waits stay.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {}

pub(super) fn run(
    _: &CleanArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let cleaned = clean_experiments(&project)?;
    printer.json(&cleaned);
    if printer.speaks_dvc() {
        printer.line("Cleaning up dvc-task messages...");
        printer.line("Done!");
    } else {
        printer.line(format_args!(
            "removed {} work trees and {} files",
            cleaned.worktrees, cleaned.files
        ));
    }
    Ok(ExitStatus::Success)
}
