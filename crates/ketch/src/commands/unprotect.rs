//! `ketch unprotect`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::unprotect;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{from_here, open_project};

/// Make data editable that is linked to the cache
///
/// Replaces links into the cache by copies, and makes files writable. Editing through a link would
/// damage the cache.
#[derive(Debug, Args)]
pub(crate) struct UnprotectArgs {
    /// Files and directories
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,
}

pub(super) fn run(
    args: UnprotectArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let UnprotectArgs { paths } = args;
    let project = open_project(settings, printer)?;
    let targets: Vec<_> = paths
        .iter()
        .map(|path| settings.directory.join(path))
        .collect();
    let changed = unprotect(&project, &targets)?;
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&changed);
    for path in changed {
        printer.line(from_here(&project, settings, &path));
    }
    Ok(ExitStatus::Success)
}
