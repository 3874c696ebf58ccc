//! `ketch exp diff`

use clap::Args;
use ketch_project::ComparedValues;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::value_diff::{ValueDiffArgs, compare_both};

/// To how many significant digits metrics are rounded, as DVC does.
const DIGITS: usize = 5;

/// Show which metrics and parameters differ between two experiments
///
/// By name, or any two revisions.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    both: ValueDiffArgs,

    /// Only parameters that stages depend on
    #[arg(long)]
    param_deps: bool,

    /// Round metrics to so many digits
    #[arg(long, value_name = "DIGITS", default_value_t = DIGITS)]
    precision: usize,
}

pub(super) fn run(
    args: &DiffArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let params = if args.param_deps {
        ComparedValues::ParamsOfStages
    } else {
        ComparedValues::Params
    };
    let digits = match args.precision {
        // DVC takes no digits for none given.
        0 => DIGITS,
        // A number has no more of them.
        many => many.min(17),
    };
    compare_both(&args.both, params, digits, settings, printer)
}
