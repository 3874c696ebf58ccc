//! `ketch fetch`

use clap::Args;
use ketch_project::{FetchOptions, fetch};

use super::{TransferArgs, counted, tell_rest};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::open_project;

/// Get data from a remote into the cache
///
/// Gets what the cache lacks; the bytes of every object are checked before it enters the cache.
/// `ketch pull` puts it into the work tree too.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    transfer: TransferArgs,
}

pub(in crate::commands) fn run(
    args: &FetchArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = FetchOptions {
        targets: data_targets(&project, settings, &args.transfer.targets),
        remote: args.transfer.choice(),
    };
    let progress = FileProgress::new(printer);
    let report = fetch(&project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    printer.line(counted(report.objects(), "fetched"));
    let transfers = report
        .remotes
        .iter()
        .map(|one| (one.remote.as_str(), &one.transfer));
    tell_rest(printer, transfers, &report.skipped);
    Ok(if report.is_complete() {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}
