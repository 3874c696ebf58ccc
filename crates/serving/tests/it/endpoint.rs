//! Requests are routed, answered and recorded.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use ketch_serving::{
    Endpoint, FeatureValue, LogOptions, PredictionObserver, PredictionRecord, ServingError,
    Variant, read_predictions,
};
use serde_json::{Value, json};

use crate::support::{
    BOOSTING, LOGISTIC, Room, at, columns, infer, infer_pinned, load, open_in, reference_row,
    request, routed, serving,
};

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn nothing_is_answered_before_a_version_serves() {
    let room = Room::new();
    let (endpoint, recovered) = open_in(&room.path, LogOptions::default());
    assert!(recovered.predictions.is_empty() && recovered.labelled.is_empty());
    let error = infer(&endpoint, "r", request(&[vec![0.0; 20]])).unwrap_err();
    assert!(matches!(error, ServingError::NoChampion { .. }), "{error}");
    assert!(error.hint().unwrap().contains("ketch deploy rain"));
}

#[test]
fn the_answer_is_the_makers_and_the_log_holds_what_was_answered() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let rows: Vec<_> = (0..3).map(|row| reference_row(LOGISTIC, row)).collect();
    let inputs: Vec<Vec<f64>> = rows.iter().map(|row| row.0.clone()).collect();
    let mut body = request(&inputs);
    body["parameters"] = json!({ "day": 12.5, "unknown": [1] });
    let answer = infer(&endpoint, "three", body).unwrap();
    assert_eq!((answer.version, answer.variant), (1, Variant::Champion));
    assert_eq!(answer.rollout, None);

    let response = serde_json::to_value(&answer.response).unwrap();
    assert_eq!(
        (
            &response["model_name"],
            &response["model_version"],
            &response["id"]
        ),
        (&json!("rain"), &json!("1"), &json!("three"))
    );
    assert_eq!(response["outputs"][0]["name"], "label");
    assert_eq!(response["outputs"][1]["shape"], json!([3, 2]));
    let labels = numbers(&response["outputs"][0]["data"]);
    let probabilities = numbers(&response["outputs"][1]["data"]);
    for (row, (_, label, probability)) in rows.iter().enumerate() {
        assert_eq!(labels[row], *label);
        assert!((probabilities[row * 2 + 1] - probability).abs() < 1e-6);
    }

    endpoint.sync().unwrap();
    let (features, logged) = read_predictions(&room.predictions()).unwrap();
    assert_eq!(features, columns());
    assert_eq!(logged.len(), 3);
    for (row, record) in logged.iter().enumerate() {
        assert_eq!(
            (record.request_id.as_str(), record.row),
            ("three", row as i64)
        );
        assert_eq!((record.version, record.variant), (1, Variant::Champion));
        assert_eq!(
            (record.observed_at, record.answered_at),
            (Some(12.5), at(0))
        );
        assert_eq!(record.predicted, Some(labels[row]));
        let score = record.score.unwrap();
        assert!((score - probabilities[row * 2 + 1]).abs() < 1e-7, "{score}");
        for (value, sent) in record.features.iter().zip(&inputs[row]) {
            assert_eq!(value.number(), f64::from(*sent as f32));
        }
    }
}

