//! `ketch export`

use clap::Args;
use ketch_project::{ExportOptions, Exported, SkipReason, export};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::table::bytes;
use crate::targets::data_targets;
use crate::workspace::{open_project, remote_choice};

/// Write DVC's layout from a remote that has another
///
/// Copies data from one remote to another without going through the cache, and leaves it there as
/// DVC keeps it: DVC can pull from the result. Meant for remotes with `layout = "chunked"` in
/// `ketch.toml`, and works with any. What is there already is not written again, so that what was
/// interrupted goes on where it stopped.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET", conflicts_with = "all")]
    targets: Vec<String>,

    /// Where to write: a path, a URL or a remote's name
    #[arg(long, value_name = "PATH|URL|NAME")]
    to: String,

    /// Remote to read [default: `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Write all that the remote has, not only what the work tree needs
    #[arg(short, long)]
    all: bool,

    /// Objects copied at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

pub(super) fn run(
    args: ExportArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ExportArgs {
        targets,
        to,
        remote,
        all,
        jobs,
    } = args;
    let project = open_project(settings, printer)?;
    let options = ExportOptions {
        from: remote_choice(settings, remote, jobs),
        to,
        directory: settings.directory.clone(),
        what: if all {
            Exported::Everything
        } else {
            Exported::Targets(data_targets(&project, settings, &targets))
        },
    };
    let progress = FileProgress::new(printer);
    let report = export(&project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    let done = &report.transfer;
    printer.line(format_args!(
        "{} objects of {} exported to {}, {} were there",
        done.objects,
        bytes(done.bytes),
        report.to,
        done.present
    ));
    for id in &done.missing {
        printer.warning(format_args!(
            "object `{id}` is not on remote `{}`",
            report.from
        ));
    }
    for output in &report.skipped {
        let why = match output.reason {
            SkipReason::NotPushed => "it is never pushed",
            SkipReason::Imported => "it comes from another repository, whose remote has it",
            SkipReason::NotDownloaded => "it was not downloaded when it was imported",
            SkipReason::UnknownHash => "it is recorded with a hash that is not MD5",
            SkipReason::NoRemote => "no remote is configured",
            SkipReason::CloudVersioned => {
                "it is recorded for a remote that keeps versions, without its hashes"
            }
        };
        printer.note(format_args!("`{}` was left out: {why}", output.path));
    }
    if done.missing.is_empty() {
        Ok(ExitStatus::Success)
    } else {
        printer.hint("push it from where the data is, then export again");
        Ok(ExitStatus::Refused)
    }
}
