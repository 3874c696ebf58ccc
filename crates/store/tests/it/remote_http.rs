//! Who a web server believes us to be.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ketch_store::remote::{FailureKind, RemoteError, RemoteSettings, open_remote};

use crate::Sandbox;

/// Answers what `answer` says to the path and the header lines of each request.
pub(crate) fn serve(answer: impl Fn(&str, &[String]) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || converse(&stream, &*answer));
        }
    });
    address.to_string()
}

fn converse(mut stream: &TcpStream, answer: &dyn Fn(&str, &[String]) -> String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_ascii_lowercase());
        }
        let path = lines[0].split(' ').nth(1).unwrap().to_owned();
        let answer = answer(&path, &lines[1..]);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let said = format!("HTTP/1.1 {head}\r\n\r\n{body}");
        if stream.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}

const FOUND: &str = "200 OK\r\nContent-Length: 5";
const REFUSED: &str = "401 Unauthorized\r\nContent-Length: 0";

fn has(lines: &[String], line: &str) -> bool {
    lines.iter().any(|found| found == line)
}

#[test]
fn a_user_and_a_password_are_told() {
    let address = serve(|_, lines| {
        // `me:s3cret`, in lower case as all lines are here.
        if has(lines, "authorization: basic bwu6cznjcmv0") {
            FOUND.into()
        } else {
            REFUSED.into()
        }
    });
    let plain = RemoteSettings::new("web", format!("http://{address}/store"));
    let basic = plain.clone().with("auth", "basic").with("user", "me");
    let ask = |settings: &RemoteSettings| open_remote(settings).unwrap().size("x");
    assert_eq!(
        ask(&basic.clone().with("password", "s3cret")).unwrap(),
        Some(5)
    );
    let in_url = RemoteSettings::new("web", format!("http://me:s3cret@{address}/store"));
    assert_eq!(ask(&in_url).unwrap(), Some(5));
    for settings in [plain, basic.with("password", "wrong")] {
        let error = ask(&settings).unwrap_err();
        let RemoteError::Failed { kind, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*kind, FailureKind::Denied, "{error:?}");
        assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    }
}

