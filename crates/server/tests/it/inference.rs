//! The Open Inference Protocol v2 in its JSON form.

use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, answers, request, rows},
    http::{Answer, get, post},
};

fn assert_reference(answer: &Answer, count: usize) {
    let body = answer.ok();
    assert_eq!(body["outputs"][0]["shape"], json!([count]), "{body}");
    assert_eq!(body["outputs"][1]["shape"], json!([count, 2]), "{body}");
    for (row, (label, probability)) in answers(count).into_iter().enumerate() {
        assert_eq!(body["outputs"][0]["data"][row].as_f64(), Some(label));
        let answered = body["outputs"][1]["data"][row * 2 + 1].as_f64().unwrap();
        assert!((answered - probability).abs() < 1e-6, "row {row}");
    }
}

#[test]
fn health_and_metadata() {
    let fixture = Fixture::new();
    let ok = |path: &str| fixture.send(&get(path)).ok();
    assert_eq!(ok("/v2/health/live"), json!({ "live": true }));
    assert_eq!(ok("/v2/health/ready"), json!({ "ready": true }));
    let server = json!({ "name": "ketch", "version": "0.0.0-test", "extensions": [] });
    assert_eq!((ok("/v2"), ok("/v2/")), (server.clone(), server));
    let model = json!({
        "name": "rain",
        "versions": ["1"],
        "platform": "onnx-ml",
        "inputs": [{ "name": "X", "datatype": "FP32", "shape": [-1, 20] }],
        "outputs": [
            { "name": "label", "datatype": "INT64", "shape": [-1] },
            { "name": "probabilities", "datatype": "FP32", "shape": [-1, 2] },
        ],
    });
    assert_eq!(ok("/v2/models/rain"), model);
    assert_eq!(ok("/v2/models/rain/versions/1"), model);
    let ready = json!({ "name": "rain", "ready": true });
    assert_eq!(ok("/v2/models/rain/ready"), ready);
    assert_eq!(ok("/v2/models/rain/versions/1/ready"), ready);
}

#[test]
fn unknown_names_and_versions_are_told_apart() {
    let fixture = Fixture::new();
    let error = |path: &str, status| fixture.send(&get(path)).error(status);
    for path in [
        "/v2/models/snow",
        "/v2/models/snow/ready",
        "/v2/models/snow/versions/1",
    ] {
        assert_eq!(error(path, 404), "no model is called `snow`");
    }
    // Version 2 is registered, but nothing has asked for it to be loaded.
    for path in [
        "/v2/models/rain/versions/2",
        "/v2/models/rain/versions/2/ready",
    ] {
        assert_eq!(
            error(path, 404),
            "version `2` of model `rain` is not loaded"
        );
    }
    assert_eq!(
        error("/v2/models/rain/versions/two", 400),
        "`two` is no version; they are numbers"
    );
    assert_eq!(error("/v2/nothing", 404), "no such address");
    assert_eq!(error("/models/snow", 404), "no model is called `snow`");

    let infer = |path: &str, status| fixture.send(&post(path, &request(1))).error(status);
    assert_eq!(
        infer("/v2/models/snow/infer", 404),
        "no model is called `snow`"
    );
    assert_eq!(
        infer("/v2/models/rain/versions/2/infer", 404),
        "version `2` of model `rain` is not loaded"
    );
}

#[test]
fn nested_flat_and_versioned_requests_have_the_makers_answer() {
    let fixture = Fixture::new();
    let nested = request(3);
    let mut flat = request(3);
    flat["inputs"][0]["data"] = json!(rows(3).concat());
    for body in [nested.clone(), flat] {
        let answer = fixture.infer(&body);
        assert_reference(&answer, 3);
        assert_eq!(answer.header("x-model-version"), Some("1"));
        assert_eq!(answer.header("x-variant"), Some("champion"));
        assert_eq!(answer.header("x-rollout-id"), None);
        let body = answer.json();
        assert_eq!(
            (&body["model_name"], &body["model_version"]),
            (&json!("rain"), &json!("1"))
        );
    }
    let pinned = fixture.send(&post("/v2/models/rain/versions/1/infer", &nested));
    assert_reference(&pinned, 3);
    assert_eq!(pinned.header("x-variant"), Some("pinned"));
    assert_reference(&fixture.infer(&request(100)), 100);
}

#[test]
fn a_given_id_comes_back_and_a_missing_one_is_made() {
    let fixture = Fixture::new();
    let mut body = request(1);
    let made: Vec<Value> = (0..2)
        .map(|_| fixture.infer(&body).ok()["id"].clone())
        .collect();
    assert_ne!(made[0], made[1]);
    assert_eq!(made[0].as_str().unwrap().len(), 36, "a UUID");
    body["id"] = json!("zürich/42 ☂");
    assert_eq!(fixture.infer(&body).ok()["id"], "zürich/42 ☂");
    body["id"] = json!("");
    assert!(
        fixture
            .infer(&body)
            .error(400)
            .starts_with("`id` must have 1 to 256")
    );
    body["id"] = json!(7);
    assert!(
        fixture
            .infer(&body)
            .error(400)
            .contains("expected a string")
    );
}

#[test]
fn only_the_outputs_asked_for_come_back() {
    let fixture = Fixture::new();
    let mut body = request(2);
    body["outputs"] = json!([{ "name": "label" }]);
    let outputs = fixture.infer(&body).ok()["outputs"].clone();
    assert_eq!(outputs.as_array().unwrap().len(), 1);
    assert_eq!(outputs[0]["datatype"], "INT64");
}

#[test]
fn a_bad_request_says_what_does_not_fit() {
    let fixture = Fixture::new();
    let path = "/v2/models/rain/infer";
    for text in ["", "{", "[]", "null", "{\"inputs\": 3}", "{}", "\u{0}"] {
        let message = fixture
            .send(&crate::http::Request::new("POST", path).text(text))
            .error(400);
        assert!(
            message.starts_with("the body is not the JSON expected here: "),
            "{text}: {message}"
        );
    }
    // Brackets without end do not reach the end of the stack.
    let deep = format!("{{\"inputs\": {}", "[".repeat(100_000));
    fixture
        .send(&crate::http::Request::new("POST", path).text(&deep))
        .error(400);

    let mut narrow = request(1);
    narrow["inputs"][0]["shape"] = json!([1, 19]);
    narrow["inputs"][0]["data"] = json!(vec![0.5; 19]);
    let answer = fixture.infer(&narrow);
    assert_eq!(
        answer.error(400),
        "input `X` must have shape [?, 20], not [1, 19]"
    );
    assert_eq!(
        answer.json()["hint"],
        "`GET /v2/models/NAME` shows the inputs the model takes"
    );
    let mut negative = request(1);
    negative["inputs"][0]["shape"] = json!([-1, 20]);
    fixture.infer(&negative).error(400);
    let mut half = request(1);
    half["inputs"][0]["datatype"] = json!("FP16");
    let message = fixture.infer(&half).error(400);
    assert!(message.contains("FP16"), "{message}");
}

#[test]
fn binary_tensors_are_refused_with_the_way_out() {
    let fixture = Fixture::new();
    let request =
        post("/v2/models/rain/infer", &request(1)).header("inference-header-content-length", "100");
    let message = fixture.send(&request).error(400);
    assert!(message.contains("`binary_data=False`"), "{message}");
}
