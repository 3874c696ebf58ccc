//! `ketch repro`

use clap::Args;
use ketch_project::{
    Force, Metrics, ReproMode, ReproOptions, StageOutcome, StageResult, metrics, repro,
};
use serde::Serialize;

use super::metrics::print_metrics;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::{StageProgress, outcome_text, reasons};
use crate::settings::Settings;
use crate::workspace::{open_project, target};

/// Bring the pipeline up to date
///
/// Runs, in order, each stage of `dvc.yaml` whose command, parameters, dependencies or outputs
/// differ from `dvc.lock`, and all stages before it, and says why. What was run before with the
/// same inputs comes out of the cache. Standard output and error of a stage go to standard error,
/// after the name of the stage; `.ketch/logs` keeps them. At the end the metrics are printed.
#[derive(Debug, Args)]
pub(crate) struct ReproArgs {
    /// Stages, outputs or dvc.yaml files to bring up to date; all stages by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Run unchanged stages too, without asking the cache of runs
    #[arg(short, long)]
    force: bool,

    /// Only print what would run, and why
    #[arg(long)]
    dry: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    stages: &'a [StageResult],
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
}

pub(super) fn run(
    args: ReproArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ReproArgs {
        targets,
        force,
        dry,
    } = args;
    let project = open_project(settings, printer)?;
    let options = ReproOptions {
        targets: targets
            .iter()
            .map(|name| target(&project, settings, name))
            .collect(),
        force: if force { Force::Yes } else { Force::No },
        mode: if dry {
            ReproMode::DryRun
        } else {
            ReproMode::Run
        },
        ..ReproOptions::default()
    };
    let progress = StageProgress::new(printer);
    let report = repro(&project, &options, &progress)?;
    drop(progress);
    if dry {
        printer.json(&Report {
            stages: &report.stages,
            metrics: None,
        });
        for stage in &report.stages {
            printer.line(planned(stage));
        }
        return Ok(ExitStatus::Success);
    }
    let metrics = metrics(&project)?;
    printer.json(&Report {
        stages: &report.stages,
        metrics: Some(&metrics),
    });
    print_metrics(printer, &metrics);
    if report.stages.is_empty() {
        printer.note("there is no stage to run");
        printer.hint("describe the pipeline in dvc.yaml");
    } else if report.stages.iter().any(recorded) {
        if !project.git().is_declined() {
            printer.hint("record it in Git: `git add dvc.lock`, then `git commit`");
        }
    } else {
        printer.note("the pipeline is up to date");
    }
    Ok(ExitStatus::Success)
}

/// Whether `dvc.lock` says something new of the stage.
fn recorded(stage: &StageResult) -> bool {
    matches!(stage.outcome, StageOutcome::Ran | StageOutcome::Restored)
}

fn planned(stage: &StageResult) -> String {
    let name = &stage.stage;
    match stage.outcome {
        StageOutcome::WouldRun => format!("{name} would run: {}", reasons(&stage.changes)),
        outcome => format!("{name} {}", outcome_text(outcome)),
    }
}
