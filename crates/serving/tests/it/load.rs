//! A version is checked before it may see traffic.

use ketch_serving::{GoldenSample, ModelSource, ServingError, load_model};
use serde_json::json;

use crate::support::{BOOSTING, LOGISTIC, golden_file, golden_json, golden_sample, load};

fn source<'a>(bytes: &'a [u8], golden: Option<&'a GoldenSample>) -> ModelSource<'a> {
    ModelSource {
        name: "rain",
        version: 7,
        bytes,
        digest: "aa",
        registered_digest: "aa",
        golden,
    }
}

#[test]
fn a_version_that_answers_its_golden_sample_says_what_it_is() {
    for name in [LOGISTIC, BOOSTING, "ct_logreg", "hgb_nan", "linreg"] {
        let model = load(name, 3);
        assert_eq!((model.name(), model.version()), ("rain", 3), "{name}");
        assert_eq!((model.digest(), model.runtime()), ("d", "onnx-ml"));
    }
    let signature = serde_json::to_value(load(LOGISTIC, 1).signature()).unwrap();
    assert_eq!(
        signature,
        json!({
            "inputs": [{ "name": "X", "datatype": "FP32", "shape": [-1, 20] }],
            "outputs": [
                { "name": "label", "datatype": "INT64", "shape": [-1] },
                { "name": "probabilities", "datatype": "FP32", "shape": [-1, 2] },
            ],
        })
    );
}

#[test]
fn other_bytes_than_the_registered_ones_are_refused_before_they_are_read() {
    let error = load_model(ModelSource {
        registered_digest: "bb",
        ..source(b"not even a model", None)
    })
    .unwrap_err();
    assert!(matches!(error, ServingError::Digest { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "model `rain` version 7 has digest `aa`, but `bb` was registered"
    );
}

#[test]
fn what_is_no_model_is_refused() {
    let model = golden_file(LOGISTIC, "model.onnx");
    for bytes in [&b""[..], b"\x80\x04\x95pickle", b"<html>", b"PK\x03\x04"] {
        let error = load_model(source(bytes, None)).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "no runtime recognises these bytes as a model");
        assert!(error.hint().unwrap().contains("ONNX"), "{error}");
    }
    for length in [1, 2, 100, model.len() - 1] {
        let error = load_model(source(&model[..length], None)).unwrap_err();
        assert!(matches!(error, ServingError::Load { .. }), "{error:?}");
    }
}

#[test]
fn a_model_that_answers_otherwise_is_refused_with_the_row_and_both_values() {
    let bytes = golden_file(LOGISTIC, "model.onnx");
    let refusal = |golden: &serde_json::Value| {
        let golden = GoldenSample::parse(golden.to_string().as_bytes()).unwrap();
        let error = load_model(source(&bytes, Some(&golden))).unwrap_err();
        assert!(matches!(error, ServingError::Golden { .. }), "{error:?}");
        assert!(error.hint().is_some());
        error.to_string()
    };

    let mut golden = golden_json(LOGISTIC);
    let probability = golden["outputs"][1]["data"][7].as_f64().unwrap();
    golden["outputs"][1]["data"][7] = json!(probability + 0.001);
    let message = refusal(&golden);
    assert!(
        message.starts_with(
            "model `rain` version 7 fails its golden sample: output `probabilities`, row 3: answers "
        ),
        "{message}"
    );
    let expected: f64 = message.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((expected - probability - 0.001).abs() < 1e-6, "{message}");

    // Inverted labels, as one ONNX runtime gave for a LightGBM model whose probabilities were right.
    let mut golden = golden_json(LOGISTIC);
    for label in golden["outputs"][0]["data"].as_array_mut().unwrap() {
        *label = json!(1 - label.as_i64().unwrap());
    }
    assert!(refusal(&golden).contains("output `label`, row 0: answers "));

    let mut golden = golden_json(LOGISTIC);
    golden["outputs"][0]["name"] = json!("class");
    assert!(refusal(&golden).ends_with("the model has no output `class`"));

    let mut golden = golden_json(LOGISTIC);
    golden["outputs"][0]["shape"] = json!([100, 1]);
    assert!(refusal(&golden).ends_with("output `label` has shape [100], expected [100, 1]"));

    let mut golden = golden_json(LOGISTIC);
    golden["inputs"][0]["name"] = json!("Y");
    assert!(refusal(&golden).contains("the model fails: the model has no input `Y`"));

    // The sample of another model.
    let other = golden_sample(BOOSTING);
    assert!(load_model(source(&bytes, Some(&other))).is_err());
}

#[test]
fn a_float32_answer_may_differ_in_its_last_digits() {
    let bytes = golden_file(LOGISTIC, "model.onnx");
    let mut golden = golden_json(LOGISTIC);
    let probability = golden["outputs"][1]["data"][0].as_f64().unwrap();
    golden["outputs"][1]["data"][0] = json!(probability + 2e-6);
    let golden = GoldenSample::parse(golden.to_string().as_bytes()).unwrap();
    load_model(source(&bytes, Some(&golden))).unwrap();
}

#[test]
fn a_golden_sample_that_says_nothing_is_no_sample() {
    let tensor = json!({ "name": "X", "shape": [0, 20], "datatype": "FP32", "data": [] });
    let row = json!({ "name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1, 2] });
    let texts = [
        String::new(),
        "{".to_owned(),
        json!({ "inputs": [row] }).to_string(),
        json!({ "inputs": [], "outputs": [row] }).to_string(),
        json!({ "inputs": [tensor], "outputs": [row] }).to_string(),
        json!({ "inputs": [row], "outputs": [] }).to_string(),
        json!({ "inputs": [row], "outputs": [row], "extra": 1 }).to_string(),
        json!({ "inputs": [row], "outputs": [{ "name": "p", "shape": [3], "datatype": "FP32",
                "data": [1] }] })
        .to_string(),
    ];
    for text in texts {
        let error = GoldenSample::parse(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ServingError::GoldenFormat { .. }),
            "{text}: {error:?}"
        );
    }
}
