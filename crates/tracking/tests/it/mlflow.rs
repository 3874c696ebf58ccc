//! The same rules as MLflow's: names, the latest metric, the order of a history, error codes.
//!
//! `tests/golden/mlflow-3.17.2-rules.json` holds what MLflow 3.17.2 answered to
//! `make_mlflow_rules.py`.

use std::collections::BTreeMap;

use ketch_tracking::{Alias, Metric, ModelName, RunId, TrackingError};
use serde::Deserialize;

use crate::support::{Place, metric, new_run, new_version, note, start};

#[derive(Deserialize)]
struct Rules {
    tool: String,
    names: Vec<Name>,
    errors: BTreeMap<String, String>,
    sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Name {
    text: String,
    accepted_as: Vec<String>,
}

#[derive(Deserialize)]
struct Sequence {
    batches: Vec<Vec<Metric>>,
    latest: Vec<Metric>,
    history: BTreeMap<String, Vec<Metric>>,
}

fn rules() -> Rules {
    let rules: Rules =
        serde_json::from_str(include_str!("../golden/mlflow-3.17.2-rules.json")).unwrap();
    assert_eq!(rules.tool, "mlflow 3.17.2");
    rules
}

#[test]
fn names_are_accepted_and_refused_alike() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let mut stricter = Vec::new();
    for Name {
        text: name,
        accepted_as,
    } in rules().names
    {
        let mlflow = |what: &str| accepted_as.iter().any(|accepted| accepted == what);
        let points = [metric(&name, 1.0, 1, 0)];
        assert_eq!(
            store.log_metrics(&run, &points).is_ok(),
            mlflow("metric"),
            "{name:?}"
        );
        assert_eq!(
            store.log_params(&run, &[(&name, "v")]).is_ok(),
            mlflow("param"),
            "{name:?}"
        );
        assert_eq!(
            store.set_tags(&run, &[(&name, "v")]).is_ok(),
            mlflow("tag"),
            "{name:?}"
        );
        assert_eq!(name.parse::<Alias>().is_ok(), mlflow("alias"), "{name:?}");
        let model = name.parse::<ModelName>().is_ok();
        if mlflow("model") && !model {
            stricter.push(name);
        } else {
            assert_eq!(model, mlflow("model"), "{name:?}");
        }
    }
    // On purpose: a model's name becomes a part of paths.
    assert_eq!(stricter, ["a\\b", "a\tb"]);
}

#[test]
fn latest_metrics_and_histories_are_alike() {
    let place = Place::new();
    let store = place.open();
    let shown = |metrics: &[Metric]| -> Vec<String> {
        metrics
            .iter()
            .map(|metric| serde_json::to_string(metric).unwrap())
            .collect()
    };
    for (
        number,
        Sequence {
            batches,
            latest,
            history,
        },
    ) in rules().sequences.into_iter().enumerate()
    {
        let run = start(&store).id;
        for batch in &batches {
            store.log_metrics(&run, batch).unwrap();
        }
        let ours: Vec<_> = store.run(&run).unwrap().metrics.into_values().collect();
        assert_eq!(shown(&ours), shown(&latest), "sequence {number}");
        for (key, points) in history {
            let ours = store.metric_history(&run, &key).unwrap();
            assert_eq!(shown(&ours), shown(&points), "sequence {number}, {key}");
        }
    }
}

#[test]
fn mistakes_get_the_same_error_codes() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let experiment = store.experiment_by_name("rain").unwrap().id;
    let missing = RunId::random();
    let (rain, snow): (ModelName, ModelName) = ("rain".parse().unwrap(), "snow".parse().unwrap());
    let (champion, nobody): (Alias, Alias) =
        ("champion".parse().unwrap(), "nobody".parse().unwrap());
    store.register_model(&rain, 1).unwrap();
    store
        .create_model_version(&new_version(&rain, &run, 1))
        .unwrap();
    store.log_params(&run, &[("lr", "0.1")]).unwrap();
    let mut renamed = new_run(experiment);
    renamed.tags.insert("mlflow.runName".into(), "other".into());

    let outcome = |case: &str| -> Result<(), TrackingError> {
        match case {
            "experiment twice" => store.create_experiment("rain", 1).map(drop),
            "experiment without name" => store.create_experiment("", 1).map(drop),
            "run of missing experiment" => {
                store.create_run(&new_run("77".parse().unwrap())).map(drop)
            }
            "missing run" => store.run(&missing).map(drop),
            "metric on missing run" => store.log_metrics(&missing, &[metric("a", 1.0, 1, 0)]),
            "param with same value" => store.log_params(&run, &[("lr", "0.1")]),
            "param with other value" => store.log_params(&run, &[("lr", "0.2")]),
            "param twice in a batch" => store.log_params(&run, &[("p", "1"), ("p", "1")]),
            "negative timestamp" => store.log_metrics(&run, &[metric("a", 1.0, -1, 0)]),
            "negative step" => store.log_metrics(&run, &[metric("a", 1.0, 1, -1)]),
            "run name against tag" => store.create_run(&renamed).map(drop),
            "missing model" => store.registered_model(&snow).map(drop),
            "version of missing model" => store
                .create_model_version(&new_version(&snow, &run, 1))
                .map(drop),
            "missing version" => store.model_version(&rain, 9).map(drop),
            "alias to missing version" => store.set_alias(&rain, &champion, 9, &note(1)).map(drop),
            "alias of missing model" => store.set_alias(&snow, &champion, 1, &note(1)).map(drop),
            "missing alias" => store.model_version_by_alias(&rain, &nobody).map(drop),
            "delete missing alias" => store.delete_alias(&rain, &nobody, &note(1)).map(drop),
            "tag on missing version" => store.set_version_tag(&rain, 9, "k", "v"),
            other => panic!("a case without a test: {other}"),
        }
    };
    let errors = rules().errors;
    assert_eq!(errors.len(), 19);
    for (case, expected) in errors {
        let code = outcome(&case)
            .err()
            .map_or("OK", |error| error.kind().as_str());
        assert_eq!(code, expected, "{case}");
    }
}
