//! `ketch root`

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Print the way to the root of the project
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RootArgs {}

pub(super) fn run(
    args: RootArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RootArgs {} = args;
    let project = open_project(settings, printer)?;
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
