//! Against nginx: a web server that takes uploads, some of them, or none.

use ketch_store::remote::{RemoteError, RemoteSettings, open_remote, upload};
use ketch_store::{Silent, StoreError};
use ketch_testkit::WebServer;

use crate::Sandbox;
use crate::remote::{OPTIONS, conformance, round_trip};

fn at(server: &WebServer, folder: &str) -> RemoteSettings {
    RemoteSettings::new("web", server.url(folder))
}

/// Sends one object, and says what came of it.
fn send(settings: &RemoteSettings) -> Result<usize, StoreError> {
    let sandbox = Sandbox::new();
    let remote = open_remote(settings).unwrap();
    let id = sandbox.cache.add_bytes(b"an object").unwrap();
    upload(&sandbox.cache, &*remote, &[id], OPTIONS, &Silent).map(|report| report.objects)
}

/// What was wrong with the first object.
fn cause(error: StoreError) -> RemoteError {
    match error {
        StoreError::Remote(RemoteError::Incomplete { source, .. }) => cause(*source),
        StoreError::Remote(error) => error,
        error => panic!("{error:?}"),
    }
}

#[test]
fn a_web_server_that_takes_files_is_a_remote() {
    let Some(server) = WebServer::start() else {
        return;
    };
    let settings = at(&server, "open/store").with("method", "put");
    let remote = open_remote(&settings).unwrap();
    conformance(&*remote);
    round_trip(&*remote, 300);

    let locked = at(&server, "locked").with("method", "PUT");
    let known = locked
        .clone()
        .with("auth", "basic")
        .with("user", "me")
        .with("password", "s3cret");
    conformance(&*open_remote(&known).unwrap());
    let error = cause(send(&locked).unwrap_err());
    assert!(error.hint().unwrap().contains("credentials"), "{error:?}");
}

#[test]
fn one_that_does_not_says_so() {
    let Some(server) = WebServer::start() else {
        return;
    };
    // It takes no uploads in this way, or in any.
    for (folder, method) in [("open", "POST"), ("fixed", "POST"), ("fixed", "PUT")] {
        let settings = at(&server, folder).with("method", method);
        let error = cause(send(&settings).unwrap_err());
        assert!(
            matches!(&error, RemoteError::NotAccepted { method: told, .. } if told == method),
            "{folder} {method}: {error:?}"
        );
        let says_put = error.hint().unwrap().contains("method PUT");
        assert_eq!(says_put, method == "POST", "{error:?}");
    }
    // A yes is not believed.
    let error = cause(send(&at(&server, "form")).unwrap_err());
    assert!(
        matches!(error, RemoteError::NotKept { found: None, .. }),
        "{error:?}"
    );
    let settings = at(&server, "open").with("method", "PATCH");
    let error = open_remote(&settings).unwrap_err();
    assert!(error.to_string().contains("`method`"), "{error}");
}
