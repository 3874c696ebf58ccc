//! The history of metrics, and which point is the latest.

use std::collections::{BTreeMap, BTreeSet};

use ketch_tracking::{ErrorKind, Metric};
use proptest::prelude::*;

use crate::support::{Place, metric, shown, start};

#[test]
fn every_double_comes_back() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let values = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1 + 0.2,
        -1.0,
        9_007_199_254_740_993.0,
    ];
    for (step, value) in values.iter().enumerate() {
        store
            .log_metrics(&run, &[metric("m", *value, 1, step as i64)])
            .unwrap();
    }
    let history = store.metric_history(&run, "m").unwrap();
    let bits: Vec<_> = history.iter().map(|point| point.value.to_bits()).collect();
    assert_eq!(bits, values.map(f64::to_bits));
}

#[test]
fn extreme_steps_and_times_are_kept() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let points = [
        metric("m", 1.0, i64::MAX, i64::MIN),
        metric("m", 2.0, 0, i64::MAX),
    ];
    store.log_metrics(&run, &points).unwrap();
    assert_eq!(store.run(&run).unwrap().metrics["m"], points[1]);
    let history = store.metric_history(&run, "m").unwrap();
    assert_eq!(history, [points[1].clone(), points[0].clone()]);
}

#[test]
fn a_bad_point_refuses_the_whole_batch() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let good = metric("loss", 1.0, 1, 0);
    let error = store
        .log_metrics(&run, &[good.clone(), metric("loss", 1.0, -5, 0)])
        .unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    invalid metric timestamp `-5 of loss`: it is negative
    kind: INVALID_PARAMETER_VALUE
    hint: give the time in milliseconds since 1970
    ");
    let error = store
        .log_metrics(&run, &[good, metric("../loss", 1.0, 1, 0)])
        .unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    invalid metric name `../loss`: as a path it would be another name
    kind: INVALID_PARAMETER_VALUE
    hint: use letters, digits, `_`, `-`, `.`, `:`, spaces and single slashes between parts
    ");
    assert_eq!(error.kind(), ErrorKind::InvalidParameterValue);
    assert!(store.metric_history(&run, "loss").unwrap().is_empty());
}

/// The rule once more, the slow way: the greatest of all points, the first logged among equals.
fn latest(points: &[Metric]) -> BTreeMap<String, (i64, i64, String)> {
    let value = |m: &Metric| if m.value.is_nan() { 0.0 } else { m.value };
    let mut sorted: Vec<&Metric> = points.iter().rev().collect();
    sorted.sort_by(|a, b| {
        let earlier = (a.step, a.timestamp_ms).cmp(&(b.step, b.timestamp_ms));
        earlier.then(value(a).total_cmp(&value(b)))
    });
    // A later entry of the same key replaces an earlier one.
    let shown = |m: &Metric| (m.step, m.timestamp_ms, m.value.to_string());
    sorted
        .into_iter()
        .map(|m| (m.key.clone(), shown(m)))
        .collect()
}

fn any_point() -> impl Strategy<Value = Metric> {
    let value = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-2.5),
        any::<f64>().prop_map(|value| value + 0.0),
    ];
    let key = prop_oneof![Just("loss"), Just("validation/loss")];
    (key, value, 0..4_i64, -2..3_i64).prop_map(|(k, v, t, s)| metric(k, v, t, s))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn latest_and_history_do_not_depend_on_batches(
        batches in prop::collection::vec(prop::collection::vec(any_point(), 0..6), 0..5),
    ) {
        let place = Place::new();
        let store = place.open();
        let run = start(&store).id;
        for batch in &batches {
            store.log_metrics(&run, batch).unwrap();
        }
        let points = batches.concat();
        let stored: BTreeMap<_, _> = store.run(&run).unwrap().metrics.into_iter()
            .map(|(key, m)| (key, (m.step, m.timestamp_ms, m.value.to_string()))).collect();
        prop_assert_eq!(stored, latest(&points));

        let mut history = Vec::new();
        for key in ["loss", "validation/loss"] {
            let part = store.metric_history(&run, key).unwrap();
            prop_assert!(part.is_sorted_by_key(|m| (m.timestamp_ms, m.step)));
            history.extend(part);
        }
        let plain = |m: &Metric| (m.key.clone(), m.step, m.timestamp_ms, m.value.to_string());
        let distinct: BTreeSet<_> = points.iter().map(plain).collect();
        prop_assert_eq!(history.len(), distinct.len());
        prop_assert_eq!(history.iter().map(plain).collect::<BTreeSet<_>>(), distinct);
    }
}
