//! What a person may tell the loop, and who may.

use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, TOKEN, request},
    http::{Answer, get, post},
};

const MODEL: &str = "/api/control/models/rain";

fn deploy(fixture: &Fixture, body: &Value) -> Answer {
    fixture.send(&post(&format!("{MODEL}/deploy"), body).token(TOKEN))
}

fn roll_back(fixture: &Fixture, body: &Value) -> Answer {
    fixture.send(&post(&format!("{MODEL}/rollback"), body).token(TOKEN))
}

fn snapshot(fixture: &Fixture) -> Value {
    fixture.send(&get(MODEL)).ok()
}

#[test]
fn a_change_needs_the_token() {
    let fixture = Fixture::new();
    let forced = json!({ "version": 2, "actor": "ana", "force": "to see it" });
    let back = json!({ "actor": "ana", "reason": "to see it" });
    for (path, body) in [("deploy", &forced), ("rollback", &back)] {
        let bare = || post(&format!("{MODEL}/{path}"), body);
        for request in [
            bare(),
            bare().token("wrong"),
            bare().token(""),
            bare().token(&format!("{TOKEN}0")),
            bare().header("authorization", TOKEN),
            bare().header("authorization", &format!("Basic {TOKEN}")),
        ] {
            let message = fixture.send(&request).error(401);
            assert!(
                message.contains(".ketch/token") && !message.contains(TOKEN),
                "{message}"
            );
        }
    }
    let state = snapshot(&fixture);
    assert_eq!(state["state"]["champion"], 1);
    assert_eq!(
        state["events"].as_array().unwrap().len(),
        1,
        "only the first release"
    );
}

#[test]
fn the_gate_refuses_a_version_without_labels_to_compare_on() {
    let fixture = Fixture::new();
    let answer = deploy(&fixture, &json!({ "version": 2, "actor": "ana" }));
    let message = answer.error(409);
    assert!(
        message.starts_with("the gate refuses version 2: "),
        "{message}"
    );
    assert!(answer.json()["hint"].as_str().unwrap().contains("--force"));
    assert_eq!(snapshot(&fixture)["phase"], "watching");
}

#[test]
fn what_cannot_be_deployed_says_why() {
    let fixture = Fixture::new();
    let error = |body: Value, status| deploy(&fixture, &body).error(status);
    assert_eq!(
        error(json!({ "version": 1, "actor": "ana" }), 409),
        "version 1 is the champion already"
    );
    let unknown = error(json!({ "version": 9, "actor": "ana" }), 404);
    assert!(unknown.contains('9'), "{unknown}");
    assert_eq!(
        error(json!({ "version": 2, "actor": " " }), 400),
        "`actor` must name who asks"
    );
    assert_eq!(
        error(json!({ "version": 2, "actor": "ana", "force": "" }), 400),
        "`force` must say why"
    );
    error(json!({ "version": -2, "actor": "ana" }), 400);
    error(json!({ "version": 2, "actor": "ana", "hurry": true }), 400);
    let body = json!({ "version": 2, "actor": "ana" });
    let other = post("/api/control/models/snow/deploy", &body).token(TOKEN);
    assert_eq!(fixture.send(&other).error(404), "no model is called `snow`");
    assert_eq!(fixture.send(&get("/api/control/models/snow")).status, 404);
}

#[test]
fn a_forced_version_gets_its_share_and_is_taken_back() {
    let fixture = Fixture::new();
    // Nothing to take back yet: the champion stays.
    let back = json!({ "actor": "ana", "reason": "it looks wrong" });
    let nothing = json!({ "rolled_back": null, "champion": 1 });
    assert_eq!(roll_back(&fixture, &back).ok(), nothing);

    let forced = json!({ "version": 2, "actor": "ana", "force": "to see it" });
    assert_eq!(deploy(&fixture, &forced).ok()["passed"], false);
    let message = deploy(&fixture, &forced).error(409);
    assert_eq!(message, "rollout-1 is trying version 2 at this moment");

    let variants = |count: usize| -> Vec<(String, String, Option<String>)> {
        (0..count)
            .map(|number| {
                let mut body = request(1);
                body["id"] = json!(format!("user-{number}"));
                let answer = fixture.infer(&body);
                assert_eq!(
                    answer.ok()["model_version"],
                    answer.header("x-model-version").unwrap()
                );
                (
                    answer.header("x-variant").unwrap().to_owned(),
                    answer.header("x-model-version").unwrap().to_owned(),
                    answer.header("x-rollout-id").map(str::to_owned),
                )
            })
            .collect()
    };
    let during = variants(60);
    let canaries = during
        .iter()
        .filter(|(variant, ..)| variant == "canary")
        .count();
    assert!((15..=45).contains(&canaries), "{canaries} of 60 at 50 %");
    for (variant, version, rollout) in &during {
        assert_eq!(version, if variant == "canary" { "2" } else { "1" });
        assert_eq!(rollout.as_deref(), Some("rollout-1"));
    }
    assert_eq!(during[..20], variants(20), "callers stay where they are");
    let state = snapshot(&fixture);
    assert_eq!(state["phase"], "canary");
    assert_eq!(state["state"]["rollout"]["weight"], 50);
    // Both versions can be asked for by name.
    let pinned = post("/v2/models/rain/versions/2/infer", &request(1));
    assert_eq!(fixture.send(&pinned).header("x-variant"), Some("pinned"));

    for body in [
        json!({ "actor": "ana", "reason": " " }),
        json!({ "actor": "", "reason": "x" }),
    ] {
        assert_eq!(
            roll_back(&fixture, &body).error(400),
            "`actor` and `reason` must not be empty"
        );
    }
    let taken_back = json!({ "rolled_back": "rollout-1", "champion": 1 });
    assert_eq!(roll_back(&fixture, &back).ok(), taken_back);
    assert_eq!(roll_back(&fixture, &back).ok(), nothing, "sent again");
    for (variant, version, rollout) in variants(30) {
        assert_eq!(
            (variant.as_str(), version.as_str(), rollout),
            ("champion", "1", None)
        );
    }
    let last = snapshot(&fixture)["events"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["actor"], "ana");
    assert!(last.to_string().contains("it looks wrong"), "{last}");
}
