//! Labels are joined with the predictions they belong to, once, and stay joined.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ketch_serving::{
    Endpoint, Label, LabelOutcome, LabelledPrediction, LogOptions, PredictionObserver,
    PredictionRecord, Recovered, ServingError, Variant, read_labelled,
};

use crate::support::{Room, at, infer, infer_pinned, names, open_in, request, serving};

fn label(request_id: &str, row: i64, label: f64) -> Label {
    Label {
        request_id: request_id.to_owned(),
        row,
        label,
    }
}

fn answer(endpoint: &Endpoint, id: &str, rows: usize) {
    infer(endpoint, id, request(&vec![vec![0.5; 20]; rows])).unwrap();
}

fn words(outcomes: &[LabelOutcome]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            LabelOutcome::Joined(_) => "joined",
            LabelOutcome::Duplicate => "duplicate",
            LabelOutcome::Corrected => "corrected",
            LabelOutcome::Unknown => "unknown",
        })
        .collect()
}

fn keys(labelled: &[LabelledPrediction]) -> Vec<(String, i64, f64)> {
    labelled
        .iter()
        .map(|row| {
            (
                row.prediction.request_id.clone(),
                row.prediction.row,
                row.label,
            )
        })
        .collect()
}

fn reopened(room: &Room) -> Recovered {
    open_in(&room.path, LogOptions::default()).1
}

#[test]
fn every_label_is_told_what_became_of_it() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    answer(&endpoint, "a", 2);
    answer(&endpoint, "b", 1);
    let arrive = |labels: &[Label]| words(&endpoint.label(labels, at(9)).unwrap());
    assert_eq!(arrive(&[]), Vec::<&str>::new());
    assert_eq!(
        arrive(&[
            label("a", 1, 1.0),
            label("nobody", 0, 1.0),
            label("a", 2, 1.0),
            label("a", -1, 0.0)
        ]),
        ["joined", "unknown", "unknown", "unknown"]
    );
    assert_eq!(
        arrive(&[
            label("a", 1, 1.0),
            label("b", 0, 0.0),
            label("b", 0, 0.0),
            label("b", 0, 1.0)
        ]),
        ["duplicate", "joined", "duplicate", "corrected"]
    );
    assert_eq!(arrive(&[label("a", 1, 0.0)]), ["corrected"]);
    assert_eq!(
        arrive(&[label("a", 1, 0.0), label("b", 0, 1.0)]),
        ["duplicate", "duplicate"]
    );

    let read = read_labelled(&room.predictions(), &room.labels()).unwrap();
    assert_eq!(
        keys(&read),
        [("a".to_owned(), 1, 0.0), ("b".to_owned(), 0, 1.0)],
        "corrected, in the order in which the labels came"
    );
}

#[test]
fn what_is_unknown_stays_so_when_it_is_said_twice() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let outcomes = endpoint
        .label(
            &[label("x", 0, 1.0), label("x", 0, 1.0), label("x", 0, 0.0)],
            at(0),
        )
        .unwrap();
    assert_eq!(words(&outcomes), ["unknown", "unknown", "unknown"]);
    assert_eq!(
        names(&room.labels()),
        Vec::<String>::new(),
        "nothing to join with was written"
    );
}

#[test]
fn an_answer_is_wrong_when_it_differs_from_its_label_or_is_missing() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let predicted = {
        let answer = infer(&endpoint, "a", request(&[vec![0.5; 20], vec![0.5; 20]])).unwrap();
        answer.response.outputs[0].data[0].as_f64().unwrap()
    };
    let outcomes = endpoint
        .label(
            &[label("a", 0, predicted), label("a", 1, 1.0 - predicted)],
            at(0),
        )
        .unwrap();
    let rows: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            LabelOutcome::Joined(row) => row,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(!rows[0].is_wrong() && rows[1].is_wrong());
    let mut missing = rows[0].clone();
    missing.prediction.predicted = None;
    assert!(missing.is_wrong());
}

#[test]
fn the_next_start_knows_labels_and_waiting_predictions() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    answer(&endpoint, "a", 3);
    answer(&endpoint, "b", 1);
    endpoint
        .label(&[label("b", 0, 1.0), label("a", 2, 0.0)], at(0))
        .unwrap();
    endpoint.label(&[label("b", 0, 0.0)], at(1)).unwrap();
    endpoint.close().unwrap();
    drop(endpoint);

    let (endpoint, recovered) = serving(&room.path, LogOptions::default());
    assert_eq!(recovered.predictions.len(), 4);
    let order: Vec<_> = keys(&recovered.labelled)
        .into_iter()
        .map(|(id, row, _)| (id, row))
        .collect();
    assert_eq!(order, [("b".to_owned(), 0), ("a".to_owned(), 2)]);
    let outcomes = endpoint
        .label(
            &[
                label("a", 0, 1.0),
                label("a", 2, 0.0),
                label("b", 0, 0.0),
                label("b", 0, 1.0),
                label("c", 0, 1.0),
            ],
            at(2),
        )
        .unwrap();
    assert_eq!(
        words(&outcomes),
        ["joined", "duplicate", "duplicate", "corrected", "unknown"]
    );
}

