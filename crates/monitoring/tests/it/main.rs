//! `ketch-monitoring` against `SciPy`, scikit-learn and River, and against what statistics promises.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod detectors;
mod drift;
mod drift_report;
mod performance;
mod random;

use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn assert_close(found: f64, expected: f64, relative: f64) {
    let distance = (found - expected).abs();
    assert!(
        distance <= relative * expected.abs(),
        "{found} is not {expected}: off by {distance}"
    );
}