#[test]
fn a_header_of_ones_own_stays_with_its_server() {
    let strays: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&strays);
    let other = serve(move |_, lines| {
        let secrets = lines.iter().filter(|line| line.contains("t0ken"));
        seen.lock().unwrap().extend(secrets.cloned());
        FOUND.into()
    });
    let address = serve(move |path, lines| {
        if !has(lines, "private-token: t0ken") {
            return REFUSED.into();
        }
        let turn = |to: &str| format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0");
        match path {
            "/store/moved" => turn("/store/here"),
            "/store/away" => turn(&format!("http://{other}/elsewhere")),
            "/store/round" => turn("/store/round"),
            _ => FOUND.into(),
        }
    });
    let settings = RemoteSettings::new("web", format!("http://{address}/store"))
        .with("auth", "custom")
        .with("custom_auth_header", "PRIVATE-TOKEN");
    let remote = open_remote(&settings.clone().with("password", "t0ken")).unwrap();
    for key in ["here", "moved", "away"] {
        assert_eq!(remote.size(key).unwrap(), Some(5), "{key}");
    }
    assert_eq!(*strays.lock().unwrap(), Vec::<String>::new());
    remote.size("round").unwrap_err();
    let wrong = settings.clone().with("password", "wrong");
    let error = open_remote(&wrong).unwrap().size("here").unwrap_err();
    assert!(error.hint().unwrap().contains("credentials"), "{error:?}");

    // What is missing, or not there yet, is said before anything is asked.
    for (settings, key) in [
        (settings.clone(), "`password`"),
        (settings.clone().with("password", "a\nb"), "`password`"),
        (
            settings
                .with("custom_auth_header", "a b")
                .with("password", "x"),
            "`custom_auth_header`",
        ),
        (
            RemoteSettings::new("web", "http://h/x").with("auth", "custom"),
            "`custom_auth_header`",
        ),
        (
            RemoteSettings::new("web", "http://h/x").with("auth", "digest"),
            "`auth`",
        ),
    ] {
        let error = open_remote(&settings).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn amazon_is_told_how_to_encrypt() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&told);
    let address = serve(move |_, lines| {
        let about = lines
            .iter()
            .filter(|line| line.starts_with("x-amz-server-side"));
        seen.lock().unwrap().extend(about.cloned());
        "200 OK\r\nContent-Length: 0\r\nETag: \"x\"".into()
    });
    let settings = RemoteSettings::new("cloud", "s3://bucket/store")
        .with("endpointurl", &format!("http://{address}"))
        .with("access_key_id", "k")
        .with("secret_access_key", "s");
    let headers = |settings: &RemoteSettings| {
        let remote = open_remote(settings).unwrap();
        remote.write("x", &mut &b"content"[..], 7).unwrap();
        let mut lines = std::mem::take(&mut *told.lock().unwrap());
        lines.sort();
        lines
    };
    let managed = settings
        .clone()
        .with("sse", "aws:kms")
        .with("sse_kms_key_id", "key-1");
    assert_eq!(
        headers(&managed),
        [
            "x-amz-server-side-encryption-aws-kms-key-id: key-1",
            "x-amz-server-side-encryption: aws:kms",
        ]
    );
    // `secret`, in base 64; its MD5 tells the server whether it arrived well.
    let own = settings.clone().with("sse_customer_key", "c2VjcmV0");
    assert_eq!(
        headers(&own),
        [
            "x-amz-server-side-encryption-customer-algorithm: aes256",
            "x-amz-server-side-encryption-customer-key-md5: xr4ilozq4pcoq3aq0qbuaq==",
            "x-amz-server-side-encryption-customer-key: c2vjcmv0",
        ]
    );
    for wrong in [
        own.with("sse_kms_key_id", "key-1"),
        settings.with("sse_customer_key", "no base 64!"),
    ] {
        let error = open_remote(&wrong).unwrap_err();
        assert!(error.to_string().contains("`sse_customer_key`"), "{error}");
    }
}

/// With each object, but not with its parts, and signed.
#[test]
fn amazon_is_told_whom_objects_are_shared_with() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&told);
    let address = serve(move |path, lines| {
        let named = |start: &str| lines.iter().find(|line| line.starts_with(start)).cloned();
        let what = path.split_once('?').map_or("whole", |(_, query)| query);
        let begins = what == "whole" || what.starts_with("uploads");
        let signed = named("authorization:").unwrap_or_default();
        let names = signed
            .split_once("signedheaders=")
            .and_then(|(_, rest)| rest.split(',').next());
        let grants = lines.iter().filter(|line| line.starts_with("x-amz-grant"));
        let mut seen = seen.lock().unwrap();
        for grant in grants {
            assert!(begins, "{path}");
            let name = grant.split(':').next().unwrap();
            let covered = names.is_some_and(|names| names.split(';').any(|known| known == name));
            seen.push(format!("{what} {grant} {covered}"));
        }
        "404 Not Found\r\nContent-Length: 0".into()
    });
    let settings = RemoteSettings::new("cloud", "s3://bucket/store")
        .with("endpointurl", &format!("http://{address}"))
        .with("access_key_id", "k")
        .with("secret_access_key", "s");
    let shared = settings
        .clone()
        .with("grant_read", "id=one, id=two")
        .with("grant_read_acp", "id=three")
        .with("grant_write_acp", "id=four")
        .with("grant_full_control", "emailaddress=me@h");
    let headers = |settings: &RemoteSettings, size: usize| {
        let remote = open_remote(settings).unwrap();
        let content = vec![0; size];
        remote
            .write("x", &mut &content[..], size as u64)
            .unwrap_err();
        let mut lines = std::mem::take(&mut *told.lock().unwrap());
        lines.sort();
        lines.dedup();
        lines
    };
    for (size, what) in [(7, "whole"), (9 << 20, "uploads")] {
        let lines = headers(&shared, size);
        let expected = [
            "full-control: emailaddress=me@h",
            "read-acp: id=three",
            "read: id=one, id=two",
            "write-acp: id=four",
        ]
        .map(|line| format!("{what} x-amz-grant-{line} true"));
        assert_eq!(lines, expected);
    }
    let unsigned = shared.clone().with("allow_anonymous_login", "true");
    let lines = headers(&unsigned, 7);
    assert!(lines.iter().all(|line| line.ends_with("false")) && lines.len() == 4);
    assert_eq!(headers(&settings, 7), Vec::<String>::new());
    for (wrong, key) in [
        (shared.with("acl", "private"), "grant_full_control"),
        (settings.with("grant_read", "a\nb"), "grant_read"),
    ] {
        let error = open_remote(&wrong).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
}

