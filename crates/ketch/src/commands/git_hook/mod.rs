//! `ketch git-hook`

mod merge_driver;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// What Git calls
#[derive(Debug, Args)]
pub(crate) struct GitHookArgs {
    #[command(subcommand)]
    command: GitHookCommand,
}

#[derive(Debug, Subcommand)]
enum GitHookCommand {
    MergeDriver(merge_driver::MergeDriverArgs),
}

pub(super) fn run(
    args: GitHookArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match args.command {
        GitHookCommand::MergeDriver(args) => merge_driver::run(args, settings, printer),
    }
}
