//! `ketch model`

mod list;
mod register;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Register models and list their versions
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    List(list::ListArgs),
    Register(register::RegisterArgs),
}

pub(super) fn run(
    args: ModelArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ModelArgs { command } = args;
    match command {
        ModelCommand::List(args) => list::run(args, settings, printer),
        ModelCommand::Register(args) => register::run(args, settings, printer),
    }
}
