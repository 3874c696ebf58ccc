//! The registered versions of a model with where they come from.

use ketch_tracking::{ModelName, TrackingStore};
use serde::Serialize;

use crate::{error::ControlError, model_loop::champion_alias};

/// One registered version.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionRow {
    /// Its number.
    pub version: u32,
    /// Whether the alias `champion` points at it.
    pub champion: bool,
    /// The run that made it.
    pub run: String,
    /// That run's name.
    pub run_name: String,
    /// The commit of code, parameters and data hashes.
    pub commit: Option<String>,
    /// MD5 of the artifact.
    pub digest: String,
    /// The run's metrics by name.
    pub metrics: Vec<(String, f64)>,
}

/// The versions of a model, newest first; none for a name that was never registered.
pub fn list_versions(
    tracking: &TrackingStore,
    model: &str,
) -> Result<Vec<VersionRow>, ControlError> {
    let name: ModelName = model.parse()?;
    if tracking
        .registered_models()?
        .iter()
        .all(|registered| registered.name != name)
    {
        return Ok(Vec::new());
    }
    let champion = tracking
        .model_version_by_alias(&name, &champion_alias()?)
        .ok();
    let champion = champion.map(|champion| champion.version);
    tracking
        .model_versions(&name)?
        .into_iter()
        .map(|version| {
            let run = tracking.run(&version.run_id)?;
            let lineage = tracking.lineage(&version.run_id)?;
            Ok(VersionRow {
                version: version.version,
                champion: champion == Some(version.version),
                run: run.id.to_string(),
                run_name: run.name,
                commit: lineage
                    .and_then(|lineage| lineage.commit)
                    .map(|id| id.to_string()),
                digest: version.digest.to_string(),
                metrics: run
                    .metrics
                    .into_iter()
                    .map(|(key, metric)| (key, metric.value))
                    .collect(),
            })
        })
        .collect()
}
