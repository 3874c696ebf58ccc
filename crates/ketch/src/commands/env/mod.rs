//! `ketch env`

mod build;
mod capture;
mod diff;
mod warn;

use clap::{Args, Subcommand};
use ketch_project::Difference;

pub(crate) use self::warn::{warn, warn_of_results};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// See what results were made in
///
/// `ketch repro` records of each stage that runs what it ran in: Python and its packages, the
/// system, the processor, the graphics card and the variables that matter. It is kept in
/// `.ketch-environments`, which belongs into Git.
#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    #[command(subcommand)]
    command: EnvCommand,
}

#[derive(Debug, Subcommand)]
enum EnvCommand {
    Capture(capture::CaptureArgs),
    Diff(diff::DiffArgs),
    Build(build::BuildArgs),
}

pub(super) fn run(
    args: EnvArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let EnvArgs { command } = args;
    match command {
        EnvCommand::Capture(args) => capture::run(args, settings, printer),
        EnvCommand::Diff(args) => diff::run(args, settings, printer),
        EnvCommand::Build(args) => build::run(args, settings, printer),
    }
}

/// `python 3.11.2 → 3.12.1`, with `–` for what is not there.
fn shown(difference: &Difference) -> String {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let Difference { what, from, to, .. } = difference;
    format!("{what} {} → {}", side(from), side(to))
}
