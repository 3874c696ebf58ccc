//! `fake-gcs-server`: Google Cloud Storage with generations, without accounts.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8Path;

use crate::peer::peer;
use crate::seaweed::ask;

/// A server of its own with nothing in it, gone when this is dropped.
#[derive(Debug)]
pub struct GoogleStorage {
    child: Child,
    /// On this machine.
    pub port: u16,
}

/// Whether a bucket keeps the generations that are not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generations {
    Kept,
    Dropped,
}

impl GoogleStorage {
    /// A server that answers. Nothing where the program is missing.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start() -> Option<Self> {
        let program = peer("gcs/bin/fake-gcs-server")?;
        // A port that was free may be taken a moment later; then another one is tried.
        for _ in 0..4 {
            if let Some(server) = Self::start_once(&program) {
                return Some(server);
            }
        }
        panic!("fake-gcs-server does not start");
    }

    fn start_once(program: &Utf8Path) -> Option<Self> {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = held.local_addr().expect("a port").port();
        drop(held);
        let mut command = Command::new(program);
        command
            .args(["-scheme", "http", "-host", "127.0.0.1"])
            .args(["-port", &port.to_string(), "-backend", "memory"])
            .args(["-external-url", &format!("http://127.0.0.1:{port}")])
            .args(["-public-host", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Self {
            child: command.spawn().expect("fake-gcs-server"),
            port,
        };
        for _ in 0..300 {
            if ask(port, "GET /storage/v1/b", "").is_some() {
                return Some(server);
            }
            if matches!(server.child.try_wait(), Ok(Some(_))) {
                return None;
            }
            sleep(Duration::from_millis(100));
        }
        None
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    ///
    /// # Panics
    ///
    /// When the server does not want to.
    pub fn make_bucket(&self, name: &str, generations: Generations) {
        let enabled = generations == Generations::Kept;
        let body = format!(r#"{{"name":"{name}","versioning":{{"enabled":{enabled}}}}}"#);
        assert_eq!(ask(self.port, "POST /storage/v1/b", &body), Some(200));
    }

    /// Writes an object.
    ///
    /// # Panics
    ///
    /// When the server does not want to.
    pub fn put(&self, bucket: &str, name: &str, body: &str) {
        let line = format!("POST /upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}");
        assert_eq!(ask(self.port, &line, body), Some(200), "{name}");
    }
}

impl Drop for GoogleStorage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
