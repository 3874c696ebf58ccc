//! Experiments, runs, params and tags.

use std::collections::BTreeMap;

use ketch_tracking::{ErrorKind, ExperimentId, RunId, RunStatus, TrackingError};

use crate::support::{Place, metric, new_run, shown, start};

#[test]
fn experiments_have_unique_names_and_default_has_id_zero() {
    let place = Place::new();
    let store = place.open();
    let rain = store.create_experiment("rain", 5).unwrap();
    assert_eq!(store.experiment_by_name("rain").unwrap(), rain);
    assert_eq!(store.get_or_create_experiment("rain", 9).unwrap(), rain);
    let default = store.get_or_create_experiment("Default", 6).unwrap();
    assert_eq!(
        (default.id, default.id.to_string().as_str()),
        (ExperimentId::DEFAULT, "0")
    );
    let snow = store.create_experiment("snow", 7).unwrap();
    assert_eq!(store.experiments().unwrap(), [rain, default, snow]);
    insta::assert_snapshot!(shown(&store.create_experiment("rain", 8).unwrap_err(), &place), @"
    an experiment named `rain` exists already
    kind: RESOURCE_ALREADY_EXISTS
    hint: use the existing experiment, or choose another name
    ");
    insta::assert_snapshot!(shown(&store.experiment_by_name("hail").unwrap_err(), &place), @"
    no experiment named `hail`
    kind: RESOURCE_DOES_NOT_EXIST
    hint: check the spelling, or create the experiment first
    ");
    for bad in ["", " ", "a\nb", &"x".repeat(501)] {
        let error = store.get_or_create_experiment(bad, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameterValue);
    }
    assert!(store.create_experiment(&"é".repeat(500), 1).is_ok());
}

#[test]
fn with_a_seed_the_same_work_gives_the_same_ids() {
    let ids = |seed| {
        let place = Place::new();
        let store = place.open().with_seed(seed);
        let experiment = store.create_experiment("weather", 1).unwrap().id;
        (0..3)
            .map(|_| store.create_run(&new_run(experiment)).unwrap().id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7)[0], ids(8)[0]);
    assert_ne!(ids(7)[0], ids(7)[1]);
}

#[test]
fn a_run_is_started_filled_and_finished() {
    let place = Place::new();
    let store = place.open();
    let experiment = store.create_experiment("rain", 1).unwrap();
    let mut new = new_run(experiment.id);
    new.tags.insert("team".into(), "weather".into());
    let run = store.create_run(&new).unwrap();
    assert_eq!((run.status, run.ended_at_ms), (RunStatus::Running, None));

    store
        .log_params(&run.id, &[("depth", "3"), ("features/lag", "")])
        .unwrap();
    store
        .log_metrics(
            &run.id,
            &[metric("loss", 0.5, 10, 1), metric("loss", 0.7, 9, 0)],
        )
        .unwrap();
    store
        .set_tags(&run.id, &[("team", "rain"), ("note", "line 1\nline 2")])
        .unwrap();
    store
        .finish_run(&run.id, RunStatus::Finished, 1_700_000_001_000)
        .unwrap();

    let mut run = store.run(&run.id).unwrap();
    assert_eq!(store.runs(experiment.id).unwrap(), [run.clone()]);
    run.id = "0".repeat(32).parse().unwrap();
    insta::assert_json_snapshot!(run, @r#"
    {
      "id": "00000000000000000000000000000000",
      "experiment": "1",
      "name": "train",
      "user": "ana",
      "status": "FINISHED",
      "started_at_ms": 1700000000000,
      "ended_at_ms": 1700000001000,
      "params": {
        "depth": "3",
        "features/lag": ""
      },
      "metrics": {
        "loss": {
          "key": "loss",
          "value": 0.5,
          "timestamp_ms": 10,
          "step": 1
        }
      },
      "tags": {
        "mlflow.runName": "train",
        "note": "line 1\nline 2",
        "team": "rain"
      }
    }
    "#);
}

#[test]
fn a_run_ends_with_an_end_and_may_end_again() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store);
    for status in [RunStatus::Running, RunStatus::Scheduled] {
        let error = store.finish_run(&run.id, status, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameterValue);
    }
    store.finish_run(&run.id, RunStatus::Failed, 2).unwrap();
    store.finish_run(&run.id, RunStatus::Killed, 3).unwrap();
    let run = store.run(&run.id).unwrap();
    assert_eq!((run.status, run.ended_at_ms), (RunStatus::Killed, Some(3)));
}

#[test]
fn a_param_keeps_its_value_and_a_refused_batch_leaves_nothing() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    store.log_params(&run, &[("depth", "3")]).unwrap();
    store
        .log_params(&run, &[("depth", "3"), ("rate", "0.1")])
        .unwrap();
    let error = store
        .log_params(&run, &[("new", "1"), ("depth", "4")])
        .unwrap_err();
    insta::assert_snapshot!(shown(&error, &place).replace(run.as_str(), "[RUN]"), @"
    param `depth` of run `[RUN]` is already `3` and cannot become `4`
    kind: INVALID_PARAMETER_VALUE
    hint: log the new value in a new run, or keep what changes during a run as a metric
    ");
    let params = store.run(&run).unwrap().params;
    let expected = BTreeMap::from([("depth", "3"), ("rate", "0.1")]);
    assert_eq!(
        params
            .iter()
            .map(|(k, v)| (&**k, &**v))
            .collect::<BTreeMap<_, _>>(),
        expected
    );

    assert!(store.log_params(&run, &[("a", "é".repeat(6_000))]).is_ok());
    assert!(store.log_params(&run, &[("b", "x".repeat(6_001))]).is_err());
    assert!(store.set_tags(&run, &[("b", "x".repeat(8_001))]).is_err());
}

#[test]
fn the_name_and_its_tag_stay_the_same() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store);
    store
        .set_tags(&run.id, &[("mlflow.runName", "better")])
        .unwrap();
    assert_eq!(store.run(&run.id).unwrap().name, "better");
    assert!(store.set_tags(&run.id, &[("mlflow.runName", "")]).is_err());

    let mut new = new_run(run.experiment);
    new.tags.insert("mlflow.runName".into(), "other".into());
    insta::assert_snapshot!(shown(&store.create_run(&new).unwrap_err(), &place), @"
    invalid run name tag `other`: it differs from the name of the run
    kind: INVALID_PARAMETER_VALUE
    hint: leave the tag `mlflow.runName` out; it is set from the name
    ");
    new.name = "other".into();
    assert_eq!(
        store.create_run(&new).unwrap().tags["mlflow.runName"],
        "other"
    );
}

