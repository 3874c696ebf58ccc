//! A web server that misbehaves.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ketch_dvc::ObjectId;
use ketch_store::remote::{Remote, RemoteSettings, download, open_remote};
use ketch_store::{Silent, StoreError, hash_bytes};

use crate::Sandbox;
use crate::remote::{OPTIONS, is_denied};

/// How one request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Says `503` and closes.
    Busy,
    /// Closes without a word.
    Reset,
    /// Promises more than it sends.
    PromisesMore,
    /// Promises less than it sends.
    PromisesLess,
    /// Other bytes of the same length.
    OtherBytes,
    /// Sends half, then nothing, and stays.
    Hangs,
    /// Takes the request and never answers.
    Silent,
    /// Says `403`.
    Denies,
    /// A page instead of the object.
    Page,
    /// Says `507`.
    Full,
}

/// Whom the server is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Web,
    Dav,
    Amazon,
    Microsoft,
    Google,
}

/// Serves one object in the given manners, one for each request, the last one for ever.
struct Server {
    url: String,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

const CONTENT: &[u8] = b"the content of the only object";

impl Server {
    fn start(manners: &'static [Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/store", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counter = Arc::clone(&asked);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let counter = Arc::clone(&counter);
                thread::spawn(move || serve(stream, manners, &counter));
            }
        });
        Self { url, asked }
    }

    fn remote_of(&self, kind: Kind) -> Box<dyn Remote> {
        let url = &self.url;
        let account = format!("AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint={url}");
        let settings = match kind {
            Kind::Web => RemoteSettings::new("web", url).with("connect_timeout", "5"),
            Kind::Dav => RemoteSettings::new("web", url.replace("http:", "webdav:")),
            Kind::Amazon => RemoteSettings::new("web", "s3://bucket/store")
                .with("endpointurl", url)
                .with("access_key_id", "k")
                .with("secret_access_key", "s"),
            Kind::Microsoft => {
                RemoteSettings::new("web", "azure://box/store").with("connection_string", &account)
            }
            Kind::Google => RemoteSettings::new("web", "gs://bucket/store")
                .with("endpointurl", url)
                .with("allow_anonymous_login", "true"),
        };
        // These have no such option.
        open_remote(&match kind {
            Kind::Google | Kind::Dav => settings,
            _ => settings.with("read_timeout", "0.3"),
        })
        .unwrap()
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

fn serve(mut stream: TcpStream, manners: &[Manner], counter: &Mutex<HashMap<String, usize>>) {
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
            lines.push(line);
        }
        let sent = lines.iter().find_map(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("content-length:")?.trim().parse().ok()
        });
        let mut body = vec![0; sent.unwrap_or_default()];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let number = {
            let mut counter = counter.lock().unwrap();
            let number: usize = counter.values().sum();
            *counter.entry(lines[0].clone()).or_default() += 1;
            number
        };
        let manner = *manners.get(number).or(manners.last()).unwrap();
        let is_head = lines[0].starts_with("HEAD");
        let answer = |status: &str, length: usize, body: &[u8]| {
            let mut answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            if !is_head {
                answer.extend_from_slice(body);
            }
            answer
        };
        let length = CONTENT.len();
        let other: Vec<u8> = CONTENT.iter().rev().copied().collect();
        let bytes = match manner {
            Manner::Honest => answer("200 OK", length, CONTENT),
            Manner::Busy => answer("503 Busy", 0, b""),
            Manner::Reset => return,
            Manner::PromisesMore => answer("200 OK", length + 5, CONTENT),
            Manner::PromisesLess => answer("200 OK", length - 5, CONTENT),
            Manner::OtherBytes => answer("200 OK", length, &other),
            Manner::Hangs => answer("200 OK", length, &CONTENT[..length / 2]),
            Manner::Silent => Vec::new(),
            Manner::Denies => answer("403 No", 0, b""),
            Manner::Page => answer("200 OK", 6, b"<html>"),
            Manner::Full => answer("507 Insufficient Storage", 0, b""),
        };
        if stream.write_all(&bytes).is_err() {
            return;
        }
        match manner {
            Manner::Honest | Manner::OtherBytes | Manner::Denies | Manner::Page | Manner::Full => {}
            Manner::Hangs | Manner::Silent => {
                thread::sleep(Duration::from_secs(30));
                return;
            }
            _ => return,
        }
    }
}

/// What a cache says after fetching from a server with these manners; the object, if it got there.
fn fetch(manners: &'static [Manner]) -> (Result<usize, StoreError>, usize, bool) {
    fetch_from(Kind::Web, manners)
}

fn fetch_from(kind: Kind, manners: &'static [Manner]) -> (Result<usize, StoreError>, usize, bool) {
    let sandbox = Sandbox::new();
    let server = Server::start(manners);
    let id = hash_bytes(CONTENT);
    let result = download(
        &sandbox.cache,
        &*server.remote_of(kind),
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    );
    let there = sandbox.cache.object_path(&id).exists();
    if there {
        sandbox.cache.verify(&id).unwrap();
    }
    assert!(
        only_objects(&sandbox, &id),
        "{manners:?} left something behind"
    );
    (
        result.map(|report| report.objects),
        server.requests(),
        there,
    )
}

fn only_objects(sandbox: &Sandbox, id: &ObjectId) -> bool {
    let path = sandbox.cache.object_path(id);
    let folder = path.parent().unwrap();
    !folder.exists()
        || fs_err::read_dir(folder)
            .unwrap()
            .all(|entry| entry.unwrap().path() == path)
}

