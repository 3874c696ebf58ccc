//! `ketch metrics show`

use clap::Args;
use ketch_project::metrics;

use super::print_metrics;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Print the numbers in all metrics files
///
/// Reads the outputs listed under `metrics` in each `dvc.yaml`, as they are now. A file that is
/// not there is left out.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShowArgs {}

pub(super) fn run(
    args: ShowArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ShowArgs {} = args;
    let project = open_project(settings, printer)?;
    let metrics = metrics(&project)?;
    printer.json(&metrics);
    print_metrics(printer, &metrics);
    if metrics.is_empty() {
        printer.note("there are no metrics yet");
        printer.hint("list a file under `metrics` of a stage in dvc.yaml, then `ketch repro`");
    }
    Ok(ExitStatus::Success)
}
