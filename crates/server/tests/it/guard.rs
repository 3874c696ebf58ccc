//! Who is answered, and how much may be sent.

use std::io::Write as _;

use serde_json::json;

use crate::{
    fixture::{Fixture, request},
    http::{Request, connect, get, post, read_answer},
};

#[test]
fn only_requests_to_a_loopback_name_are_answered() {
    let fixture = Fixture::new();
    let port = fixture.address().port();
    for host in [
        "localhost",
        "127.0.0.1",
        &format!("localhost:{port}"),
        "[::1]:80",
    ] {
        fixture.send(&get("/v2/health/live").host(host)).ok();
    }
    for host in [
        "evil.example",
        "localhost.evil.example:80",
        "127.0.0.1.evil.example",
        "",
    ] {
        for path in ["/v2/health/live", "/", "/nothing"] {
            let message = fixture.send(&get(path).host(host)).error(403);
            assert_eq!(message, "this server answers to localhost only");
        }
    }
}

#[test]
fn a_page_of_another_site_cannot_send_labels() {
    let fixture = Fixture::new();
    let body = json!({ "labels": [{ "request_id": "a", "label": 1 }] });
    let from = |origin: &str| {
        post("/labels", &body)
            .header("content-type", "text/plain")
            .header("origin", origin)
    };
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
    ] {
        let message = fixture.send(&from(origin)).error(403);
        assert_eq!(
            message,
            "this server takes no requests from pages of other sites"
        );
    }
    fixture.send(&from("http://localhost:3000")).ok();
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let fixture = Fixture::new();
    let mut stream = connect(fixture.address());
    let head = format!(
        "POST /v2/models/rain/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        (16 << 20) + 1
    );
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(stream).error(413), "the body is over 16 MiB");

    // One that does not say how long it is is read up to the limit.
    let mut stream = connect(fixture.address());
    let head = "POST /labels HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for _ in 0..16 {
        stream.write_all(chunk.as_bytes()).unwrap();
    }
    stream.write_all(b"1\r\n \r\n").unwrap();
    assert_eq!(read_answer(stream).error(413), "the body is over 16 MiB");

    // Just below it, the body is read: this one is no JSON.
    let spaces = Request::new("POST", "/v2/models/rain/infer").text(&" ".repeat(16 << 20));
    assert!(fixture.send(&spaces).error(400).contains("EOF"));
}

#[test]
fn errors_above_the_handlers_have_the_same_form() {
    let fixture = Fixture::new();
    let answer = fixture.send(&get("/v2/models/rain/infer"));
    assert_eq!(answer.error(405), "no such method at this address");
    assert_eq!(answer.header("allow"), Some("POST"));
    let packed = post("/v2/models/rain/infer", &request(1)).header("content-encoding", "gzip");
    assert_eq!(
        fixture.send(&packed).error(415),
        "send the body without compression"
    );
    let broken = fixture.send(&get("/v2/models/%ff"));
    assert_eq!(broken.error(400), "bad request");
}
