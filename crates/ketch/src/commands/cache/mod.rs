//! `ketch cache`

mod dir;
mod migrate;

use clap::{Args, Subcommand};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Look after the cache
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    Dir(dir::DirArgs),
    Migrate(migrate::MigrateArgs),
}

pub(super) fn run(
    args: CacheArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match args.command {
        CacheCommand::Dir(args) => dir::run(args, settings, printer),
        CacheCommand::Migrate(args) => migrate::run(args, settings, printer),
    }
}
