//! From what the pipeline made to a run and a registered version with its lineage.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use ketch_dvc::ObjectId;
use ketch_project::{CommitId, Lineage, ModelConfig, Project, lineage, metrics};
use ketch_tracking::{
    Artifact, ArtifactPath, Digest, Metric, ModelName, ModelVersion, NewModelVersion, NewRun,
    RunLineage, RunStatus, TrackingStore,
};
use serde::Serialize;

use crate::error::ControlError;

/// Version tag that holds the digest of the golden sample.
pub(crate) const GOLDEN_TAG: &str = "ketch.golden";

/// Version tag that holds the digest of the reference data.
pub(crate) const REFERENCE_TAG: &str = "ketch.reference";

/// Who registers, when and why.
#[derive(Debug, Clone, Copy)]
pub struct RegisterOptions<'a> {
    /// The model's name in `ketch.toml`.
    pub model: &'a str,
    /// The run's name.
    pub run_name: &'a str,
    /// The person or part of ketch.
    pub user: &'a str,
    /// When the work began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// A registered version.
#[derive(Debug, Clone, Serialize)]
pub struct Registered {
    /// The version's number.
    pub version: u32,
    /// The run that made it.
    pub run: String,
    /// The commit of code, parameters and data hashes.
    pub commit: String,
    /// MD5 of the artifact, which is also its name in the cache.
    pub digest: String,
    /// The run's metrics.
    pub metrics: BTreeMap<String, f64>,
}

/// The settings of a model in `ketch.toml`.
pub fn model_config<'a>(
    project: &'a Project,
    model: &str,
) -> Result<&'a ModelConfig, ControlError> {
    project
        .config()
        .model
        .get(model)
        .ok_or_else(|| ControlError::UnknownModel {
            model: model.to_owned(),
            known: project.config().model.keys().cloned().collect(),
        })
}

/// Records the model that the pipeline made last as a run with parameters, metrics and lineage,
/// and registers it as a version.
///
/// What made it must be committed, as [`committed`] says.
pub fn register(
    project: &Project,
    tracking: &TrackingStore,
    options: &RegisterOptions<'_>,
) -> Result<Registered, ControlError> {
    let config = model_config(project, options.model)?;
    let name: ModelName = options.model.parse()?;
    let made = lineage(project, &config.artifact)?;
    let commit = committed(project, &made)?;
    let digest = output_digest(&made, &config.artifact)?;
    let tags = version_tags(project, config)?;

    let experiment =
        tracking.get_or_create_experiment(options.model, milliseconds(options.started_at))?;
    let run = tracking.create_run(&NewRun {
        experiment: experiment.id,
        name: options.run_name.to_owned(),
        user: options.user.to_owned(),
        started_at_ms: milliseconds(options.started_at),
        tags: BTreeMap::new(),
    })?;
    let params = flat_params(&made);
    tracking.log_params(&run.id, &params)?;
    let metrics = flat_metrics(project)?;
    let points: Vec<Metric> = metrics
        .iter()
        .map(|(key, value)| Metric {
            key: key.clone(),
            value: *value,
            timestamp_ms: milliseconds(options.ended_at),
            step: 0,
        })
        .collect();
    tracking.log_metrics(&run.id, &points)?;
    tracking.record_lineage(&run.id, &run_lineage(project, &made)?)?;
    tracking.finish_run(&run.id, RunStatus::Finished, milliseconds(options.ended_at))?;

    tracking.register_model(&name, milliseconds(options.ended_at))?;
    let version = tracking.create_model_version(&NewModelVersion {
        model: name,
        run_id: run.id.clone(),
        source: config.artifact.as_str().parse::<ArtifactPath>()?,
        digest: digest.hex().parse::<Digest>()?,
        created_at_ms: milliseconds(options.ended_at),
        tags,
    })?;
    Ok(Registered {
        version: version.version,
        run: run.id.to_string(),
        commit: commit.to_string(),
        digest: digest.hex().to_owned(),
        metrics,
    })
}

/// The commit that holds all of what made an output; an error where there is none, as a version of
/// it could not be traced back.
pub fn committed(project: &Project, made: &Lineage) -> Result<CommitId, ControlError> {
    let Some(commit) = &made.commit else {
        return Err(ControlError::NothingCommitted);
    };
    for file in pipeline_files(made) {
        if !project.git().is_tracked(&file)? {
            return Err(ControlError::Untracked { file });
        }
    }
    if made.dirty {
        return Err(ControlError::Uncommitted {
            files: project.git().changed_files()?,
        });
    }
    Ok(commit.clone())
}

