//! `ketch commit`

use clap::Args;
use ketch_project::{
    ChangedInputs, RecordOptions, RecordedData, StatusOptions, record_as, status_of,
};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::ReachArgs;
use crate::workspace::{from_here, hint_to_record, open_project};

/// Record what data and outputs are now, without running anything
///
/// Puts changed data and outputs into the cache and writes the `.dvc` files and `dvc.lock` anew.
/// Nothing is committed in Git. A stage whose command, parameters or dependencies changed since it
/// ran is refused, unless forced: its outputs were made by something else.
#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Record the outputs also of stages whose inputs changed
    #[arg(short, long)]
    force: bool,

    /// Leave the data as it is, whatever `cache.type` says
    #[arg(long)]
    no_relink: bool,

    #[command(flatten)]
    reach: ReachArgs,
}

pub(super) fn run(
    args: CommitArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let CommitArgs {
        targets,
        force,
        no_relink,
        reach,
    } = args;
    let project = open_project(settings, printer)?;
    let options = RecordOptions {
        targets: reach.resolve(&project, settings, &targets)?,
        inputs: if force {
            ChangedInputs::Record
        } else {
            ChangedInputs::Refuse
        },
    };
    let progress = FileProgress::new(printer);
    if printer.speaks_dvc() && !force {
        let seen = StatusOptions {
            targets: options.targets.clone(),
            ..StatusOptions::default()
        };
        if !status_of(&project, &seen, &progress)?.is_clean() {
            return Err(CommandError::refused(
                "what changed is not recorded without a confirmation",
            )
            .hint("use `-f`"));
        }
    }
    let what = if no_relink {
        RecordedData::Left
    } else {
        RecordedData::Linked
    };
    let report = record_as(&project, &options, what, &progress)?;
    drop(progress);
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    for path in &report.recorded {
        printer.line(from_here(&project, settings, path));
    }
    if report.changed_files.is_empty() {
        printer.note("everything is recorded as it is");
    } else {
        let files: Vec<String> = report
            .changed_files
            .iter()
            .map(|path| from_here(&project, settings, path).to_string())
            .collect();
        hint_to_record(
            printer,
            &project,
            format_args!("git add {}", files.join(" ")),
        );
    }
    Ok(ExitStatus::Success)
}
