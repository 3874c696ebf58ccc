//! `ketch why`

use clap::Args;
use ketch_control::{Why, why};
use ketch_serving::FeatureValue;
use owo_colors::OwoColorize as _;

use super::runs::{print_lineage, section};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::number;
use crate::workspace::open_project;

/// Trace a prediction back to version, run, stage, data and commit
///
/// The request id is the `id` of the reply (or the one that the caller gave). Works while the
/// server runs and without it.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The id of the request
    #[arg(value_name = "REQUEST")]
    request: String,
}

pub(super) fn run(
    args: WhyArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let WhyArgs { request } = args;
    let project = open_project(settings, printer)?;
    let chain = why(&project, &request)?;
    printer.json(&chain);
    if !printer.is_json() {
        print(printer, &chain);
    }
    Ok(ExitStatus::Success)
}

fn print(printer: &Printer, chain: &Why) {
    let Why {
        model,
        prediction,
        inputs,
        label,
        version,
        run,
        events,
    } = chain;
    let title = |text: &str| printer.line(text.bold());
    title("prediction");
    printer.line(format_args!(
        "  request {} to {model}",
        prediction.request_id
    ));
    printer.line(format_args!("  answered {:.0}", prediction.answered_at));
    if let Some(at) = prediction.observed_at {
        printer.line(format_args!("  observed at {}", number(at)));
    }
    let shown: Vec<String> = inputs
        .iter()
        .map(|(name, value)| match value {
            FeatureValue::Number(value) => format!("{name} {}", number(*value)),
            FeatureValue::Text(text) => format!("{name} {text}"),
        })
        .collect();
    printer.line(format_args!("  inputs {}", shown.join(", ")));
    if let Some(predicted) = prediction.predicted {
        let score = prediction
            .score
            .map(|score| format!(" (score {})", number(score)));
        let score = score.unwrap_or_default();
        printer.line(format_args!("  predicted {}{score}", number(predicted)));
    }
    match label {
        Some(label) => printer.line(format_args!("  the truth was {}", number(*label))),
        None => printer.line("  the truth is not known yet"),
    }

    title("version");
    let serves = if version.champion {
        " (the champion now)"
    } else {
        ""
    };
    printer.line(format_args!(
        "  {model} version {}{serves}, which answered as {}",
        version.version,
        prediction.variant.name()
    ));
    printer.line(format_args!(
        "  artifact {} {}",
        version.source, version.digest
    ));
    section(
        printer,
        "how it came to serve",
        events
            .iter()
            .map(|event| format!("{:.0} {}: {}", event.at, event.actor, event.kind.sentence())),
    );

    title("run");
    printer.line(format_args!("  {} {}", run.id, run.name));
    if let Some(ended) = run.ended_at {
        printer.line(format_args!("  ended {ended:.0}"));
    }
    section(
        printer,
        "metrics",
        run.metrics
            .iter()
            .map(|(key, value)| format!("{key} {}", number(*value))),
    );
    section(
        printer,
        "parameters",
        run.params
            .iter()
            .map(|(key, value)| format!("{key} {value}")),
    );
    if let Some(lineage) = &run.lineage {
        print_lineage(printer, lineage);
    }
}