#[test]
fn a_model_of_single_columns_is_logged_by_name() {
    use ketch_serving::{EndpointOptions, FeatureColumn, FeatureKind};

    let room = Room::new();
    let column = |name: &str, kind| FeatureColumn {
        name: name.to_owned(),
        kind,
    };
    let (endpoint, _) = Endpoint::open(&EndpointOptions {
        name: "rain",
        predictions: &room.predictions(),
        labels: &room.labels(),
        features: &[
            column("city", FeatureKind::Text),
            column("age", FeatureKind::Number),
            column("shoe", FeatureKind::Number),
        ],
        time_parameter: None,
        log: LogOptions::default(),
    })
    .unwrap();
    endpoint.publish(routed(&load("ct_logreg", 1), None));
    let input = |name: &str, datatype: &str, value: Value| json!({ "name": name, "shape": [1, 1], "datatype": datatype, "data": [value] });
    let body = json!({ "inputs": [
        input("age", "FP32", json!(41.5)),
        input("income", "FP32", Value::Null),
        input("city", "BYTES", json!("Zürich")),
        input("job", "BYTES", json!("x")),
    ] });
    infer(&endpoint, "r", body).unwrap();
    endpoint.sync().unwrap();
    let logged = read_predictions(&room.predictions()).unwrap().1.remove(0);
    assert_eq!(
        logged.features[..2],
        [
            FeatureValue::Text("Zürich".to_owned()),
            FeatureValue::Number(41.5)
        ]
    );
    assert!(logged.features[2].number().is_nan(), "a column nobody sent");
    assert!(logged.predicted.is_some());
}

#[test]
fn what_does_not_fit_is_refused_by_name_and_not_logged() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let refusal = |id: &str, body: Value| {
        let error = infer(&endpoint, id, body).unwrap_err();
        assert!(
            matches!(error, ServingError::BadRequest { .. }),
            "{error:?}"
        );
        error.to_string()
    };
    let row = || vec![0.0; 20];
    assert_eq!(
        refusal("r", request(&[vec![0.0; 19]])),
        "input `X` must have shape [?, 20], not [1, 19]"
    );
    let mut body = request(&[row()]);
    body["inputs"][0]["name"] = json!("Z");
    assert_eq!(
        refusal("r", body),
        "the model has no input `Z`; it takes: X"
    );
    assert_eq!(refusal("r", json!({ "inputs": [] })), "`inputs` is empty");
    assert_eq!(
        refusal("r", request(&[])),
        "a request has 1 to 10000 rows, not 0"
    );
    assert_eq!(
        refusal("r", request(&vec![row(); 10_001])),
        "a request has 1 to 10000 rows, not 10001"
    );
    let mut body = request(&[row()]);
    body["inputs"][0]["datatype"] = json!("BYTES");
    body["inputs"][0]["data"] = json!(vec!["1"; 20]);
    assert_eq!(
        refusal("r", body),
        "input `X` is BYTES, the model takes FP32"
    );
    let mut body = request(&[row()]);
    body["inputs"][0]["data"][0][3] = json!("3");
    assert_eq!(refusal("r", body), "input `X`: element 3 is text, not FP32");
    let mut body = request(&[row()]);
    body["inputs"].as_array_mut().unwrap().push(json!(
        { "name": "Y", "shape": [2], "datatype": "FP32", "data": [1, 2] }
    ));
    assert_eq!(refusal("r", body), "input `Y` has 2 rows, input `X` has 1");
    let mut body = request(&[row()]);
    let twice = body["inputs"][0].clone();
    body["inputs"].as_array_mut().unwrap().push(twice);
    assert_eq!(refusal("r", body), "input `X` is given twice");
    let mut body = request(&[row()]);
    body["parameters"] = json!({ "day": "monday" });
    assert_eq!(refusal("r", body), "parameter `day` must be a number");
    let mut body = request(&[row()]);
    body["outputs"] = json!([{ "name": "label" }, { "name": "colour" }]);
    assert_eq!(refusal("r", body), "the model has no output `colour`");
    for id in ["", "a\nb", &"x".repeat(257)] {
        assert_eq!(
            refusal(id, request(&[row()])),
            "`id` must have 1 to 256 printable characters"
        );
    }
    endpoint.sync().unwrap();
    assert_eq!(read_predictions(&room.predictions()).unwrap().1, []);
    assert_eq!(endpoint.log_statistics().written, 0);
}

