//! `ketch status`

use clap::Args;
use ketch_project::status;
use owo_colors::OwoColorize as _;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Show what differs from what is recorded
///
/// Holds every stage against `dvc.lock` and all tracked data against its `.dvc` file. Changes
/// nothing and waits for nobody. With `--quiet` nothing is printed, and the exit code is 1 where
/// something differs.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct StatusArgs {}

pub(super) fn run(
    args: StatusArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let StatusArgs {} = args;
    let project = open_project(settings, printer)?;
    let progress = FileProgress::new(printer);
    let report = status(&project, &progress)?;
    drop(progress);
    if printer.is_quiet() {
        return Ok(if report.is_clean() {
            ExitStatus::Success
        } else {
            ExitStatus::Refused
        });
    }
    printer.json(&report);
    for stage in report
        .stages
        .iter()
        .filter(|stage| !stage.changes.is_empty())
    {
        printer.line(stage.stage.bold());
        for change in &stage.changes {
            printer.line(format_args!("  {change}"));
        }
    }
    for data in &report.data {
        if let Some(state) = data.state {
            printer.line(data.file.bold());
            printer.line(format_args!("  data {} {state}", data.path));
        }
    }
    if report.is_clean() {
        printer.line("data and pipelines are up to date");
    } else if report.stages.iter().any(|stage| !stage.changes.is_empty()) {
        printer.hint("bring the stages up to date: `ketch repro`");
    }
    Ok(ExitStatus::Success)
}
