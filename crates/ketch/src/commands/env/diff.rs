//! `ketch env diff`

use clap::Args;
use ketch_project::{
    EnvironmentComparison, EnvironmentDiffOptions, EnvironmentDiffReport, diff_environments,
};
use owo_colors::OwoColorize as _;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::TextTable;
use crate::workspace::open_project;

/// Show what differs between the environments of results
///
/// Compares what made the results of two revisions or stages, stage by stage, or these with what
/// there is here now. What can show in results comes first.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A revision or a stage [default: the results here]
    #[arg(value_name = "A")]
    from: Option<String>,

    /// A revision or a stage [default: the environment here and now]
    #[arg(value_name = "B")]
    to: Option<String>,

    /// Only the results of this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

pub(super) fn run(
    args: DiffArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DiffArgs { from, to, stage } = args;
    let project = open_project(settings, printer)?;
    let options = EnvironmentDiffOptions {
        from,
        to,
        stage,
        circumstances: settings.circumstances.clone(),
    };
    let report = diff_environments(&project, &options)?;
    printer.json(&report);
    let different: Vec<&EnvironmentComparison> = report
        .comparisons
        .iter()
        .filter(|comparison| !comparison.differences.is_empty())
        .collect();
    for (place, comparison) in different.iter().enumerate() {
        if place > 0 {
            printer.line("");
        }
        print(printer, &report, comparison);
    }
    if different.is_empty() {
        printer.note("nothing differs");
    }
    Ok(ExitStatus::Success)
}

fn print(printer: &Printer, report: &EnvironmentDiffReport, comparison: &EnvironmentComparison) {
    let stages = comparison.stages.join(", ");
    printer.line(format_args!(
        "{} → {} ({})",
        report.from.bold(),
        report.to.bold(),
        stages
    ));
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let mut table = TextTable::new(["what", "from", "to"]);
    for difference in &comparison.differences {
        table.row([
            difference.what.clone(),
            side(&difference.from),
            side(&difference.to),
        ]);
    }
    printer.line(table);
}
