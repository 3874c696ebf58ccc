//! How a server begins and ends.

use std::{io::Write as _, net::TcpStream, sync::mpsc::channel, time::Duration};

use camino::Utf8Path;
use ketch_server::{ServerError, bind, read_or_make_token};

use crate::{
    fixture::{Fixture, request},
    http::{connect, get, post, read_answer},
};

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let fixture = Fixture::new();
    let address = fixture.address();
    let text = post("/v2/models/rain/infer", &request(2)).bytes();
    let (first, second) = text.split_at(text.len() - 100);
    let mut stream = connect(address);
    stream.write_all(first.as_bytes()).unwrap();
    // The server has the head of the request for sure once it has answered a later one.
    fixture.send(&get("/v2/health/live")).ok();
    std::thread::scope(|scope| {
        let server = &fixture.server;
        let stopping = scope.spawn(move || server.stop());
        // It takes no more connections from the moment it begins to stop.
        while TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
        stream.write_all(second.as_bytes()).unwrap();
        let answer = read_answer(stream);
        assert_eq!(answer.ok()["outputs"][0]["shape"], serde_json::json!([2]));
        stopping.join().unwrap().unwrap();
    });
    fixture.server.stop().unwrap();
}

#[test]
fn who_sends_half_a_request_or_nothing_does_not_keep_the_server() {
    let fixture = Fixture::new();
    let _silent = connect(fixture.address());
    let mut half = connect(fixture.address());
    half.write_all(b"POST /labels HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{")
        .unwrap();
    fixture.send(&get("/v2/health/live")).ok();
    std::thread::scope(|scope| {
        let (done, ended) = channel();
        let server = &fixture.server;
        scope.spawn(move || done.send(server.stop()));
        // Far longer than it takes; only so that a hang is a failure.
        ended.recv_timeout(Duration::from_mins(1)).unwrap().unwrap();
    });
}

#[test]
fn a_port_that_is_taken_is_told_with_the_way_out() {
    let first = bind(0).unwrap();
    let port = first.local_addr().unwrap().port();
    let error = bind(port).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}")
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.starts_with(&format!("another program has port {port}")) && hint.contains("--port 0"),
        "{hint}"
    );
}

#[test]
fn the_token_is_made_once_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("token");
    let token = read_or_make_token(&path).unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(read_or_make_token(&path).unwrap(), token);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let error = read_or_make_token(&path.join("below")).unwrap_err();
    assert!(matches!(error, ServerError::Token { .. }), "{error:?}");
    fs_err::write(&path, "\n").unwrap();
    let error = read_or_make_token(&path).unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
}
