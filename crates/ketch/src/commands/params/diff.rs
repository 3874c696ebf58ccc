//! `ketch params diff`

use clap::Args;
use ketch_project::{ComparedValues, Rounding};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::value_diff::{ChangeColumn, ValueDiffArgs, Wording, compare};

/// Show which parameters differ between two revisions
///
/// Compares `params.yaml`, the files under `params` in dvc.yaml, and what stages depend on: YAML,
/// JSON, TOML and Python files, key by key.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    both: ValueDiffArgs,

    /// Only what stages depend on
    #[arg(long)]
    deps: bool,
}

pub(super) fn run(
    args: DiffArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DiffArgs { both, deps } = args;
    let what = if deps {
        ComparedValues::ParamsOfStages
    } else {
        ComparedValues::Params
    };
    let wording = Wording {
        column: "Param",
        plural: "parameters",
        rounding: Rounding::All,
        change: ChangeColumn::LeftOut,
    };
    compare(&both, what, &wording, settings, printer)
}
