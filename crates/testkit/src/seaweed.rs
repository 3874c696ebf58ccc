//! `SeaweedFS`: S3 with real signatures, and `WebDAV`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8Path;

use crate::peer::peer;

/// A server of its own with nothing in it, gone when this is dropped.
#[derive(Debug)]
pub struct SeaweedFs {
    child: Child,
    guard: tempfile::TempDir,
    /// Ports on this machine.
    pub s3: u16,
    pub webdav: u16,
    /// Takes files without asking who sends them; buckets are folders below `/buckets/`.
    pub filer: u16,
}

impl SeaweedFs {
    /// A server that answers, with these accounts for S3, as its configuration has them in JSON;
    /// anybody may do anything without. Nothing where the program is missing.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(accounts: Option<&str>) -> Option<Self> {
        Self::start_as(accounts, &[])
    }

    /// A server whose `WebDAV` speaks TLS with this certificate and its key, both in PEM.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start_over_tls(certificate: &Utf8Path, key: &Utf8Path) -> Option<Self> {
        let options = [
            format!("-webdav.cert.file={certificate}"),
            format!("-webdav.key.file={key}"),
        ];
        Self::start_as(None, &options)
    }

    fn start_as(accounts: Option<&str>, options: &[String]) -> Option<Self> {
        let program = peer("seaweedfs/bin/weed")?;
        let mut troubles = Vec::new();
        // Ports that were free may be taken a moment later; then others are tried.
        for _ in 0..4 {
            match Self::start_once(&program, accounts, options) {
                Ok(server) => return Some(server),
                Err(trouble) => troubles.push(trouble),
            }
        }
        panic!("{}", troubles.join("\n"));
    }

    fn start_once(
        program: &Utf8Path,
        accounts: Option<&str>,
        options: &[String],
    ) -> Result<Self, String> {
        let guard = tempfile::tempdir().expect("a folder");
        let data = guard.path().join("data");
        fs_err::create_dir_all(&data).expect("a folder");
        // All held at once, so that they differ; the server takes them a moment later.
        let held: Vec<TcpListener> = (0..9)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
            .collect();
        let ports: Vec<u16> = held
            .iter()
            .map(|held| held.local_addr().expect("a port").port())
            .collect();
        drop(held);
        let mut command = Command::new(program);
        command
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
            .args(["-filer", "-s3", "-webdav"])
            .args(["-volume.max=20", "-master.volumeSizeLimitMB=64"])
            // Two more servers on ports of their own, which a second run beside this one would want too.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args(options)
            .arg(format!("-dir={}", data.display()));
        if let Some(accounts) = accounts {
            let config = guard.path().join("s3.json");
            fs_err::write(&config, accounts).expect("written");
            command.arg(format!("-s3.config={}", config.display()));
        }
        // Ports of gRPC are 10000 above the others unless given, which may not be a port at all.
        let names = [
            "master.port",
            "master.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "s3.port",
            "s3.port.grpc",
            "webdav.port",
        ];
        for (name, port) in names.iter().zip(&ports) {
            command.arg(format!("-{name}={port}"));
        }
        let log = fs_err::File::create(guard.path().join("log")).expect("a log");
        let log = log.into_parts().0;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().expect("the log")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("SeaweedFS");
        let server = Self {
            child,
            guard,
            s3: ports[6],
            webdav: ports[8],
            filer: ports[4],
        };
        for port in [server.filer, server.s3, server.webdav] {
            // Any answer will do.
            server.wait_until("answer", || server.request(port, "GET /", "").is_some())?;
        }
        Ok(server)
    }

    /// Tries for half a minute.
    ///
    /// # Errors
    ///
    /// What there is not, and what the server has said.
    pub fn wait_until(&self, what: &str, condition: impl Fn() -> bool) -> Result<(), String> {
        for _ in 0..300 {
            if condition() {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        let log = fs_err::read_to_string(self.guard.path().join("log"));
        Err(format!("no {what}:\n{}", log.unwrap_or_default()))
    }

    /// The status of the answer to a request without a signature, such as `PUT /bucket`, if there is
    /// one.
    pub fn request(&self, port: u16, line: &str, body: &str) -> Option<u16> {
        ask(port, line, body)
    }
}

impl Drop for SeaweedFs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of the answer to a request on this machine, if there is one.
pub(crate) fn ask(port: u16, line: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let length = body.len();
    let text =
        format!("{line} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1)?.parse().ok()
}
