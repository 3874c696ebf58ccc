//! `ketch data`

mod status;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Look at data file by file
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    Status(status::StatusArgs),
}

pub(super) fn run(
    args: DataArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DataArgs { command } = args;
    match command {
        DataCommand::Status(args) => status::run(args, settings, printer),
    }
}
