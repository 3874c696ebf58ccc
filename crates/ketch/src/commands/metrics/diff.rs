//! `ketch metrics diff`

use clap::Args;
use ketch_project::ComparedValues;

use super::{DIGITS, rounded};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::value_diff::{ChangeColumn, ValueDiffArgs, Wording, compare};

/// Show which metrics differ between two revisions
///
/// Compares the metrics files of pipelines key by key, and how much each number changed. What is
/// not in Git comes out of the cache.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    both: ValueDiffArgs,

    /// Digits behind the point
    #[arg(long, value_name = "N", default_value_t = DIGITS)]
    precision: usize,

    /// Take directories among the targets for what is in them, which is done anyway
    #[arg(short = 'R', long)]
    recursive: bool,
}

pub(super) fn run(
    args: DiffArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DiffArgs {
        both,
        precision,
        recursive: _,
    } = args;
    let wording = Wording {
        column: "Metric",
        plural: "metrics",
        rounding: rounded(precision),
        change: ChangeColumn::Shown { otherwise: "-" },
    };
    compare(&both, ComparedValues::Metrics, &wording, settings, printer)
}
