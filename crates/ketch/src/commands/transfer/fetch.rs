//! `ketch fetch`

use clap::{Args, ValueEnum};
use ketch_project::{DataKind, NoRemote, fetch_runs, fetch_smaller};

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

    /// Only data that is this; may be given twice
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<Type>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    Metrics,
    Plots,
}

impl From<Type> for DataKind {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Metrics => Self::Metrics,
            Type::Plots => Self::Plots,
        }
    }
}

pub(in crate::commands) fn run(
    args: &FetchArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let mut selection = args.transfer.selection(&project, settings)?;
    selection.kinds = args.types.iter().copied().map(DataKind::from).collect();
    if printer.speaks_dvc() {
        selection.remote.without = NoRemote::PassedOver;
    }
    let progress = FileProgress::new(printer);
    let moved = fetch_smaller(&project, &selection, args.max_size, &progress)?;
    let runs = args.transfer.runs(printer, || {
        fetch_runs(&project, &selection.remote, &progress)
    })?;
    drop(progress);
    printer.json(&WithRuns {
        report: &moved,
        run_cache: &runs,
    });
    tell(printer, &moved, "fetched");
    let whole = tell_runs(printer, runs.as_ref(), "fetched");
    // DVC warns, and fails where it is needed: at the checkout.
    Ok(status(
        printer.speaks_dvc() || (moved.is_complete() && whole),
    ))
}
