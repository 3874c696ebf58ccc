//! `ketch params`

mod diff;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Compare parameters
#[derive(Debug, Args)]
pub(crate) struct ParamsArgs {
    #[command(subcommand)]
    command: ParamsCommand,
}

#[derive(Debug, Subcommand)]
enum ParamsCommand {
    Diff(diff::DiffArgs),
}

pub(super) fn run(
    args: ParamsArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ParamsArgs { command } = args;
    match command {
        ParamsCommand::Diff(args) => diff::run(args, settings, printer),
    }
}