/// A server that knows us by two secrets, and another one that must not hear of them.
#[test]
fn where_a_server_sends_us_on_to_is_found_and_secrets_stay_at_home() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heard);
    let other = serve(move |path, lines| {
        let secrets = lines.iter().filter(|line| {
            line.contains("t0ken") || line.starts_with("authorization") || line.contains("bwu6")
        });
        seen.lock().unwrap().extend(secrets.cloned());
        match path {
            // There is a length that tells which page it was.
            "/x" => "200 OK\r\nContent-Length: 7".into(),
            "/on" => "302 Found\r\nLocation: x\r\nContent-Length: 0".into(),
            _ => "404 Not Found\r\nContent-Length: 0".into(),
        }
    });
    let away = other.clone();
    let address = serve(move |path, lines| {
        let known =
            has(lines, "private-token: t0ken") || has(lines, "authorization: basic bwu6cznjcmv0");
        if !known {
            return REFUSED.into();
        }
        let turn = |to: &str| format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0");
        let length = |length: usize| format!("200 OK\r\nContent-Length: {length}");
        match path {
            "/store/a/b/plain" => turn("x"),
            "/store/a/b/dot" => turn("./x#fragment"),
            "/store/a/b/up" => turn("../x"),
            "/store/a/b/far-up" => turn("../../../../../top"),
            "/store/a/b/root" => turn("/top"),
            "/store/a/b/query" => turn("?version=2"),
            "/store/a/b/below" => turn("c/x?y=../z"),
            "/store/a/b/host" => turn(&format!("//{away}/x")),
            "/store/a/b/away" => turn(&format!("HTTP://{away}/on")),
            "/store/a/b/login" => turn(&format!("http://me:s3cret@{away}/x")),
            "/store/a/b/same" => turn(""),
            "/store/a/b/file" => turn("file:///etc/passwd"),
            "/store/a/b/nonsense" => turn("http://[::1/x"),
            "/store/a/b/x" => length(1),
            "/store/a/x" => length(2),
            "/top" => length(3),
            "/store/a/b/query?version=2" => length(4),
            "/store/a/b/c/x?y=../z" => length(5),
            _ => "404 Not Found\r\nContent-Length: 0".into(),
        }
    });
    let settings = RemoteSettings::new("web", format!("http://{address}/store"));
    let basic = settings.clone().with("auth", "basic").with("user", "me");
    let header = settings
        .with("auth", "custom")
        .with("custom_auth_header", "PRIVATE-TOKEN");
    for settings in [
        basic.with("password", "s3cret"),
        header.with("password", "t0ken"),
    ] {
        let remote = open_remote(&settings).unwrap();
        for (key, size) in [
            ("plain", 1),
            ("dot", 1),
            ("up", 2),
            ("far-up", 3),
            ("root", 3),
            ("query", 4),
            ("below", 5),
            ("host", 7),
            ("away", 7),
            ("login", 7),
        ] {
            let found = remote.size(&format!("a/b/{key}")).unwrap();
            assert_eq!(found, Some(size), "{key}");
        }
        for key in ["same", "file", "nonsense"] {
            remote.size(&format!("a/b/{key}")).unwrap_err();
        }
        assert_eq!(*heard.lock().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_part_of_an_object_is_all_that_is_asked_for() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let address = serve(move |_, lines| {
        let range = lines.iter().find(|line| line.contains("range:"));
        seen.lock().unwrap().extend(range.cloned());
        match range {
            Some(_) => "206 Partial Content\r\nContent-Length: 10\r\n\
                        Content-Range: bytes 5000-5009/1000000\r\n\r\n0123456789"
                .into(),
            None => "200 OK\r\nContent-Length: 1000000".into(),
        }
    });
    let url = format!("http://{address}/store");
    let account = format!("AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint={url}");
    let amazon = RemoteSettings::new("web", "s3://bucket/store")
        .with("endpointurl", &url)
        .with("access_key_id", "k")
        .with("secret_access_key", "s");
    let google = RemoteSettings::new("web", "gs://bucket/store")
        .with("endpointurl", &url)
        .with("allow_anonymous_login", "true");
    for settings in [
        RemoteSettings::new("web", &url),
        RemoteSettings::new("web", url.replace("http:", "webdav:")),
        RemoteSettings::new("web", "azure://box/store").with("connection_string", &account),
        amazon,
        google,
    ] {
        let shown = format!("{settings:?}");
        let mut found = Vec::new();
        let remote = open_remote(&settings).unwrap();
        let size = remote.read_range("large", 5000, 10, &mut found);
        assert_eq!(size.unwrap(), 10, "{shown}");
        assert_eq!(found, b"0123456789", "{shown}");
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked.len(), 1, "{shown} {asked:?}");
        assert!(asked[0].ends_with("range: bytes=5000-5009"), "{asked:?}");
    }
}