#[test]
fn what_may_pass_is_tried_again() {
    for manners in [
        &[Manner::Honest][..],
        &[Manner::Busy, Manner::Honest],
        &[Manner::Reset, Manner::Honest],
        &[Manner::PromisesMore, Manner::Honest],
        &[Manner::Hangs, Manner::Honest],
        &[Manner::Silent, Manner::Honest],
        &[Manner::Busy, Manner::Reset, Manner::Honest],
    ] {
        let (result, requests, there) = fetch(manners);
        assert_eq!(result.unwrap(), 1, "{manners:?}");
        assert_eq!(requests, manners.len(), "{manners:?}");
        assert!(there, "{manners:?}");
    }
}

#[test]
fn what_stays_wrong_is_never_kept() {
    for (manners, tried) in [
        (&[Manner::Busy][..], 3),
        (&[Manner::Reset], 3),
        (&[Manner::PromisesMore], 3),
        (&[Manner::Hangs], 3),
        (&[Manner::Silent], 3),
        (&[Manner::PromisesLess], 1),
        (&[Manner::OtherBytes], 1),
        (&[Manner::Page], 1),
        (&[Manner::Denies], 1),
    ] {
        let (result, requests, there) = fetch(manners);
        let error = result.unwrap_err();
        assert!(!there, "{manners:?}");
        assert_eq!(requests, tried, "{manners:?}: {error}");
        let text = error.to_string();
        assert!(text.contains("remote `web`"), "{text}");
        assert!(text.contains(&hash_bytes(CONTENT).cache_path()), "{text}");
        assert!(error.hint().is_some(), "{text}");
    }
}

#[test]
fn clouds_are_tried_again_and_never_believed() {
    for kind in [Kind::Amazon, Kind::Microsoft, Kind::Google] {
        for manners in [
            &[Manner::Honest][..],
            &[Manner::Busy, Manner::Honest],
            &[Manner::Reset, Manner::Honest],
            &[Manner::PromisesMore, Manner::Honest],
            &[Manner::Hangs, Manner::Honest],
            &[Manner::Silent, Manner::Honest],
        ] {
            let patient = matches!(manners[0], Manner::Hangs | Manner::Silent);
            if kind == Kind::Google && patient {
                continue;
            }
            let (result, requests, there) = fetch_from(kind, manners);
            assert_eq!(result.unwrap(), 1, "{kind:?} {manners:?}");
            assert_eq!(requests, manners.len(), "{kind:?} {manners:?}");
            assert!(there, "{kind:?} {manners:?}");
        }
        for (manners, tried) in [
            (&[Manner::Busy][..], 3),
            (&[Manner::Reset], 3),
            (&[Manner::PromisesMore], 3),
            (&[Manner::PromisesLess], 1),
            (&[Manner::OtherBytes], 1),
            (&[Manner::Page], 1),
            (&[Manner::Denies], 1),
        ] {
            let (result, requests, there) = fetch_from(kind, manners);
            let error = result.unwrap_err();
            assert!(!there, "{kind:?} {manners:?}");
            assert_eq!(requests, tried, "{kind:?} {manners:?}: {error}");
            let text = error.to_string();
            assert!(text.contains(&hash_bytes(CONTENT).cache_path()), "{text}");
            assert!(error.hint().is_some(), "{kind:?}: {text}");
        }
    }
}

#[test]
fn a_server_that_takes_nothing_says_whether_to_try_again() {
    for kind in [
        Kind::Web,
        Kind::Amazon,
        Kind::Microsoft,
        Kind::Google,
        Kind::Dav,
    ] {
        for (manners, again) in [
            (&[Manner::Busy][..], true),
            (&[Manner::Reset], true),
            (&[Manner::Denies], false),
            (&[Manner::Full], false),
        ] {
            let remote = Server::start(manners).remote_of(kind);
            let error = remote.write("x", &mut &b"new"[..], 3).unwrap_err();
            assert_eq!(error.is_transient(), again, "{kind:?}: {error:?}");
            assert!(error.hint().is_some(), "{kind:?}: {error:?}");
            let said = error.hint().is_some_and(|hint| hint.contains("make room"));
            assert_eq!(said, manners == [Manner::Full], "{kind:?}: {error:?}");
            // In parts.
            let large = vec![0; 9 << 20];
            let error = remote
                .write("x", &mut &*large, large.len() as u64)
                .unwrap_err();
            assert_eq!(error.is_transient(), again, "{kind:?}: {error:?}");
        }
    }
}

#[test]
fn nobody_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/store", listener.local_addr().unwrap());
    drop(listener);
    let sandbox = Sandbox::new();
    let remote = open_remote(&RemoteSettings::new("web", url)).unwrap();
    let wanted: Vec<ObjectId> = (0..100)
        .map(|n: u32| hash_bytes(&n.to_le_bytes()))
        .collect();
    let error = download(&sandbox.cache, &*remote, &wanted, OPTIONS, &Silent).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("100 of 100 objects could not be fetched"),
        "{error}"
    );
}

#[test]
fn a_refusal_that_never_ends_is_cut_short() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/store", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        }
    });
    let remote = open_remote(&RemoteSettings::new("web", url)).unwrap();
    let error = remote.read("some/object", &mut Vec::new()).unwrap_err();
    is_denied(&error);
    assert!(error.to_string().len() < 10_000);
}
