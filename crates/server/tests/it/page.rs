//! The page that people look at.

use serde_json::json;

use crate::{
    fixture::{Fixture, TOKEN, request},
    http::{get, post},
};

fn page(fixture: &Fixture, path: &str) -> String {
    let answer = fixture.send(&get(path));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    answer.body
}

/// One element a line, without the style sheet.
fn readable(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    format!("{before}<style></style>{after}").replace("><", ">\n<")
}

#[test]
fn the_page_shows_the_model_without_a_script() {
    let fixture = Fixture::new();
    let home = page(&fixture, "/");
    assert!(home.contains("version 1") && home.contains("<h1>rain</h1>"));
    for forbidden in ["<script", "javascript:", "onload=", "http://", "https://"] {
        assert!(!home.contains(forbidden), "{forbidden}");
    }
    assert_eq!(
        page(&fixture, "/models/rain"),
        home,
        "the only model is the home page"
    );

    insta::with_settings!({
        filters => vec![(r"[0-9a-f]{10,32}\b", "[ID]")],
    }, {
        insta::assert_snapshot!(readable(&home));
    });
}

#[test]
fn a_rollout_is_on_the_page() {
    let fixture = Fixture::new();
    let forced = json!({ "version": 2, "actor": "ana <b>", "force": "to <i>see</i> it" });
    let deploy = post("/api/control/models/rain/deploy", &forced).token(TOKEN);
    fixture.send(&deploy).ok();
    fixture.infer(&request(3)).ok();
    let page = page(&fixture, "/");
    assert!(page.contains("Version 2 has 50 % of the traffic beside version 1."));
    assert!(page.contains("to &lt;i&gt;see&lt;/i&gt; it") && !page.contains("<i>see"));
    assert!(page.contains("ana &lt;b&gt;"));
}

#[test]
fn the_page_of_an_unknown_model_is_not_found() {
    let fixture = Fixture::new();
    let message = fixture.send(&get("/models/snow")).error(404);
    assert_eq!(message, "no model is called `snow`");
}
