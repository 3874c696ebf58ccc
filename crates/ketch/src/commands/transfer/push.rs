//! `ketch push`

use clap::Args;
use ketch_project::{push, push_runs};

use super::{TransferArgs, WithRuns, status, tell_runs, tell_with};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::{files_from_here, open_project};

/// Send data to a remote
///
/// Sends what the remote lacks, several objects at once, each checked on both ends. A directory
/// counts as sent only when the remote has all its files. What was interrupted goes on where it
/// stopped.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    transfer: TransferArgs,
}

pub(in crate::commands) fn run(
    args: &PushArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let selection = args.transfer.selection(&project, settings)?;
    let progress = FileProgress::new(printer);
    let moved = push(&project, &selection, &progress)?;
    let runs = args.transfer.runs(printer, || {
        push_runs(&project, &selection.remote, &progress)
    })?;
    drop(progress);
    printer.json(&WithRuns {
        report: &moved,
        run_cache: &runs,
    });
    let results = runs.as_ref().filter(|_| printer.speaks_dvc());
    tell_with(
        printer,
        &moved,
        results.map_or(0, |runs| runs.runs),
        "pushed",
    );
    if !moved.changed_files.is_empty() {
        printer.hint(format_args!(
            "record the versions in Git: `git add {}`",
            files_from_here(&project, settings, &moved.changed_files).join(" ")
        ));
    }
    let whole = tell_runs(printer, runs.as_ref(), "pushed");
    // Of what is nowhere DVC warns, and no more.
    Ok(status(
        printer.speaks_dvc() || (moved.is_complete() && whole),
    ))
}