#[test]
fn runs_come_last_started_first_and_ids_are_unique() {
    let place = Place::new();
    let store = place.open();
    let experiment = store.create_experiment("rain", 1).unwrap().id;
    let id = |digit: char| -> RunId { digit.to_string().repeat(32).parse().unwrap() };
    for (digit, started_at_ms) in [('b', 10), ('a', 10), ('c', 30)] {
        let mut new = new_run(experiment);
        new.started_at_ms = started_at_ms;
        store.create_run_with_id(&id(digit), &new).unwrap();
    }
    let ids: Vec<_> = store
        .runs(experiment)
        .unwrap()
        .into_iter()
        .map(|run| run.id)
        .collect();
    assert_eq!(ids, [id('c'), id('a'), id('b')]);
    let error = store
        .create_run_with_id(&id('a'), &new_run(experiment))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceAlreadyExists);
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let store = place.open();
    let run: RunId = "f".repeat(32).parse().unwrap();
    let experiment: ExperimentId = "7".parse().unwrap();
    let outcomes = [
        store.run(&run).err(),
        store.log_params(&run, &[("a", "1")]).err(),
        store.log_metrics(&run, &[metric("a", 1.0, 1, 0)]).err(),
        store.log_metrics(&run, &[]).err(),
        store.set_tags(&run, &[("a", "1")]).err(),
        store.finish_run(&run, RunStatus::Finished, 1).err(),
        store.metric_history(&run, "a").err(),
        store.lineage(&run).err(),
    ];
    for outcome in outcomes {
        assert!(
            matches!(outcome, Some(TrackingError::NoRun { .. })),
            "{outcome:?}"
        );
    }
    let missing = |error| matches!(error, Some(TrackingError::NoExperiment { .. }));
    assert!(missing(store.create_run(&new_run(experiment)).err()));
    assert!(missing(store.runs(experiment).err()));
}
