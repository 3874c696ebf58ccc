//! `ketch update`

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{
    DataOutcome, DataUpdate, ImportError, ProjectError, UpdateDestination, UpdateOptions, update,
};

use super::elsewhere::{shown_source, tell_trash, transfer};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::{folder_of_now, tidy};
use crate::workspace::{from_here, open_project};

/// Bring imported data up to date
///
/// Looks whether there is something new where the data was imported from, downloads it, and records
/// which version it is now. The same for data, and outputs of stages, that were pushed to a remote
/// with `worktree`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// `.dvc` and `dvc.yaml` files, stages; with `--recursive` directories too
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<Utf8PathBuf>,

    /// Branch, tag or commit of the other repository, from now on; of a file at a URL that was
    /// imported with `--version-aware`, this version
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,

    /// Update everything below directories
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
            .hint("update everything in it with `--recursive`"));
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
    let is_foreign = |data: &DataUpdate| data.outcome == DataOutcome::NeverPushed;
    let nothing = report.updated.is_empty() && report.unchanged.is_empty();
    if nothing
        && !printer.speaks_dvc()
        && report.data.iter().all(is_foreign)
        && let Some(data) = report.data.first()
    {
        let file = data.file.clone();
        return Err(ProjectError::from(ImportError::NotAnImport { file }).into());
    }
    printer.json(&report);
    for one in &report.updated {
        let source = if let Some(url) = &one.url {
            format!("{} ({url})", one.source)
        } else {
            let file = project.root().join(&one.file);
            let folder = file.parent().unwrap_or(project.root());
            shown_source(&one.source, folder, &project, printer)
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
    for data in &report.data {
        tell_data(data, &from_here(&project, settings, &data.path), printer);
    }
    tell_trash(printer, &report.trashed, &options.trash);
    Ok(ExitStatus::Success)
}

/// DVC says what it could not do, and no more.
fn tell_data(data: &DataUpdate, path: &Utf8Path, printer: &Printer) {
    let remote = data.remote.as_deref().unwrap_or_default();
    match data.outcome {
        DataOutcome::Updated if !printer.speaks_dvc() => {
            printer.line(format_args!("Updating '{path}' from remote '{remote}'"));
        }
        DataOutcome::Unchanged if !printer.speaks_dvc() => {
            printer.line(format_args!("'{path}' didn't change, skipping"));
        }
        DataOutcome::Updated | DataOutcome::Unchanged => {}
        DataOutcome::NeverPushed => printer.warning(format_args!(
            "'{path}' was not updated: it is no import, and was never pushed to a `worktree` remote"
        )),
        DataOutcome::NotThere => printer.warning(format_args!(
            "'{path}' was not updated: there is nothing of it on remote '{remote}'"
        )),
    }
}
