//! `ketch runs list`

use clap::Args;
use ketch_tracking::Run;
use serde::Serialize;

use super::moment;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{TextTable, number};
use crate::workspace::{open_project, read_tracking};

/// Print all runs, the last started first, by experiment
///
/// The metrics are those that `ketch.toml` judges the model by; `ketch runs show` has all of them.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ListArgs {}

#[derive(Serialize)]
struct Row {
    experiment_name: String,
    #[serde(flatten)]
    run: Run,
}

pub(super) fn run(
    args: ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ListArgs {} = args;
    let project = open_project(settings, printer)?;
    let mut rows = Vec::new();
    if let Some(tracking) = read_tracking(&project, settings)? {
        for experiment in tracking.experiments()? {
            rows.extend(tracking.runs(experiment.id)?.into_iter().map(|run| Row {
                experiment_name: experiment.name.clone(),
                run,
            }));
        }
    }
    printer.json(&rows);
    if rows.is_empty() {
        printer.note("no run is recorded yet");
        printer.hint("`ketch model register` and `ketch retrain` record runs");
        return Ok(ExitStatus::Success);
    }
    let mut table = TextTable::new([
        "run",
        "experiment",
        "name",
        "status",
        "started",
        "by",
        "metric",
    ]);
    for Row {
        experiment_name,
        run,
    } in rows
    {
        let judged_by = project.config().model.get(&experiment_name);
        let metric = judged_by.and_then(|config| {
            let metric = run.metrics.get(&config.metric.key)?;
            Some(format!("{} {}", metric.key, number(metric.value)))
        });
        table.row([
            run.id.to_string(),
            experiment_name,
            run.name,
            run.status.to_string().to_lowercase(),
            moment(run.started_at_ms),
            run.user,
            metric.unwrap_or_default(),
        ]);
    }
    printer.line(table);
    Ok(ExitStatus::Success)
}
