//! `ketch cache migrate`

use clap::Args;
use ketch_project::{Migrate, MigrateMode, migrate_cache};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Bring objects of DVC 2 to the form of DVC 3
///
/// Each object of DVC 2 gets its place by the hash of its bytes; the old name stays, for older
/// commits, and shares the bytes. What is in the work tree is not touched.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MigrateArgs {
    /// Record the new hashes in `.dvc` files and dvc.lock too
    #[arg(long)]
    dvc_files: bool,

    /// Only say what would be done
    #[arg(long)]
    dry: bool,
}

pub(super) fn run(
    args: MigrateArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let MigrateArgs { dvc_files, dry } = args;
    let project = open_project(settings, printer)?;
    let what = if dvc_files {
        Migrate::ObjectsAndFiles
    } else {
        Migrate::Objects
    };
    let mode = if dry {
        MigrateMode::Dry
    } else {
        MigrateMode::Now
    };
    let progress = FileProgress::new(printer);
    let report = migrate_cache(&project, what, mode, &progress)?;
    drop(progress);
    printer.json(&report);
    let (objects, have) = match report.objects {
        1 => ("1 object".to_owned(), "has"),
        objects => (format!("{objects} objects"), "have"),
    };
    if dry {
        printer.line(format_args!(
            "{objects} of DVC 2 would get a place in DVC 3's cache."
        ));
    } else {
        printer.line(format_args!(
            "{objects} of DVC 2 {have} a place in DVC 3's cache."
        ));
    }
    if dvc_files && report.files.is_empty() {
        printer.line("No file records a hash of DVC 2.");
    }
    for file in &report.files {
        let done = if dry {
            "would be rewritten"
        } else {
            "rewritten"
        };
        printer.line(format_args!("{file} {done}"));
    }
    for id in &report.left {
        printer.warning(format_args!(
            "object `{id}` of DVC 2 was left: it is damaged, or files of it are missing"
        ));
    }
    for path in &report.unknown {
        printer.warning(format_args!(
            "the entry of `{path}` was left: its content is not in the cache, and not here as recorded"
        ));
    }
    if !report.unknown.is_empty() {
        printer.hint("get the contents with `ketch pull`, then run this again");
    }
    Ok(if report.left.is_empty() && report.unknown.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}
