//! `ketch push`

use clap::Args;
use ketch_project::{PushOptions, push};

use super::{TransferArgs, counted, tell_rest};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::open_project;

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
    let options = PushOptions {
        targets: data_targets(&project, settings, &args.transfer.targets),
        remote: args.transfer.choice(),
    };
    let progress = FileProgress::new(printer);
    let report = push(&project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    printer.line(counted(report.objects(), "pushed"));
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
