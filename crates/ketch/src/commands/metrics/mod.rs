//! `ketch metrics`

mod diff;
mod show;

use clap::{Args, Subcommand};
use ketch_project::{Metrics, Rounding};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{TextTable, number};

/// Show and compare the numbers that pipelines measured
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    #[command(subcommand)]
    command: MetricsCommand,
}

#[derive(Debug, Subcommand)]
enum MetricsCommand {
    Show(show::ShowArgs),
    Diff(diff::DiffArgs),
}

pub(super) fn run(
    args: MetricsArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let MetricsArgs { command } = args;
    match command {
        MetricsCommand::Show(args) => show::run(args, settings, printer),
        MetricsCommand::Diff(args) => diff::run(args, settings, printer),
    }
}

/// Digits that DVC shows too.
const DIGITS: usize = 5;

fn rounded(precision: usize) -> Rounding {
    Rounding::Places(match precision {
        // DVC takes no digits for none given.
        0 => DIGITS,
        // A number has no more of them.
        many => many.min(17),
    })
}

/// Nothing where nothing was measured.
pub(super) fn print_metrics(printer: &Printer, metrics: &Metrics) {
    if metrics.values().flatten().next().is_none() {
        return;
    }
    let mut table = TextTable::new(["file", "metric", "value"]);
    for (file, numbers) in metrics {
        for (key, value) in numbers {
            table.row([file.to_string(), key.clone(), number(*value)]);
        }
    }
    printer.line(table);
}
