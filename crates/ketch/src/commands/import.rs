//! `ketch import`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{Bringing, ImportOptions, OnExisting, import};

use super::elsewhere::{SourceArgs, of_nothing_there, tell, transfer};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::folder_of_now;
use crate::workspace::open_project;

/// Import data of another repository
///
/// Takes what DVC or Git tracks there at one commit, and records in a `.dvc` file where it is from,
/// so that `ketch update` can bring what is new. The data comes from that repository's cache, if
/// it is on this machine, or else from its remote.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The repository: a directory, or whatever Git can clone
    url: String,

    /// The file or directory there
    path: String,

    /// Where to put it [default: its name, in the current directory]
    #[arg(short, long, value_name = "PATH")]
    out: Option<Utf8PathBuf>,

    /// Replace what is there; what is saved nowhere goes to the trash
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    source: SourceArgs,

    /// Only write the `.dvc` file, and look nothing up
    #[arg(long, conflicts_with = "no_download")]
    no_exec: bool,

    /// Record the commit, but do not download the data
    #[arg(long)]
    no_download: bool,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

pub(super) fn run(
    args: ImportArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ImportArgs {
        url,
        path,
        out,
        force,
        source,
        no_exec,
        no_download,
        jobs,
    } = args;
    let project = open_project(settings, printer)?;
    let options = ImportOptions {
        source: source.spec(&url)?,
        path,
        out,
        directory: settings.directory.clone(),
        existing: existing(force),
        bringing: bringing(no_exec, no_download),
        transfer: transfer(settings, jobs),
        trash: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = import(&project, &options, &progress).map_err(of_nothing_there)?;
    drop(progress);
    let source = format!("{} ({url})", options.path);
    tell(
        printer,
        &project,
        settings,
        &source,
        &report,
        Some(options.bringing),
        &options.trash,
    );
    Ok(ExitStatus::Success)
}

pub(super) fn bringing(no_exec: bool, no_download: bool) -> Bringing {
    if no_exec {
        Bringing::Record
    } else if no_download {
        Bringing::State
    } else {
        Bringing::Data
    }
}

pub(super) fn existing(force: bool) -> OnExisting {
    if force {
        OnExisting::Replace
    } else {
        OnExisting::Refuse
    }
}
