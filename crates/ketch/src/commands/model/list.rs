//! `ketch model list`

use std::collections::BTreeMap;

use clap::Args;
use ketch_tracking::{ModelName, ModelVersion, TrackingStore};
use serde::Serialize;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{TextTable, number};
use crate::workspace::{open_project, read_tracking};

/// Print the versions of models, the newest first
///
/// With the aliases that point at each version (`champion` serves), the run and the commit behind
/// it, and the metric that `ketch.toml` judges the model by.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this model
    #[arg(value_name = "MODEL")]
    model: Option<ModelName>,
}

/// A version with what its run says.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    version: ModelVersion,
    commit: Option<String>,
    metrics: BTreeMap<String, f64>,
}

pub(super) fn run(
    args: ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ListArgs { model } = args;
    let project = open_project(settings, printer)?;
    let rows = match read_tracking(&project, settings)? {
        Some(tracking) => rows(&tracking, model.as_ref())?,
        None => Vec::new(),
    };
    printer.json(&rows);
    if rows.is_empty() {
        printer.note("no model is registered yet");
        printer.hint("register one: `ketch model register NAME --alias champion`");
        return Ok(ExitStatus::Success);
    }
    let mut table = TextTable::new([
        "model", "version", "aliases", "metric", "run", "commit", "artifact",
    ]);
    for row in &rows {
        let version = &row.version;
        let aliases: Vec<_> = version.aliases.iter().map(ToString::to_string).collect();
        let judged_by = project.config().model.get(version.model.as_str());
        let metric = judged_by.and_then(|config| {
            let value = row.metrics.get(&config.metric.key)?;
            Some(format!("{} {}", config.metric.key, number(*value)))
        });
        table.row([
            version.model.to_string(),
            version.version.to_string(),
            aliases.join(", "),
            metric.unwrap_or_default(),
            short(version.run_id.as_str()),
            row.commit.as_deref().map(short).unwrap_or_default(),
            version.source.to_string(),
        ]);
    }
    printer.line(table);
    Ok(ExitStatus::Success)
}

fn rows(tracking: &TrackingStore, only: Option<&ModelName>) -> Result<Vec<Row>, CommandError> {
    let names = match only {
        // Says so when there is no such model.
        Some(name) => vec![tracking.registered_model(name)?.name],
        None => tracking
            .registered_models()?
            .into_iter()
            .map(|model| model.name)
            .collect(),
    };
    let mut rows = Vec::new();
    for name in names {
        for version in tracking.model_versions(&name)? {
            let run = tracking.run(&version.run_id)?;
            let lineage = tracking.lineage(&version.run_id)?;
            rows.push(Row {
                version,
                commit: lineage
                    .and_then(|lineage| lineage.commit)
                    .map(|id| id.to_string()),
                metrics: run
                    .metrics
                    .into_iter()
                    .map(|(key, metric)| (key, metric.value))
                    .collect(),
            });
        }
    }
    Ok(rows)
}

/// As much of an id as people compare.
fn short(id: &str) -> String {
    id.chars().take(10).collect()
}
