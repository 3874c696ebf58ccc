//! `ketch git-hook merge-driver`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{MergeConflict, MergeOptions, merge_driver};
use owo_colors::OwoColorize as _;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Merge three versions of a `.dvc` file or of dvc.lock
///
/// Git calls this with the names of temporary files; `ketch install` tells it to. Exits with 1
/// where both sides changed the same, which is marked in the file.
#[derive(Debug, Args)]
pub(crate) struct MergeDriverArgs {
    /// The version that both began with (Git's %O)
    #[arg(long, value_name = "FILE")]
    ancestor: Utf8PathBuf,

    /// Our version, which becomes the result (%A)
    #[arg(long, value_name = "FILE")]
    our: Utf8PathBuf,

    /// Their version (%B)
    #[arg(long, value_name = "FILE")]
    their: Utf8PathBuf,

    /// What the file is called (%P)
    #[arg(long, value_name = "PATH")]
    path: Option<Utf8PathBuf>,
}

pub(super) fn run(
    args: MergeDriverArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let MergeDriverArgs {
        ancestor,
        our,
        their,
        path,
    } = args;
    let project = open_project(settings, printer)?;
    let options = MergeOptions {
        ancestor: settings.directory.join(ancestor),
        ours: settings.directory.join(our),
        theirs: settings.directory.join(their),
        path,
    };
    let report = merge_driver(&project, &options)?;
    printer.json(&report);
    if report.conflicts.is_empty() {
        return Ok(ExitStatus::Success);
    }
    printer.warning(format_args!("both sides changed `{}`:", report.path));
    // The same reason for several is said behind the last of them.
    for group in report
        .conflicts
        .chunk_by(|one, next| one.reason == next.reason)
    {
        for conflict in group {
            tell(printer, conflict);
        }
        if let Some(reason) = group.last().and_then(|conflict| conflict.reason.as_ref()) {
            printer.note(format_args!("    {reason}"));
        }
    }
    let first = if report.is_marked {
        "choose between the marks in"
    } else {
        "choose a version of"
    };
    printer.note(format_args!(
        "  {first} `{}`, then `git add` it",
        report.path
    ));
    Ok(ExitStatus::Refused)
}

fn tell(printer: &Printer, conflict: &MergeConflict) {
    printer.note(format_args!("  {}", conflict.what.bold()));
    let values = [
        ("base", &conflict.base),
        ("ours", &conflict.ours),
        ("theirs", &conflict.theirs),
    ];
    if values.iter().any(|(_, value)| value.is_some()) {
        for (side, value) in values {
            let value = value.as_deref().unwrap_or("(not there)");
            printer.note(format_args!("    {side:<6}  {value}"));
        }
    }
}
