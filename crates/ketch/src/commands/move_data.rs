//! `ketch move`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::move_data;

use crate::exit::{CommandError, ExitStatus};
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::tidy;
use crate::workspace::{files_from_here, from_here, hint_to_record, open_project};

/// Move tracked data to another name
///
/// Moves the data, its `.dvc` file and the line of `.gitignore` that hides it. Where the new name
/// is a directory, the data goes into it. Outputs of stages are moved by changing the stage.
#[derive(Debug, Args)]
#[command(visible_alias = "mv")]
pub(crate) struct MoveArgs {
    /// Tracked data
    #[arg(value_name = "FROM")]
    from: Utf8PathBuf,

    /// Its new name, or a directory
    #[arg(value_name = "TO")]
    to: Utf8PathBuf,
}

pub(super) fn run(
    args: MoveArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let MoveArgs { from, to } = args;
    let project = open_project(settings, printer)?;
    let from = tidy(&settings.directory.join(from));
    let to = tidy(&settings.directory.join(to));
    let from = from.strip_prefix(project.root()).unwrap_or(&from);
    let progress = FileProgress::new(printer);
    let report = move_data(&project, from, &to, &progress)?;
    drop(progress);
    if printer.speaks_dvc() {
        tell_to_track(
            printer,
            &project,
            &files_from_here(&project, settings, &report.changed_files),
        );
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    printer.line(format_args!(
        "{} -> {}",
        from_here(&project, settings, &report.from),
        from_here(&project, settings, &report.to)
    ));
    hint_to_record(
        printer,
        &project,
        format_args!(
            "git add --all {}",
            report
                .changed_files
                .iter()
                .map(|path| from_here(&project, settings, path).to_string())
                .collect::<Vec<_>>()
                .join(" ")
        ),
    );
    Ok(ExitStatus::Success)
}
