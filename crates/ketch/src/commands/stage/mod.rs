//! `ketch stage`

mod add;
mod list;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Write and list the stages of pipelines
#[derive(Debug, Args)]
pub(crate) struct StageArgs {
    #[command(subcommand)]
    command: StageCommand,
}

#[derive(Debug, Subcommand)]
enum StageCommand {
    Add(Box<add::AddArgs>),
    List(list::ListArgs),
}

pub(super) fn run(
    args: StageArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let StageArgs { command } = args;
    match command {
        StageCommand::Add(args) => add::run(*args, settings, printer),
        StageCommand::List(args) => list::run(args, settings, printer),
    }
}