#[test]
fn a_missing_value_is_null_on_both_sides_and_stays_one_in_the_log() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let mut body = request(&[vec![0.0; 20]]);
    body["inputs"][0]["data"][0][4] = Value::Null;
    let answer = infer(&endpoint, "r", body).unwrap();
    // A linear model makes nothing of a missing value; JSON has no NaN.
    assert_eq!(answer.response.outputs[1].data, json!([null, null]));
    endpoint.sync().unwrap();
    let logged = read_predictions(&room.predictions()).unwrap().1.remove(0);
    assert!(logged.features[4].number().is_nan());
    assert_eq!(logged.features[5].number(), 0.0);
    assert_ne!(logged.score, Some(0.0));

    // A model that knows missing values answers as its maker does.
    load("hgb_nan", 2);
}

#[test]
fn only_the_outputs_asked_for_are_sent() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let mut body = request(&[vec![0.0; 20]]);
    body["outputs"] = json!([{ "name": "probabilities", "parameters": { "binary_data": false } }]);
    let answer = infer(&endpoint, "r", body).unwrap();
    let names: Vec<_> = answer
        .response
        .outputs
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(names, ["probabilities"]);
    endpoint.sync().unwrap();
    let logged = read_predictions(&room.predictions()).unwrap().1.remove(0);
    assert!(logged.predicted.is_some(), "the log does not depend on it");
}

#[test]
fn other_number_types_are_widened_to_the_models() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let answer = |datatype: &str| {
        let mut body = request(&[vec![1.0; 20]]);
        body["inputs"][0]["datatype"] = json!(datatype);
        body["inputs"][0]["data"] = json!(vec![1; 20]);
        infer(&endpoint, "r", body).unwrap().response.outputs
    };
    let expected = answer("FP32");
    for datatype in ["FP64", "INT64", "INT32", "UINT8"] {
        assert_eq!(answer(datatype), expected, "{datatype}");
    }
}

#[test]
fn a_canarys_share_is_stable_by_id_and_a_growing_weight_only_adds() {
    let room = Room::new();
    let (endpoint, _) = open_in(&room.path, LogOptions::default());
    let (champion, candidate) = (load(LOGISTIC, 1), load(BOOSTING, 2));
    let on_canary = |weight: u8, rollout: &str| -> BTreeSet<u32> {
        endpoint.publish(routed(&champion, Some((&candidate, weight, rollout))));
        (0..400)
            .filter(|number| {
                let answer = infer(
                    &endpoint,
                    &format!("user-{number}"),
                    request(&[vec![0.5; 20]]),
                )
                .unwrap();
                assert_eq!(answer.rollout.as_deref(), Some(rollout));
                assert_eq!(answer.response.model_version, answer.version.to_string());
                match answer.variant {
                    Variant::Champion => assert_eq!(answer.version, 1),
                    Variant::Canary => assert_eq!(answer.version, 2),
                    Variant::Pinned => panic!("nothing was pinned"),
                }
                answer.variant == Variant::Canary
            })
            .collect()
    };
    let steps: Vec<_> = [0, 10, 25, 50, 100]
        .into_iter()
        .map(|weight| on_canary(weight, "rollout-1"))
        .collect();
    let sizes: Vec<_> = steps.iter().map(BTreeSet::len).collect();
    assert_eq!((sizes[0], sizes[4]), (0, 400));
    assert!((20..65).contains(&sizes[1]), "{sizes:?}");
    assert!((165..235).contains(&sizes[3]), "{sizes:?}");
    for pair in steps.windows(2) {
        assert!(pair[0].is_subset(&pair[1]), "{sizes:?}");
    }
    assert_eq!(
        on_canary(25, "rollout-1"),
        steps[2],
        "the same callers again"
    );
    assert_ne!(
        on_canary(25, "rollout-2"),
        steps[2],
        "others in the next rollout"
    );
}

