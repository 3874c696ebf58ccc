//! `ketch fetch`

use clap::Args;
use ketch_project::{fetch_runs, fetch_smaller};

use super::{TransferArgs, WithRuns, status, tell, tell_runs};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Get data from a remote into the cache
///
/// Gets what the cache lacks; the bytes of every object are checked before it enters the cache.
/// `ketch pull` puts it into the work tree too.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    transfer: TransferArgs,

    /// Only data that is smaller
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
}

pub(in crate::commands) fn run(
    args: &FetchArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let selection = args.transfer.selection(&project, settings)?;
    let progress = FileProgress::new(printer);
    let moved = fetch_smaller(&project, &selection, args.max_size, &progress)?;
    let runs = if args.transfer.run_cache {
        Some(fetch_runs(&project, &selection.remote, &progress)?)
    } else {
        None
    };
    drop(progress);
    printer.json(&WithRuns {
        report: &moved,
        run_cache: &runs,
    });
    tell(printer, &moved, "fetched");
    let whole = tell_runs(printer, runs.as_ref(), "fetched");
    Ok(status(moved.is_complete() && whole))
}
