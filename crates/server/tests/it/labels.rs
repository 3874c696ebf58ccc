//! `POST /labels`.

use serde_json::json;

use crate::{
    fixture::{Fixture, request},
    http::post,
};

#[test]
fn labels_are_joined_and_each_is_told_what_became_of_it() {
    let fixture = Fixture::new();
    let mut body = request(2);
    body["id"] = json!("a");
    fixture.infer(&body).ok();
    let label = |body| fixture.send(&post("/labels", &body)).ok();
    let first = json!({ "labels": [
        { "request_id": "a", "label": 1 },
        { "request_id": "a", "row": 1, "label": 0.0 },
        { "request_id": "a", "row": 2, "label": 0 },
        { "request_id": "nobody", "label": 1 },
    ] });
    assert_eq!(
        label(first),
        json!({ "joined": 2, "duplicate": 0, "corrected": 0, "unknown": ["a", "nobody"] })
    );
    let again = json!({ "model": "rain", "labels": [
        { "request_id": "a", "row": 0, "label": 1 },
        { "request_id": "a", "row": 1, "label": 1 },
    ] });
    assert_eq!(
        label(again),
        json!({ "joined": 0, "duplicate": 1, "corrected": 1, "unknown": [] })
    );
    fixture.handle.settle().unwrap();
    let snapshot = fixture.handle.snapshot();
    assert_eq!((snapshot.served, snapshot.labelled), (2, 2));
}

#[test]
fn labels_that_cannot_be_are_refused_whole() {
    let fixture = Fixture::new();
    let error = |body, status| fixture.send(&post("/labels", &body)).error(status);
    assert_eq!(
        error(json!({ "model": "snow", "labels": [] }), 404),
        "no model is called `snow`"
    );
    for body in [
        json!({}),
        json!({ "labels": [{ "request_id": "a" }] }),
        json!({ "labels": [{ "request_id": "a", "label": null }] }),
        json!({ "labels": [{ "request_id": "a", "label": "NaN" }] }),
        json!({ "labels": [{ "request_id": "a", "label": 1, "weight": 2 }] }),
        json!({ "labels": [], "modle": "rain" }),
    ] {
        let message = error(body.clone(), 400);
        assert!(
            message.starts_with("the body is not the JSON expected here"),
            "{body}: {message}"
        );
    }
    let many = vec![json!({ "request_id": "a", "label": 1 }); 100_001];
    assert_eq!(
        error(json!({ "labels": many }), 400),
        "a request has at most 100000 labels"
    );
}