#[test]
fn a_pinned_version_bypasses_the_router_and_is_no_evidence() {
    #[derive(Default)]
    struct Seen(AtomicU32);
    impl PredictionObserver for Seen {
        fn predicted(&self, _record: &PredictionRecord) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let room = Room::new();
    let (endpoint, _) = open_in(&room.path, LogOptions::default());
    let (champion, candidate) = (load(LOGISTIC, 1), load(BOOSTING, 2));
    endpoint.publish(routed(&champion, Some((&candidate, 100, "rollout-1"))));
    let seen = Arc::new(Seen::default());
    endpoint.observe(Arc::clone(&seen) as Arc<dyn PredictionObserver>);
    for version in [1, 2] {
        let answer =
            infer_pinned(&endpoint, "r", request(&[vec![0.5; 20]]), Some(version)).unwrap();
        assert_eq!((answer.version, answer.variant), (version, Variant::Pinned));
        assert_eq!(answer.rollout, None);
    }
    let error = infer_pinned(&endpoint, "r", request(&[vec![0.5; 20]]), Some(3)).unwrap_err();
    assert!(matches!(
        error,
        ServingError::UnknownVersion { version: 3, .. }
    ));
    assert_eq!(seen.0.load(Ordering::Relaxed), 0);
    infer(&endpoint, "s", request(&[vec![0.5; 20], vec![0.25; 20]])).unwrap();
    assert_eq!(seen.0.load(Ordering::Relaxed), 2, "once for each row");
    endpoint.sync().unwrap();
    let logged = read_predictions(&room.predictions()).unwrap().1;
    let variants: Vec<_> = logged.iter().map(|record| record.variant).collect();
    let (pinned, canary) = (Variant::Pinned, Variant::Canary);
    assert_eq!(variants, [pinned, pinned, canary, canary]);
}

#[test]
fn a_swap_under_load_loses_no_request_and_every_answer_names_a_routed_version() {
    const CALLERS: usize = 4;
    const REQUESTS: usize = 300;

    let room = Room::new();
    let (endpoint, _) = open_in(&room.path, LogOptions::default());
    let versions: Vec<_> = (1..=6).map(|version| load(LOGISTIC, version)).collect();
    // Version `n` is routed from before `published` says `n` until after it says `n + 1`.
    let published = AtomicU32::new(1);
    endpoint.publish(routed(&versions[0], None));
    let done = AtomicBool::new(false);
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (endpoint, published, answers) = (&endpoint, &published, &answers);
                scope.spawn(move || {
                    for number in 0..REQUESTS {
                        let before = published.load(Ordering::SeqCst);
                        let id = format!("{caller}-{number}");
                        let answer = infer(endpoint, &id, request(&[vec![0.1; 20]])).unwrap();
                        let after = published.load(Ordering::SeqCst);
                        assert!(
                            (before..=after + 1).contains(&answer.version),
                            "version {} answered between {before} and {after}",
                            answer.version
                        );
                        answers.lock().unwrap().push((id, answer.version));
                    }
                })
            })
            .collect();
        let (endpoint, published, versions, done) = (&endpoint, &published, &versions, &done);
        scope.spawn(move || {
            for next in 2..=6 {
                std::thread::yield_now();
                endpoint.publish(routed(&versions[next as usize - 1], None));
                published.store(next, Ordering::SeqCst);
                while !done.load(Ordering::SeqCst)
                    && endpoint.log_statistics().written < u64::from(next) * 100
                {
                    std::thread::yield_now();
                }
            }
        });
        for caller in callers {
            caller.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    endpoint.sync().unwrap();
    let mut logged: Vec<_> = read_predictions(&room.predictions())
        .unwrap()
        .1
        .into_iter()
        .map(|record| (record.request_id, record.version))
        .collect();
    let mut answers = answers.into_inner().unwrap();
    logged.sort();
    answers.sort();
    assert_eq!(answers.len(), CALLERS * REQUESTS);
    assert_eq!(logged, answers);
    assert_eq!(endpoint.log_statistics().dropped, 0);
}
