//! The schema is seen when it changes, and files of older schemas stay readable.

use camino::Utf8PathBuf;
use ketch_tracking::{
    Alias, Artifact, ModelName, RunId, RunLineage, RunStatus, SCHEMA_VERSION, TrackingStore,
};
use rusqlite::Connection;

use crate::support::{Place, digest, metric, new_run, new_version, note};

#[test]
fn the_schema_is_as_reviewed() {
    let place = Place::new();
    drop(place.open());
    let schema = schema(&place);
    insta::assert_snapshot!(format!("version {SCHEMA_VERSION}\n\n{schema}"));
}

#[test]
fn old_databases_get_the_schema_of_new_ones() {
    let new = Place::new();
    drop(new.open());
    for version in 1..=SCHEMA_VERSION {
        let old = Place::new();
        fs_err::copy(golden(version), old.database()).unwrap();
        drop(old.open());
        assert_eq!(
            schema(&old),
            schema(&new),
            "migrated from version {version}"
        );
    }
}

fn schema(place: &Place) -> String {
    let connection = Connection::open(place.database()).unwrap();
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
        .unwrap();
    let parts: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    parts.join("\n\n")
}

fn golden(version: u32) -> Utf8PathBuf {
    Utf8PathBuf::from(format!(
        "{}/tests/golden/schema-{version}.db",
        env!("CARGO_MANIFEST_DIR")
    ))
}

fn id(digit: char) -> RunId {
    digit.to_string().repeat(32).parse().unwrap()
}

/// Written by ketch 0.1.0 with `make_the_sample_of_the_current_schema`.
#[test]
fn a_database_of_schema_1_opens_and_takes_more() {
    let place = Place::new();
    fs_err::copy(golden(1), place.database()).unwrap();
    let store = place.open();
    let (rain, champion): (ModelName, Alias) =
        ("rain".parse().unwrap(), "champion".parse().unwrap());
    let experiment = store.experiment_by_name("rain").unwrap();
    insta::assert_json_snapshot!(serde_json::json!({
        "experiments": store.experiments().unwrap(),
        "runs": store.runs(experiment.id).unwrap(),
        "loss": store.metric_history(&id('a'), "loss").unwrap(),
        "lineage": store.lineage(&id('a')).unwrap(),
        "versions": store.model_versions(&rain).unwrap(),
        "champion": store.alias_history(&rain, &champion).unwrap(),
    }));
    let run = store.create_run(&new_run(experiment.id)).unwrap();
    store
        .log_metrics(&run.id, &[metric("loss", 0.1, 1, 0)])
        .unwrap();
    assert_eq!(
        store
            .create_model_version(&new_version(&rain, &run.id, 9))
            .unwrap()
            .version,
        3
    );
    store.set_alias(&rain, &champion, 3, &note(9)).unwrap();
}

#[test]
#[ignore = "run by hand, once, when a new schema is released; an existing sample is never replaced"]
fn make_the_sample_of_the_current_schema() {
    let place = Place::new();
    let store = place.open();
    store
        .get_or_create_experiment("Default", 1_700_000_000_000)
        .unwrap();
    let experiment = store
        .create_experiment("rain", 1_700_000_000_001)
        .unwrap()
        .id;
    let run = store
        .create_run_with_id(&id('a'), &new_run(experiment))
        .unwrap()
        .id;
    store
        .log_params(&run, &[("depth", "3"), ("features/lag", "é")])
        .unwrap();
    let points = [
        metric("loss", 0.5, 10, 0),
        metric("loss", f64::NAN, 20, 1),
        metric("loss", f64::INFINITY, 15, 2),
        metric("accuracy", 0.75, 15, 2),
    ];
    store.log_metrics(&run, &points).unwrap();
    store.set_tags(&run, &[("team", "weather")]).unwrap();
    let artifact = |path: &str, number| Artifact {
        path: path.into(),
        md5: digest(number),
        size: 7,
    };
    let lineage = RunLineage {
        commit: Some("1".repeat(40).parse().unwrap()),
        dirty: false,
        stage: Some("train".into()),
        command: "python train.py".into(),
        inputs: vec![artifact("data.csv", 1), artifact("train.py", 2)],
        outputs: vec![artifact("models/rain.onnx", 3)],
        environment: Some("{}".into()),
    };
    store.record_lineage(&run, &lineage).unwrap();
    store
        .finish_run(&run, RunStatus::Finished, 1_700_000_001_000)
        .unwrap();
    let failed = store
        .create_run_with_id(&id('b'), &new_run(experiment))
        .unwrap()
        .id;
    store
        .finish_run(&failed, RunStatus::Failed, 1_700_000_002_000)
        .unwrap();
    let (rain, champion): (ModelName, Alias) =
        ("rain".parse().unwrap(), "champion".parse().unwrap());
    store.register_model(&rain, 1_700_000_003_000).unwrap();
    for number in [3, 4] {
        store
            .create_model_version(&new_version(&rain, &run, number))
            .unwrap();
    }
    store.set_version_tag(&rain, 1, "gate", "passed").unwrap();
    store
        .set_alias(&rain, &champion, 1, &note(1_700_000_004_000))
        .unwrap();
    store
        .set_alias(&rain, &champion, 2, &note(1_700_000_005_000))
        .unwrap();
    store
        .set_alias(&rain, &champion, 1, &note(1_700_000_006_000))
        .unwrap();
    drop(store);
    let target = golden(SCHEMA_VERSION);
    assert!(!target.exists(), "`{target}` exists already");
    TrackingStore::open_read_only(&place.database()).unwrap();
    fs_err::copy(place.database(), target).unwrap();
}