#[test]
fn a_program_gives_the_token_and_another_one_when_that_is_refused() {
    let sandbox = Sandbox::new();
    let wanted = Arc::new(AtomicUsize::new(2));
    let refused = Arc::new(AtomicUsize::new(0));
    let (known, counted) = (Arc::clone(&wanted), Arc::clone(&refused));
    let address = serve(move |_, lines| {
        let token = format!("authorization: bearer {}", known.load(Ordering::Relaxed));
        if has(lines, &token) {
            return format!("{FOUND}\r\n\r\nhello");
        }
        counted.fetch_add(1, Ordering::Relaxed);
        REFUSED.into()
    });
    // Its token is how often it was asked. What else it says is nobody's business.
    let runs = sandbox.root.join("runs");
    let program = format!("sh -c 'echo s3cret >&2; echo >> {runs}; wc -l < {runs}'");
    let settings = RemoteSettings::new("dav", format!("webdav://{address}/store"))
        .with("bearer_token_command", &program);
    let asked = || fs_err::read_to_string(&runs).unwrap_or_default().len();
    let remote = open_remote(&settings).unwrap();
    assert_eq!(asked(), 0);
    let read = || {
        let mut bytes = Vec::new();
        remote.read("x", &mut bytes).map(|_| bytes)
    };
    assert_eq!(read().unwrap(), b"hello");
    assert_eq!((asked(), refused.load(Ordering::Relaxed)), (2, 1));
    assert_eq!(read().unwrap(), b"hello");
    assert_eq!((asked(), refused.load(Ordering::Relaxed)), (2, 1));
    // All at once find that it is of no use any more; one of them gets another.
    wanted.store(3, Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(read().unwrap(), b"hello"));
        }
    });
    assert_eq!(asked(), 3);
    // It is not asked again and again.
    wanted.store(99, Ordering::Relaxed);
    let error = read().unwrap_err();
    assert!(error.hint().unwrap().contains("credentials"), "{error:?}");
    assert_eq!(asked(), 4);

    let broken = settings.with("bearer_token_command", "sh -c 'echo s3cret; exit 3'");
    let error = open_remote(&broken)
        .unwrap()
        .read("x", &mut Vec::new())
        .unwrap_err();
    let told = format!("{error:?}");
    assert!(
        told.contains("`bearer_token_command` failed (exit status: 3)"),
        "{told}"
    );
    assert!(!told.contains("s3cret"), "{told}");
    assert!(error.hint().unwrap().contains("credentials"), "{error:?}");
}
