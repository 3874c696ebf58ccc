//! `ketch root`

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::Project;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Print the way to the root of the project
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RootArgs {}

pub(super) fn run(
    args: RootArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RootArgs {} = args;
    let project = Project::discover_for_settings(
        &settings.directory,
        settings.dvc_files.clone(),
        settings.patience,
    )?;
    let below = settings
        .directory
        .strip_prefix(project.root())
        .unwrap_or(Utf8Path::new(""));
    let up: Utf8PathBuf = below.components().map(|_| "..").collect();
    let up = if up.as_str().is_empty() {
        ".".into()
    } else {
        up
    };
    printer.json(&up);
    printer.line(up);
    Ok(ExitStatus::Success)
}
