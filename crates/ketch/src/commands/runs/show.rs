//! `ketch runs show`

use clap::Args;
use ketch_tracking::{Artifact, Run, RunLineage, TrackingStore};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::moment;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{bytes, number};
use crate::workspace::{open_project, read_tracking};

/// Print one run with parameters, metrics and lineage
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run's id, or the beginning of it that no other run has
    #[arg(value_name = "RUN")]
    run: String,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    run: Run,
    lineage: Option<RunLineage>,
}

pub(super) fn run(
    args: ShowArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ShowArgs { run: wanted } = args;
    let project = open_project(settings, printer)?;
    let Some(tracking) = read_tracking(&project, settings)? else {
        return Err(unknown(&wanted));
    };
    let run = find(&tracking, &wanted)?;
    let lineage = tracking.lineage(&run.id)?;
    if printer.is_json() {
        printer.json(&Report { run, lineage });
        return Ok(ExitStatus::Success);
    }
    printer.line(format_args!("run      {}", run.id));
    printer.line(format_args!("name     {}", run.name));
    printer.line(format_args!(
        "status   {}",
        run.status.to_string().to_lowercase()
    ));
    printer.line(format_args!(
        "started  {} by {}",
        moment(run.started_at_ms),
        run.user
    ));
    if let Some(ended) = run.ended_at_ms {
        printer.line(format_args!("ended    {}", moment(ended)));
    }
    section(
        printer,
        "metrics",
        run.metrics
            .values()
            .map(|metric| format!("{} {}", metric.key, number(metric.value))),
    );
    section(
        printer,
        "parameters",
        run.params
            .iter()
            .map(|(key, value)| format!("{key} {value}")),
    );
    if let Some(lineage) = lineage {
        print_lineage(printer, &lineage);
    }
    Ok(ExitStatus::Success)
}

/// Stage, command, commit and data.
pub(in crate::commands) fn print_lineage(printer: &Printer, lineage: &RunLineage) {
    let RunLineage {
        commit,
        dirty,
        stage,
        command,
        inputs,
        outputs,
        environment: _,
    } = lineage;
    printer.line("made by".bold());
    if let Some(commit) = commit {
        let changed = if *dirty {
            ", and changes that were not committed"
        } else {
            ""
        };
        printer.line(format_args!("  commit {commit}{changed}"));
    }
    if let Some(stage) = stage {
        printer.line(format_args!("  stage {stage}"));
    }
    for line in command.lines() {
        printer.line(format_args!("  command {line}"));
    }
    section(printer, "from", inputs.iter().map(artifact));
    section(printer, "into", outputs.iter().map(artifact));
}

fn artifact(artifact: &Artifact) -> String {
    format!(
        "{} {} ({})",
        artifact.path,
        artifact.md5,
        bytes(artifact.size)
    )
}

/// A heading and its lines; nothing without lines.
pub(in crate::commands) fn section(
    printer: &Printer,
    heading: &str,
    lines: impl Iterator<Item = String>,
) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        printer.line(heading.bold());
    }
    for line in lines {
        printer.line(format_args!("  {line}"));
    }
}

fn find(tracking: &TrackingStore, wanted: &str) -> Result<Run, CommandError> {
    let mut found = Vec::new();
    for experiment in tracking.experiments()? {
        let runs = tracking.runs(experiment.id)?.into_iter();
        found.extend(runs.filter(|run| run.id.as_str().starts_with(wanted)));
    }
    match found.len() {
        0 => Err(unknown(wanted)),
        1 => Ok(found.remove(0)),
        count => Err(
            CommandError::user(format!("`{wanted}` is the beginning of {count} run ids"))
                .hint("give more of it; `ketch runs list` shows them"),
        ),
    }
}

fn unknown(wanted: &str) -> CommandError {
    CommandError::user(format!("there is no run `{wanted}`")).hint("see `ketch runs list`")
}
