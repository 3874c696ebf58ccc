//! `ketch cache`

mod migrate;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Look after the cache
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum CacheCommand {
    Migrate(migrate::MigrateArgs),
}

pub(super) fn run(
    args: CacheArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match args.command {
        CacheCommand::Migrate(args) => migrate::run(args, settings, printer),
    }
}
