//! `ketch add`

use std::io::ErrorKind;

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{AddOptions, add};

use crate::exit::{CommandError, ExitStatus};
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::table::{TextTable, bytes};
use crate::workspace::{files_from_here, from_here, open_project};

/// Track data files and directories
///
/// Puts each into the cache, keeps it out of Git, and records its hash in a small `.dvc` file that
/// belongs into Git. The data itself stays where it is. Adding data again records what it is now.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Files and directories to track
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,
}

pub(super) fn run(
    args: AddArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let AddArgs { paths } = args;
    let project = open_project(settings, printer)?;
    let mut targets = Vec::new();
    for path in &paths {
        let target = settings.directory.join(path);
        if target
            .symlink_metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return Err(CommandError::user(format!("`{path}` does not exist")));
        }
        targets.push(target);
    }
    let options = AddOptions { targets };
    let progress = FileProgress::new(printer);
    let report = add(&project, &options, &progress)?;
    drop(progress);
    if printer.speaks_dvc() {
        if !project.autostage() {
            tell_to_track(
                printer,
                &files_from_here(&project, settings, &report.changed_files),
            );
        }
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    let mut table = TextTable::new(["path", "files", "size", "hash"]);
    for data in &report.data {
        table.row([
            from_here(&project, settings, &data.path).to_string(),
            data.files.unwrap_or(1).to_string(),
            bytes(data.size),
            data.id.to_string(),
        ]);
    }
    printer.line(table);
    if !report.changed_files.is_empty() {
        let files = files_from_here(&project, settings, &report.changed_files);
        printer.hint(format_args!(
            "record it in Git: `git add {}`",
            files.join(" ")
        ));
    }
    Ok(ExitStatus::Success)
}
