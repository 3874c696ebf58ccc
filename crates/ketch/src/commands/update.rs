//! `ketch update`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{ImportError, ProjectError, UpdateDestination, UpdateOptions, update};

use super::elsewhere::{tell_trash, transfer};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::{folder_of_now, tidy};
use crate::workspace::{from_here, open_project};

/// Bring imported data up to date
///
/// Looks whether there is something new where the data was imported from, downloads it, and records
/// which version it is now.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// `.dvc` files of imports; with `--recursive` directories too
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<Utf8PathBuf>,

    /// Branch, tag or commit of the other repository, from now on; of a file at a URL that was
    /// imported with `--version-aware`, this version
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,

    /// Update every import below directories
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Record the new version, but do not download the data
    #[arg(long, conflicts_with = "to_remote")]
    no_download: bool,

    /// Send the data of URLs to a remote of the project, and keep nothing here
    #[arg(long)]
    to_remote: bool,

    /// Remote to send it to [default: `core.remote`]
    #[arg(short, long, value_name = "NAME", requires = "to_remote")]
    remote: Option<String>,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

pub(super) fn run(
    args: UpdateArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let UpdateArgs {
        targets,
        rev,
        recursive,
        no_download,
        to_remote,
        remote,
        jobs,
    } = args;
    let project = open_project(settings, printer)?;
    let targets: Vec<Utf8PathBuf> = targets
        .iter()
        .map(|target| tidy(&settings.directory.join(target)))
        .collect();
    let folder = |target: &&Utf8PathBuf| {
        let pointer = Utf8PathBuf::from(format!("{target}.dvc"));
        target.is_dir() && !pointer.is_file()
    };
    if let Some(folder) = targets.iter().find(folder)
        && !recursive
    {
        return Err(CommandError::user(format!("`{folder}` is a directory"))
            .hint("update every import in it with `--recursive`"));
    }
    let mut transfer = transfer(settings, jobs);
    transfer.name = remote;
    let options = UpdateOptions {
        targets,
        revision: rev,
        to: if to_remote {
            UpdateDestination::Remote
        } else if no_download {
            UpdateDestination::Nowhere
        } else {
            UpdateDestination::Workspace
        },
        directory: settings.directory.clone(),
        transfer,
        trash: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = update(&project, &options, &progress)?;
    drop(progress);
    let nothing = report.updated.is_empty() && report.unchanged.is_empty();
    if let (Some(file), true, false) = (report.others.first(), nothing, printer.speaks_dvc()) {
        let file = file.clone();
        return Err(ProjectError::from(ImportError::NotAnImport { file }).into());
    }
    printer.json(&report);
    for one in &report.updated {
        let source = match &one.url {
            Some(url) => format!("{} ({url})", one.source),
            None => one.source.clone(),
        };
        printer.line(format_args!(
            "Importing '{source}' -> '{}'",
            from_here(&project, settings, &one.path)
        ));
    }
    for file in &report.unchanged {
        printer.line(format_args!(
            "'{}' didn't change, skipping",
            from_here(&project, settings, file)
        ));
    }
    if !printer.speaks_dvc() {
        for file in &report.others {
            printer.note(format_args!(
                "'{}' is no import, skipping",
                from_here(&project, settings, file)
            ));
        }
    }
    tell_trash(printer, &report.trashed, &options.trash);
    Ok(ExitStatus::Success)
}
