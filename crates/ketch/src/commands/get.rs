//! `ketch get`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{GetOptions, get, storage_url};
use serde_json::json;

use super::elsewhere::{SourceArgs, of_nothing_there, scratch, transfer};
use super::import::existing;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;

/// Get data of another repository
///
/// Downloads what DVC or Git tracks there. Needs no project around, and keeps no memory of where
/// the data is from; `ketch import` does.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The repository: a directory, or whatever Git can clone
    url: String,

    /// The file or directory there
    path: String,

    /// Where to put it [default: its name, in the current directory]
    #[arg(short, long, value_name = "PATH")]
    out: Option<Utf8PathBuf>,

    #[command(flatten)]
    source: SourceArgs,

    /// Print where the repository's storage has it, and get nothing
    #[arg(long)]
    show_url: bool,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Replace what is there
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: GetArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let GetArgs {
        url,
        path,
        out,
        source,
        show_url,
        jobs,
        force,
    } = args;
    let options = GetOptions {
        source: source.spec(&url)?,
        path,
        out,
        directory: settings.directory.clone(),
        existing: existing(force),
        transfer: transfer(settings, jobs),
        scratch: scratch(settings),
    };
    if show_url {
        let url = storage_url(&options).map_err(of_nothing_there)?;
        printer.json(&json!({ "url": url }));
        printer.line(url);
        return Ok(ExitStatus::Success);
    }
    let progress = FileProgress::new(printer);
    let report = get(&options, &progress).map_err(of_nothing_there)?;
    drop(progress);
    printer.json(&report);
    Ok(ExitStatus::Success)
}
