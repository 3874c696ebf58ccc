//! `ketch list`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{Folders, ListOptions, Origin, Project, list};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::bytes;
use crate::targets::tidy;
use crate::workspace::open_project;

/// List the files of the project, with the data that it tracks
///
/// Files of Git, and the data that `.dvc` files and `dvc.lock` record, whether it is there or not.
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct ListArgs {
    /// A file or directory [default: all]
    path: Option<Utf8PathBuf>,

    /// As DVC: the first is a project, and this is a path in it
    #[arg(hide = true)]
    inside: Option<Utf8PathBuf>,

    /// A revision [default: the work tree]
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,

    /// List the files in directories
    #[arg(short = 'R', long)]
    recursive: bool,

    /// List data only
    #[arg(long)]
    dvc_only: bool,

    /// Print sizes too
    #[arg(long)]
    size: bool,
}

pub(super) fn run(
    args: ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ListArgs {
        path,
        inside,
        rev,
        recursive,
        dvc_only,
        size,
    } = args;
    let (project, path) = project_and_path(path, inside, settings, printer)?;
    let options = ListOptions {
        path,
        revision: rev,
        folders: if recursive {
            Folders::Walked
        } else {
            Folders::Listed
        },
        origin: if dvc_only { Origin::Data } else { Origin::All },
    };
    let entries = list(&project, &options)?;
    printer.json(&entries);
    for entry in entries {
        if size {
            let size = entry.size.map(bytes).unwrap_or_default();
            printer.line(format_args!("{size:>9}  {}", entry.path));
        } else {
            printer.line(entry.path);
        }
    }
    Ok(ExitStatus::Success)
}

/// The project that is meant, and an absolute path in it. DVC takes two arguments, where a project
/// is and what in it; ketch one, in the project that it works in.
pub(super) fn project_and_path(
    path: Option<Utf8PathBuf>,
    inside: Option<Utf8PathBuf>,
    settings: &Settings,
    printer: &Printer,
) -> Result<(Project, Utf8PathBuf), CommandError> {
    if printer.speaks_dvc() {
        let place = settings.directory.join(path.unwrap_or_default());
        let project =
            Project::discover_with(&place, settings.dvc_files.clone(), settings.patience)?;
        let path = inside.map_or_else(|| tidy(&place), |inside| tidy(&project.root().join(inside)));
        return Ok((project, path));
    }
    if let Some(inside) = inside {
        return Err(CommandError::user(format!(
            "one path is listed at a time, and `{inside}` is another"
        )));
    }
    let project = open_project(settings, printer)?;
    let path = path.map_or_else(
        || project.root().to_owned(),
        |path| tidy(&settings.directory.join(path)),
    );
    Ok((project, path))
}
