//! Rows and labels as callers really send them: late, together, twice, with holes.

use ketch_control::{EventKind, LabelSummary};
use ketch_serving::Label;
use serde_json::json;

use crate::{
    fixture::{Fixture, Setup, id, infer, label, label_of, names, request, serve, serve_and_label},
    stream::{Row, Stream},
};

const CHANGE: usize = 300;

fn learning() -> Fixture {
    Fixture::new(Setup {
        change: CHANGE - 40,
        ..Setup::default()
    })
}

#[test]
fn labels_in_batches_days_later_turn_the_loop_too() {
    let fixture = learning();
    let running = fixture.start();
    let rows = Stream::inverting(41, 1_200, CHANGE).rows();
    let (mut waiting, late): (Vec<&Row>, usize) = (Vec::new(), 40);
    let mut order = Vec::new();
    for row in &rows {
        serve(&running.handle, row);
        waiting.push(row);
        if waiting.len() == 30 + late {
            // Not in the order in which they were served.
            let batch: Vec<&Row> = waiting.drain(..30).rev().collect();
            order.extend(batch.iter().map(|row| row.index as f64));
            let batch: Vec<Label> = batch.into_iter().map(label_of).collect();
            let summary = running.handle.label(&batch).unwrap();
            assert_eq!(summary.joined, 30);
            running.handle.settle().unwrap();
        }
    }
    running.no_failures();
    let events = fixture.journal();
    let expected = [
        "released",
        "incident_opened",
        "retrain_started",
        "retrain_finished",
        "gate_checked",
        "rollout_started",
        "rollout_advanced",
        "promoted",
        "incident_resolved",
        "retrain_started",
    ];
    assert_eq!(names(&events)[..expected.len()], expected);
    assert_eq!(
        events
            .iter()
            .filter(|event| event.kind.name() == "incident_opened")
            .count(),
        1,
        "late labels of the version before say nothing about the new one"
    );
    for event in &events {
        if let EventKind::RetrainStarted {
            window, holdout, ..
        } = event.kind
        {
            let labelled = event.position.labelled as usize;
            let kept = &order[labelled - holdout as usize..labelled];
            let (first, last) = window.unwrap();
            assert!(
                first < last && kept.iter().all(|place| *place >= last),
                "{event:?}"
            );
        }
    }
    let before = running.handle.snapshot();
    running.stop();
    let running = fixture.start();
    running.handle.settle().unwrap();
    let after = running.handle.snapshot();
    assert_eq!(after.state, before.state);
    assert_eq!(
        (after.served, after.labelled),
        (before.served, before.labelled)
    );
    assert_eq!(after.quality, before.quality);
    assert_eq!(after.drift, before.drift);
    assert_eq!(after.events, before.events);
    running.stop();
}

#[test]
fn a_second_label_for_a_row_counts_once() {
    let fixture = Fixture::new(Setup::default());
    let running = fixture.start();
    let rows = Stream::steady(42, 3).rows();
    for row in &rows {
        serve(&running.handle, row);
    }
    let first = label_of(&rows[0]);
    let corrected = Label {
        label: 1.0 - first.label,
        ..first.clone()
    };
    let unknown = Label {
        request_id: "nobody".to_owned(),
        ..first.clone()
    };
    let summary = running
        .handle
        .label(&[first.clone(), first.clone(), label_of(&rows[1]), unknown])
        .unwrap();
    assert_eq!(
        summary,
        LabelSummary {
            joined: 2,
            duplicate: 1,
            corrected: 0,
            unknown: vec!["nobody".to_owned()],
        }
    );
    assert_eq!(running.handle.label(&[first]).unwrap().duplicate, 1);
    assert_eq!(
        running
            .handle
            .label(std::slice::from_ref(&corrected))
            .unwrap()
            .corrected,
        1
    );
    running.handle.settle().unwrap();
    assert_eq!(running.handle.snapshot().labelled, 2);
    running.stop();
    // The same after a restart.
    let running = fixture.start();
    assert_eq!(running.handle.snapshot().labelled, 2);
    assert_eq!(
        running
            .handle
            .label(std::slice::from_ref(&corrected))
            .unwrap()
            .duplicate,
        1
    );
    assert_eq!(label(&running.handle, &rows[2]).joined, 1);
    assert_eq!(running.handle.snapshot().labelled, 3);
    let chain = ketch_control::why(&fixture.open(), &id(&rows[0])).unwrap();
    assert_eq!(
        chain.label,
        Some(corrected.label),
        "the corrected one is shown"
    );
    running.stop();
}