#[test]
fn a_label_is_never_on_the_disk_without_its_prediction() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let mut labelled = 0;
    for number in 0..40 {
        let id = format!("r{number}");
        answer(&endpoint, &id, 1);
        if number % 2 == 0 {
            let outcome = endpoint.label(&[label(&id, 0, 1.0)], at(0)).unwrap();
            assert_eq!(words(&outcome), ["joined"]);
            labelled += 1;
        }
        if number % 8 == 0 {
            let after = reopened(&room.crashed());
            assert_eq!(after.labelled.len(), labelled, "after {number}");
        }
    }
}

#[test]
fn callers_beside_each_other_cannot_part_a_label_from_its_prediction() {
    const CALLERS: usize = 4;
    const REQUESTS: usize = 60;

    /// Makes room for others between the steps of one answer.
    struct Slow;
    impl PredictionObserver for Slow {
        fn predicted(&self, _record: &PredictionRecord) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    endpoint.observe(Arc::new(Slow));
    let acknowledged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (endpoint, acknowledged, room) = (&endpoint, &acknowledged, &room);
            scope.spawn(move || {
                for number in 0..REQUESTS {
                    let id = format!("{caller}-{number}");
                    answer(endpoint, &id, 1);
                    let outcome = endpoint.label(&[label(&id, 0, 0.0)], at(0)).unwrap();
                    assert_eq!(words(&outcome), ["joined"]);
                    let before = acknowledged.fetch_add(1, Ordering::SeqCst) + 1;
                    if number % 4 == 3 {
                        // The labels first: what they belong to must be there even earlier.
                        let copy = Room::new();
                        fs_err::create_dir_all(copy.labels()).unwrap();
                        for name in names(&room.labels()) {
                            fs_err::copy(room.labels().join(&name), copy.labels().join(&name))
                                .unwrap();
                        }
                        let joined = read_labelled(&room.predictions(), &copy.labels()).unwrap();
                        assert!(joined.len() >= before, "{} of {before}", joined.len());
                    }
                }
            });
        }
    });
    assert_eq!(reopened(&room.crashed()).labelled.len(), CALLERS * REQUESTS);
}

#[test]
fn a_prediction_that_was_dropped_can_have_no_label_and_is_not_observed() {
    struct Nobody;
    impl PredictionObserver for Nobody {
        fn predicted(&self, record: &PredictionRecord) {
            panic!("a replay of the log would not show {record:?}");
        }
    }

    let room = Room::new();
    let tiny = LogOptions {
        maximum_queue_bytes: 16,
        ..LogOptions::default()
    };
    let (endpoint, _) = serving(&room.path, tiny);
    endpoint.observe(Arc::new(Nobody));
    answer(&endpoint, "a", 1);
    let outcomes = endpoint.label(&[label("a", 0, 1.0)], at(0)).unwrap();
    assert_eq!(words(&outcomes), ["unknown"]);
}

#[test]
fn a_label_whose_prediction_cannot_be_written_is_refused_until_it_can() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    fs_err::remove_dir_all(room.predictions()).unwrap();
    answer(&endpoint, "a", 1);
    for _ in 0..2 {
        let error = endpoint.label(&[label("a", 0, 1.0)], at(0)).unwrap_err();
        assert!(
            matches!(
                error,
                ServingError::Log {
                    log: "prediction",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    answer(&endpoint, "b", 1);
    fs_err::create_dir_all(room.predictions()).unwrap();
    let outcomes = endpoint
        .label(&[label("a", 0, 1.0), label("b", 0, 1.0)], at(0))
        .unwrap();
    assert_eq!(words(&outcomes), ["joined", "joined"]);
    assert_eq!(reopened(&room.crashed()).labelled.len(), 2);
}

#[test]
fn a_pinned_prediction_takes_no_label_before_or_after_a_restart() {
    let room = Room::new();
    let (endpoint, _) = serving(&room.path, LogOptions::default());
    let pinned = infer_pinned(&endpoint, "p", request(&[vec![0.5; 20]]), Some(1)).unwrap();
    assert_eq!(pinned.variant, Variant::Pinned);
    let arrive =
        |endpoint: &Endpoint| words(&endpoint.label(&[label("p", 0, 1.0)], at(0)).unwrap());
    assert_eq!(arrive(&endpoint), ["unknown"]);
    drop(endpoint);
    let (endpoint, recovered) = serving(&room.path, LogOptions::default());
    assert_eq!(recovered.predictions.len(), 1);
    assert_eq!(arrive(&endpoint), ["unknown"]);
}

#[test]
fn a_label_in_json_has_a_number_and_nothing_unknown() {
    let read = |text: &str| serde_json::from_str::<Label>(text);
    assert_eq!(
        read(r#"{"request_id":"a","label":1}"#).unwrap(),
        label("a", 0, 1.0)
    );
    for text in [
        r#"{"request_id":"a"}"#,
        r#"{"request_id":"a","label":null}"#,
        r#"{"request_id":"a","label":1,"rows":3}"#,
        r#"{"request_id":1,"label":1}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}
