//! `ketch destroy`

use clap::Args;
use ketch_project::{Destruction, destroy};

use crate::exit::{CommandError, ExitStatus};
use crate::personality::confirmed;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Make this no project any more
///
/// Deletes `.dvc` with the cache in it, all `.dvc` files, `dvc.yaml`, `dvc.lock` and
/// `.dvcignore`. The data in the work tree stays, as files of its own; so does what is in
/// `.ketch` and in Git.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DestroyArgs {
    /// Do it
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: DestroyArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DestroyArgs { force } = args;
    let project = open_project(settings, printer)?;
    let question =
        "This deletes all information about data and pipelines. Are you sure you want to continue?";
    let destruction = if force || (printer.speaks_dvc() && confirmed(question)?) {
        Destruction::Confirmed
    } else {
        Destruction::Asked
    };
    let removed = destroy(&project, destruction)?;
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&removed);
    for path in removed {
        printer.line(path);
    }
    Ok(ExitStatus::Success)
}
