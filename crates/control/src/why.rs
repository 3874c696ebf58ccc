//! From one prediction back to the version, run, stage, data and commit behind it.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use ketch_project::Project;
use ketch_serving::{FeatureValue, PredictionRecord, read_labelled, read_predictions};
use ketch_tracking::{ModelName, RunLineage, TrackingStore};
use serde::Serialize;

use crate::{
    error::ControlError,
    event::{Event, EventKind},
    journal::read_journal,
    paths::{ModelPaths, tracking_path},
};

/// The chain behind one prediction.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// The model's name.
    pub model: String,
    /// The request and what was answered.
    pub prediction: PredictionRecord,
    /// The inputs by name.
    pub inputs: Vec<(String, FeatureValue)>,
    /// What turned out to be true, if it is known.
    pub label: Option<f64>,
    /// The version that answered.
    pub version: WhyVersion,
    /// The run that made it.
    pub run: WhyRun,
    /// How the version came to serve, oldest first.
    pub events: Vec<Event>,
}

/// The version behind a prediction.
#[derive(Debug, Clone, Serialize)]
pub struct WhyVersion {
    /// Its number.
    pub version: u32,
    /// The artifact in the project.
    pub source: String,
    /// The artifact's MD5, which is its name in the cache.
    pub digest: String,
    /// Whether it is the champion now.
    pub champion: bool,
}

/// The run behind a version.
#[derive(Debug, Clone, Serialize)]
pub struct WhyRun {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its parameters.
    pub params: Vec<(String, String)>,
    /// Its metrics.
    pub metrics: Vec<(String, f64)>,
    /// Stage, command, data and commit.
    pub lineage: Option<RunLineage>,
}

/// Walks from a request to the commit, for whichever model answered it.
///
/// # Errors
/// [`ControlError::UnknownRequest`] when no model's log has it.
pub fn why(project: &Project, request: &str) -> Result<Why, ControlError> {
    let state_dir = project.state_dir()?;
    for model in project.config().model.keys() {
        let paths = ModelPaths::new(&state_dir, model);
        let (features, predictions) = read_predictions(&paths.predictions)?;
        let found = predictions
            .into_iter()
            .find(|prediction| prediction.request_id == request);
        let Some(prediction) = found else { continue };
        let inputs = features
            .into_iter()
            .map(|feature| feature.name)
            .zip(prediction.features.iter().cloned())
            .collect();
        let tracking = TrackingStore::open_read_only(&tracking_path(&state_dir))?;
        let (version, run) = version_and_run(&tracking, model, prediction.version)?;
        let label = label_of(&paths.predictions, &paths.labels, request)?;
        let events = read_journal(&paths.journal)?
            .into_iter()
            .filter(|event| concerns(event, prediction.version))
            .collect();
        return Ok(Why {
            model: model.clone(),
            prediction,
            inputs,
            label,
            version,
            run,
            events,
        });
    }
    Err(ControlError::UnknownRequest {
        request: request.to_owned(),
    })
}

fn version_and_run(
    tracking: &TrackingStore,
    model: &str,
    version: u32,
) -> Result<(WhyVersion, WhyRun), ControlError> {
    let name: ModelName = model.parse()?;
    let registered = tracking.model_version(&name, version)?;
    let champion = tracking
        .model_version_by_alias(&name, &crate::model_loop::champion_alias()?)
        .is_ok_and(|champion| champion.version == version);
    let run = tracking.run(&registered.run_id)?;
    let lineage = tracking.lineage(&registered.run_id)?;
    Ok((
        WhyVersion {
            version,
            source: registered.source.to_string(),
            digest: registered.digest.to_string(),
            champion,
        },
        WhyRun {
            id: run.id.to_string(),
            name: run.name,
            ended_at: run
                .ended_at_ms
                .and_then(|at| Timestamp::from_millisecond(at).ok()),
            params: run.params.into_iter().collect(),
            metrics: run
                .metrics
                .into_iter()
                .map(|(key, metric)| (key, metric.value))
                .collect(),
            lineage,
        },
    ))
}

fn label_of(
    predictions: &Utf8PathBuf,
    labels: &Utf8PathBuf,
    request: &str,
) -> Result<Option<f64>, ControlError> {
    let labelled = read_labelled(predictions, labels)?;
    Ok(labelled
        .iter()
        .find(|row| row.prediction.request_id == request)
        .map(|row| row.label))
}

/// Whether an event tells how a version came to serve, or ceased to.
fn concerns(event: &Event, wanted: u32) -> bool {
    match &event.kind {
        EventKind::Released { version, .. }
        | EventKind::RetrainFinished { version, .. }
        | EventKind::GateChecked { version, .. }
        | EventKind::GateOverridden { version, .. }
        | EventKind::Promoted { version, .. }
        | EventKind::RolledBack { version, .. } => *version == wanted,
        EventKind::RolloutStarted { candidate, .. } => *candidate == wanted,
        _ => false,
    }
}