/// `dvc.yaml` and `dvc.lock` of the output's stage and of those before it.
fn pipeline_files(made: &Lineage) -> Vec<Utf8PathBuf> {
    let stages = std::iter::once(&made.stage).chain(made.upstream.iter().map(|stage| &stage.stage));
    let mut files = Vec::new();
    for address in stages {
        let file = address
            .rsplit_once(':')
            .map_or("dvc.yaml", |(file, _)| file);
        let file = Utf8PathBuf::from(file);
        files.extend([file.with_extension("lock"), file]);
    }
    files.sort();
    files.dedup();
    files
}

/// A version's artifact, golden sample and reference as objects of the cache.
pub(crate) struct VersionFiles {
    pub(crate) artifact: ObjectId,
    pub(crate) golden: Option<ObjectId>,
    pub(crate) reference: Option<ObjectId>,
}

impl VersionFiles {
    pub(crate) fn of(version: &ModelVersion) -> Result<Self, ControlError> {
        let parse = |text: &str| {
            ObjectId::parse(text).map_err(|source| ControlError::Project(source.into()))
        };
        let tag = |name: &str| version.tags.get(name).map(|text| parse(text)).transpose();
        Ok(Self {
            artifact: parse(version.digest.as_str())?,
            golden: tag(GOLDEN_TAG)?,
            reference: tag(REFERENCE_TAG)?,
        })
    }
}

pub(crate) fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn output_digest(made: &Lineage, output: &Utf8Path) -> Result<ObjectId, ControlError> {
    made.outs
        .iter()
        .find(|(path, _)| path == output)
        .map(|(_, id)| id.clone())
        .ok_or_else(|| ControlError::OutputMissing {
            output: output.to_owned(),
        })
}

fn version_tags(
    project: &Project,
    config: &ModelConfig,
) -> Result<BTreeMap<String, String>, ControlError> {
    let mut tags = BTreeMap::new();
    let files = [
        (GOLDEN_TAG, config.golden.as_deref()),
        (REFERENCE_TAG, Some(config.reference.as_path())),
    ];
    for (tag, path) in files {
        let Some(path) = path else { continue };
        let digest = output_digest(&lineage(project, path)?, path)?;
        tags.insert(tag.to_owned(), digest.to_string());
    }
    Ok(tags)
}

/// The parameters of the stage that made the model and of every stage before it.
fn flat_params(made: &Lineage) -> Vec<(String, String)> {
    let upstream = made.upstream.iter().flat_map(|stage| &stage.params);
    let all: BTreeMap<_, _> = upstream.chain(&made.params).cloned().collect();
    all.into_iter().collect()
}

fn flat_metrics(project: &Project) -> Result<BTreeMap<String, f64>, ControlError> {
    Ok(metrics(project)?.into_values().flatten().collect())
}

/// Everything the model was made from: what its stage read, then what the stages before it read.
fn run_lineage(project: &Project, made: &Lineage) -> Result<RunLineage, ControlError> {
    let artifact = |(path, id): &(Utf8PathBuf, ObjectId)| {
        let size = fs_err::metadata(project.root().join(path)).map_or(0, |found| found.len());
        Ok::<_, ControlError>(Artifact {
            path: path.clone(),
            md5: id.to_string().parse()?,
            size,
        })
    };
    let mut inputs = Vec::new();
    let upstream = made.upstream.iter().flat_map(|stage| &stage.deps);
    for dependency in made.deps.iter().chain(upstream) {
        if inputs
            .iter()
            .all(|input: &Artifact| input.path != dependency.0)
        {
            inputs.push(artifact(dependency)?);
        }
    }
    Ok(RunLineage {
        commit: made
            .commit
            .as_ref()
            .map(|commit| commit.as_str().parse())
            .transpose()?,
        dirty: made.dirty,
        stage: Some(made.stage.clone()),
        command: made.command.clone(),
        inputs,
        outputs: made.outs.iter().map(artifact).collect::<Result<_, _>>()?,
        environment: None,
    })
}
