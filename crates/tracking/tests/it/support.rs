//! A store in a temporary directory, and short ways to fill it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_tracking::{
    ChangeNote, Digest, ExperimentId, Metric, ModelName, NewModelVersion, NewRun, Run, RunId,
    TrackingError, TrackingStore,
};
use tempfile::TempDir;

/// A directory of its own and the path of a database in it.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path())
            .unwrap()
            .join(name)
    }

    pub(crate) fn database(&self) -> Utf8PathBuf {
        self.path("ketch.db")
    }

    pub(crate) fn open(&self) -> TrackingStore {
        TrackingStore::open(&self.database()).unwrap()
    }
}

pub(crate) fn new_run(experiment: ExperimentId) -> NewRun {
    NewRun {
        experiment,
        name: "train".into(),
        user: "ana".into(),
        started_at_ms: 1_700_000_000_000,
        tags: BTreeMap::new(),
    }
}

pub(crate) fn start(store: &TrackingStore) -> Run {
    let experiment = store.get_or_create_experiment("rain", 1).unwrap();
    store.create_run(&new_run(experiment.id)).unwrap()
}

pub(crate) fn metric(key: &str, value: f64, timestamp_ms: i64, step: i64) -> Metric {
    Metric {
        key: key.into(),
        value,
        timestamp_ms,
        step,
    }
}

/// A digest that differs for each number.
pub(crate) fn digest(number: u64) -> Digest {
    format!("{number:032x}").parse().unwrap()
}

pub(crate) fn new_version(model: &ModelName, run: &RunId, number: u64) -> NewModelVersion {
    NewModelVersion {
        model: model.clone(),
        run_id: run.clone(),
        source: "models/rain.onnx".parse().unwrap(),
        digest: digest(number),
        created_at_ms: 1_700_000_000_500,
        tags: BTreeMap::new(),
    }
}

pub(crate) fn note(at_ms: i64) -> ChangeNote {
    ChangeNote {
        at_ms,
        actor: "ana".into(),
        reason: "it passed the gate".into(),
    }
}

/// The error with its cause and its hint, as a person would see it; the directory is left out.
pub(crate) fn shown(error: &TrackingError, place: &Place) -> String {
    let mut text = format!("{error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(text, "cause: {error}").unwrap();
        cause = error.source();
    }
    writeln!(text, "kind: {}", error.kind().as_str()).unwrap();
    if let Some(hint) = error.hint() {
        writeln!(text, "hint: {hint}").unwrap();
    }
    text.replace(place.path("").as_str(), "[ROOT]/")
}
