//! `ketch remove`

use clap::Args;
use ketch_project::{RemoveOptions, RemovedOutputs, remove};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::{data_targets, folder_of_now};
use crate::workspace::{from_here, hint_to_record, open_project};

/// Stop tracking data, or take a stage out of the pipeline
///
/// Deletes `.dvc` files, or stages from `dvc.yaml` and `dvc.lock`, and the lines of `.gitignore`
/// that hid their data. The data stays unless `--outs` is given; the cache keeps what it has.
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
pub(crate) struct RemoveArgs {
    /// `.dvc` files, stages, and `dvc.yaml` files with all their stages
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,

    /// Delete the data too; what is saved nowhere goes to the trash
    #[arg(long)]
    outs: bool,
}

pub(super) fn run(
    args: RemoveArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RemoveArgs { targets, outs } = args;
    let project = open_project(settings, printer)?;
    let options = RemoveOptions {
        targets: data_targets(&project, settings, &targets),
        outputs: if outs {
            RemovedOutputs::Delete
        } else {
            RemovedOutputs::Keep
        },
        trash: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = remove(&project, &options, &progress)?;
    drop(progress);
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    for removed in &report.removed {
        printer.line(removed);
    }
    for path in &report.deleted {
        let path = from_here(&project, settings, path);
        printer.note(format_args!("deleted {path}"));
    }
    if !report.trashed.is_empty() {
        printer.note(format_args!(
            "what was saved nowhere is in .ketch/trash/{}",
            options.trash
        ));
    }
    hint_to_record(printer, &project, "git add --update");
    Ok(ExitStatus::Success)
}
