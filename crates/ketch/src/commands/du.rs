//! `ketch du`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{Folders, ListOptions, list};
use serde::Serialize;

use super::list::project_and_path;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::bytes;

/// Show how much room files and data take
///
/// Counts files of Git, and the data that `.dvc` files and `dvc.lock` record, whether it is there
/// or not.
#[derive(Debug, Args)]
pub(crate) struct DuArgs {
    /// A file or directory [default: all]
    path: Option<Utf8PathBuf>,

    /// As DVC: the first is a project, and this is a path in it
    #[arg(hide = true)]
    inside: Option<Utf8PathBuf>,

    /// A revision [default: the work tree]
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,

    /// Print the sum only
    #[arg(short, long)]
    summarize: bool,
}

#[derive(Serialize)]
struct Usage {
    path: Utf8PathBuf,
    /// In bytes.
    size: u64,
}

pub(super) fn run(
    args: DuArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DuArgs {
        path,
        inside,
        rev,
        summarize,
    } = args;
    let shown = inside.clone().or(path.clone());
    let (project, path) = project_and_path(path, inside, settings, printer)?;
    let options = ListOptions {
        path,
        revision: rev,
        folders: Folders::Listed,
        ..ListOptions::default()
    };
    let shown = shown.unwrap_or_else(|| ".".into());
    let mut usages: Vec<Usage> = list(&project, &options)?
        .into_iter()
        .map(|entry| Usage {
            path: entry.path,
            size: entry.size.unwrap_or(0),
        })
        .collect();
    let size = usages.iter().map(|usage| usage.size).sum();
    if summarize {
        usages.clear();
    }
    usages.push(Usage { path: shown, size });
    printer.json(&usages);
    for usage in usages {
        printer.line(format_args!("{:>9}  {}", bytes(usage.size), usage.path));
    }
    Ok(ExitStatus::Success)
}
