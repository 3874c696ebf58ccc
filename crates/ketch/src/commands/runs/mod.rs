//! `ketch runs`

mod list;
mod show;

use clap::{Args, Subcommand};
use jiff::{Timestamp, tz::TimeZone};

pub(super) use show::{print_lineage, section};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// List recorded runs and show one
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
}

pub(super) fn run(
    args: RunsArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RunsArgs { command } = args;
    match command {
        RunsCommand::List(args) => list::run(args, settings, printer),
        RunsCommand::Show(args) => show::run(args, settings, printer),
    }
}

/// A moment as people read it, in UTC so that it is the same for everybody.
pub(super) fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(
        |_| at_ms.to_string(),
        |at| {
            at.to_zoned(TimeZone::UTC)
                .strftime("%Y-%m-%d %H:%M:%SZ")
                .to_string()
        },
    )
}
