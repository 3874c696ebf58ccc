//! The client that users of the protocol have: tritonclient.

use std::process::Command;

use ketch_testkit::{CommandOutput, assert_no_forgotten_test_files, peer};
use serde_json::{Value, json};

use crate::fixture::{Fixture, LOGISTIC, golden};

const CLIENT: &str = include_str!("tritonclient_peer.py");

#[test]
fn tritonclient_in_its_json_mode_gets_the_makers_answers() {
    let Some(python) = peer("python/bin/python") else {
        return;
    };
    let fixture = Fixture::new();
    let reference = fixture.root.join("reference.json");
    fs_err::write(&reference, golden(LOGISTIC).to_string()).unwrap();
    let output = CommandOutput::of(
        Command::new(python)
            .args(["-c", CLIENT])
            .arg(fixture.address().to_string())
            .arg(&reference),
    )
    .success();
    let report: Value = serde_json::from_str(&output.stdout).unwrap();

    assert_eq!(report["live"], true);
    assert_eq!(report["ready"], json!([true, true, true, false, false]));
    assert_eq!(report["server"]["name"], "ketch");
    assert_eq!(report["metadata"]["platform"], "onnx-ml");
    assert_eq!(report["metadata"]["inputs"][0]["shape"], json!([-1, 20]));

    assert_eq!(report["rows"], 100);
    assert_eq!(report["wrong_labels"], 0);
    for difference in ["by_name", "by_version", "one_by_one", "outputs_not_named"] {
        let found = report["differences"][difference].as_f64().unwrap();
        assert!(found <= 1e-6, "{difference}: {found}");
    }
    assert_eq!(report["id"], "day-17");
    assert_eq!(report["versions"], json!(["1", "1"]));
    assert_eq!(report["dtypes"], json!(["int64", "float32"]));

    let errors = report["errors"].as_object().unwrap();
    let of = |name: &str| {
        let error = &errors[name];
        (
            error["status"].as_str().unwrap(),
            error["message"].as_str().unwrap(),
        )
    };
    assert_eq!(
        of("width"),
        ("400", "input `X` must have shape [?, 20], not [1, 19]")
    );
    assert_eq!(of("model"), ("404", "no model is called `snow`"));
    assert_eq!(
        of("version"),
        ("404", "version `9` of model `rain` is not loaded")
    );
    assert_eq!(of("output"), ("400", "the model has no output `colour`"));
    let (status, message) = of("binary");
    assert!(
        status == "400" && message.contains("`binary_data=False`"),
        "{message}"
    );
    assert_eq!(of("compressed").0, "415");
}

#[test]
fn no_test_file_is_forgotten() {
    assert_no_forgotten_test_files(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"));
}
