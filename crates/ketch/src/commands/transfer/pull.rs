//! `ketch pull`

use clap::Args;
use ketch_project::{MissingTargets, NoRemote, Overwrite, PullOptions, fetch_runs, pull};

use super::super::checkout::print_changes;
use super::{TransferArgs, WithRuns, status, tell, tell_runs, tell_skipped};
use crate::exit::{CommandError, ExitStatus};
use crate::personality::summary;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::folder_of_now;
use crate::workspace::{from_here, open_project};

/// Get data from a remote and put it into the work tree
///
/// Fetches what the cache lacks, then restores tracked data and outputs. Refuses to overwrite what
/// is saved nowhere; with `--force` it goes to `.ketch/trash` first.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    transfer: TransferArgs,

    /// Overwrite also what is saved nowhere; it goes to the trash
    #[arg(short, long)]
    force: bool,

    /// Take it as success if the remote does not have everything
    #[arg(long)]
    allow_missing: bool,
}

pub(in crate::commands) fn run(
    args: &PullArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let overwrite = if args.force {
        Overwrite::Force
    } else {
        Overwrite::Refuse
    };
    let mut from = args.transfer.selection(&project, settings)?;
    if args.allow_missing || printer.speaks_dvc() {
        from.remote.without = NoRemote::PassedOver;
    }
    let options = PullOptions {
        from,
        overwrite,
        missing: if args.allow_missing {
            MissingTargets::Reported
        } else {
            MissingTargets::Refused
        },
        trash: Some(folder_of_now(settings)),
    };
    let progress = FileProgress::new(printer);
    let report = pull(&project, &options, &progress)?;
    let runs = args.transfer.runs(printer, || {
        fetch_runs(&project, &options.from.remote, &progress)
    })?;
    drop(progress);
    let complete = report.fetch.is_complete() && report.checkout.missing.is_empty();
    if printer.speaks_dvc() {
        print_changes(&report.checkout, &project, settings, printer);
        let fetched = report.fetch.objects();
        let counts = [(fetched, "fetched"), (report.checkout.added_files, "added")];
        printer.line(summary(&counts).unwrap_or_else(|| "Everything is up to date.".to_owned()));
        tell_skipped(printer, &report.fetch);
        if !complete && !args.allow_missing {
            printer.failure("failed to pull data from the cloud: not all of it is there");
        }
        return Ok(status(complete || args.allow_missing));
    }
    printer.json(&WithRuns {
        report: &report,
        run_cache: &runs,
    });
    for path in &report.checkout.restored {
        let mark = if report.checkout.added.contains(path) {
            "A"
        } else {
            "M"
        };
        printer.line(format_args!(
            "{mark}\t{}",
            from_here(&project, settings, path)
        ));
    }
    tell(printer, &report.fetch, "fetched");
    let whole = tell_runs(printer, runs.as_ref(), "fetched");
    if let Some(folder) = options
        .trash
        .filter(|_| !report.checkout.trashed.is_empty())
    {
        printer.note(format_args!(
            "what was overwritten and saved nowhere is in .ketch/trash/{folder}"
        ));
    }
    let complete = whole && complete;
    Ok(status(complete || args.allow_missing))
}