#[test]
fn rows_without_a_place_in_time_give_a_retrain_without_a_window() {
    let fixture = learning();
    let running = fixture.start();
    for row in &Stream::inverting(43, 600, CHANGE).rows() {
        infer(&running.handle, &id(row), request(&[row.features], None)).unwrap();
        label(&running.handle, row);
    }
    let events = fixture.journal();
    assert_eq!(names(&events)[1..3], ["incident_opened", "retrain_started"]);
    assert!(
        matches!(
            events[1].kind,
            EventKind::IncidentOpened {
                changed_at: None,
                ..
            }
        ),
        "{:?}",
        events[1]
    );
    // Nothing says which rows are the new ones, so nothing better can be learnt, and that is
    // said instead of a model of the old rows being made once more.
    let EventKind::RetrainFailed { reason, .. } = &events[3].kind else {
        panic!("{:?}", events[3]);
    };
    assert!(reason.contains("`row`"), "{reason}");
    assert_eq!(running.routed(), (1, None));
    running.no_failures();
    running.stop();
}

#[test]
fn the_last_place_in_time_that_is_known_survives_a_restart() {
    let fixture = Fixture::new(Setup::default());
    let running = fixture.start();
    let rows = Stream::steady(44, 2).rows();
    serve_and_label(&running.handle, &rows[0]);
    infer(&running.handle, "row-1", request(&[rows[1].features], None)).unwrap();
    label(&running.handle, &rows[1]);
    assert_eq!(running.handle.snapshot().observed_at, Some(0.0));
    running.stop();
    let running = fixture.start();
    assert_eq!(running.handle.snapshot().observed_at, Some(0.0));
    running.stop();
}

#[test]
fn missing_values_do_not_blind_the_loop() {
    let fixture = learning();
    let running = fixture.start();
    let rows = Stream::inverting(45, 900, CHANGE).rows();
    for row in &rows {
        if row.index % 50 == 20 {
            let holed = serde_json::from_value(json!({
                "parameters": { "row": row.index },
                "inputs": [{
                    "name": "features",
                    "shape": [1, 2],
                    "datatype": "FP32",
                    "data": [null, row.features[1]],
                }],
            }))
            .unwrap();
            infer(&running.handle, &id(row), holed).unwrap();
            label(&running.handle, row);
        } else {
            serve_and_label(&running.handle, row);
        }
    }
    running.no_failures();
    let events = fixture.journal();
    let found: Vec<_> = names(&events).into_iter().take(9).collect();
    assert_eq!(
        found,
        [
            "released",
            "incident_opened",
            "retrain_started",
            "retrain_finished",
            "gate_checked",
            "rollout_started",
            "rollout_advanced",
            "promoted",
            "incident_resolved",
        ]
    );
    let quality = running.handle.snapshot().quality;
    assert!(
        quality.iter().all(|point| point.roc_auc.is_some()),
        "{quality:?}"
    );
    running.stop();
    let running = fixture.start();
    assert_eq!(running.handle.snapshot().quality, quality);
    running.stop();
}

#[test]
fn every_row_of_a_request_counts_and_pinned_ones_do_not() {
    let fixture = Fixture::new(Setup::default());
    fixture.register_flipped();
    let running = fixture.start();
    let rows = Stream::steady(46, 12).rows();
    let matrix: Vec<_> = rows.iter().take(10).map(|row| row.features).collect();
    infer(&running.handle, "together", request(&matrix, Some(0.0))).unwrap();
    running
        .handle
        .endpoint()
        .infer(
            "pinned",
            request(&matrix[..1], Some(0.0)),
            Some(1),
            jiff::Timestamp::UNIX_EPOCH,
        )
        .unwrap();
    let labels: Vec<_> = rows
        .iter()
        .take(10)
        .map(|row| Label {
            request_id: "together".to_owned(),
            row: row.index as i64,
            label: row.label,
        })
        .collect();
    let pinned = Label {
        request_id: "pinned".to_owned(),
        ..labels[0].clone()
    };
    assert_eq!(running.handle.label(&labels).unwrap().joined, 10);
    assert_eq!(
        running
            .handle
            .label(std::slice::from_ref(&pinned))
            .unwrap()
            .unknown,
        ["pinned"]
    );
    running.handle.settle().unwrap();
    let before = running.handle.snapshot();
    assert_eq!((before.served, before.labelled), (10, 10));
    running.stop();
    let running = fixture.start();
    let after = running.handle.snapshot();
    assert_eq!((after.served, after.labelled), (10, 10));
    assert_eq!(
        running.handle.label(&[pinned]).unwrap().unknown,
        ["pinned"],
        "a restart makes no evidence of it either"
    );
    running.stop();
}
