//! Against `SeaweedFS`: S3 with real signatures, and `WebDAV`.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::Silent;
use ketch_store::remote::{FailureKind, RemoteError, RemoteSettings, open_remote};
use ketch_testkit::peer;

use crate::Sandbox;
use crate::chunked::chunked;
use crate::remote::{conformance, round_trip};

const CREDENTIALS: &str = r#"{"identities": [{"name": "t", "credentials": [{"accessKey": "AK", "secretKey": "SK"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}"#;

/// A server of its own, gone at the end of the test.
struct Server {
    child: Child,
    sandbox: Sandbox,
    s3: u16,
    webdav: u16,
    filer: u16,
}

impl Server {
    /// Ports that were free may be taken a moment later; then others are tried.
    fn start() -> Option<Self> {
        let program = weed()?;
        let mut troubles = Vec::new();
        for _ in 0..4 {
            match Self::start_once(&program) {
                Ok(server) => return Some(server),
                Err(trouble) => troubles.push(trouble),
            }
        }
        panic!("{}", troubles.join("\n"));
    }

    fn start_once(program: &Utf8Path) -> Result<Self, String> {
        let sandbox = Sandbox::new();
        let config = sandbox.write("s3.json", CREDENTIALS);
        let data = sandbox.root.join("data");
        fs_err::create_dir_all(&data).unwrap();
        // All held at once, so that they differ; the server takes them a moment later.
        let held: Vec<TcpListener> = (0..9)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = held
            .iter()
            .map(|held| held.local_addr().unwrap().port())
            .collect();
        drop(held);
        let mut command = Command::new(program);
        command
            .args([
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
                "-webdav",
            ])
            .args(["-volume.max=20", "-master.volumeSizeLimitMB=64"])
            // Two more servers on ports of their own, which a second run beside this one would want too.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={data}"))
            .arg(format!("-s3.config={config}"));
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
        let log = fs_err::File::create(sandbox.root.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.file().try_clone().unwrap()))
            .stderr(Stdio::from(log.into_parts().0))
            .spawn()
            .unwrap();
        let server = Self {
            child,
            sandbox,
            s3: ports[6],
            webdav: ports[8],
            filer: ports[4],
        };
        server.wait_until("a bucket", || {
            request(server.filer, "PUT /buckets/bucket/").is_some_and(|status| status < 300)
        })?;
        // Unsigned: any answer will do.
        server.wait_until("S3", || request(server.s3, "GET /bucket/x").is_some())?;
        server.wait_until("WebDAV", || request(server.webdav, "GET /").is_some())?;
        server.wait_until("a first object", || {
            server.s3().write("warm", &mut &b"x"[..], 1).is_ok()
                && server.s3().delete("warm").is_ok()
        })?;
        Ok(server)
    }

    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) -> Result<(), String> {
        for _ in 0..300 {
            if condition() {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        Err(format!("no {what}:\n{}", self.sandbox.read("log")))
    }

    fn settings(&self, url: &str, secret: &str) -> RemoteSettings {
        RemoteSettings::new("cloud", url)
            .with("endpointurl", &format!("http://127.0.0.1:{}", self.s3))
            .with("access_key_id", "AK")
            .with("secret_access_key", secret)
    }

    fn s3(&self) -> Box<dyn ketch_store::remote::Remote> {
        self.s3_below("some/prefix")
    }

    fn s3_below(&self, prefix: &str) -> Box<dyn ketch_store::remote::Remote> {
        let url = format!("s3://bucket/{prefix}");
        open_remote(&self.settings(&url, "SK")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program inside of the Python package.
fn weed() -> Option<Utf8PathBuf> {
    peer("seaweedfs/bin/weed")
}

/// The status of the answer, if there is one.
fn request(port: u16, line: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut text = String::new();
    write!(
        text,
        "{line} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"
    )
    .ok()?;
    stream.write_all(text.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer)
        .split(' ')
        .nth(1)?
        .parse()
        .ok()
}

#[test]
fn servers_keep_the_contract() {
    let Some(server) = Server::start() else {
        return;
    };
    conformance(&*server.s3());
    // Enough to be listed instead of asked for one by one.
    round_trip(&*server.s3(), 600);

    let wrong = open_remote(&server.settings("s3://bucket", "wrong")).unwrap();
    let error = wrong.size("x").unwrap_err();
    assert!(
        matches!(
            &error,
            RemoteError::Failed {
                kind: FailureKind::Denied,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("credentials"));
    without_keys_of_its_own(&server);
    let webdav = |folder: &str| {
        let url = format!("webdav://127.0.0.1:{}/dav/{folder}", server.webdav);
        open_remote(&RemoteSettings::new("dav", url)).unwrap()
    };
    conformance(&*webdav("store"));
    round_trip(&*webdav("store"), 20);

    // The chunked layout is a remote on top of either.
    for (inner, count) in [(server.s3_below("chunks"), 600), (webdav("chunks"), 20)] {
        let remote = chunked(inner);
        conformance(&remote);
        round_trip(&remote, count);
        assert!(remote.verify(&Silent).unwrap().is_sound());
    }
}

/// What people have in their environment and below their home, as other tools of Amazon's do.
fn without_keys_of_its_own(server: &Server) {
    let endpoint = format!("http://127.0.0.1:{}", server.s3);
    let home = server.sandbox.root.join("home");
    let (keys, config) = (
        "[default]\naws_access_key_id = no\naws_secret_access_key = no\n[work]\naws_access_key_id = AK\naws_secret_access_key = SK\n",
        "[profile work]\nregion = eu-north-1\n",
    );
    server.sandbox.write("home/.aws/credentials", keys);
    let elsewhere = server.sandbox.write("elsewhere", keys);
    server.sandbox.write("home/.aws/config", config);
    let bare = RemoteSettings::new("cloud", "s3://bucket").with("endpointurl", &endpoint);
    let ask = |settings: &RemoteSettings, variables: &[(&str, &str)]| {
        let environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let settings = settings.clone().with_environment(environment);
        open_remote(&settings).unwrap().size("nothing")
    };
    let own = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];
    let wrong = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "no")];
    let home = ("HOME", home.as_str());
    let no_machine = ("AWS_EC2_METADATA_DISABLED", "true");

    assert_eq!(ask(&bare, &own).unwrap(), None);
    assert_eq!(ask(&bare, &[home, ("AWS_PROFILE", "work")]).unwrap(), None);
    let profile = bare.clone().with("profile", "work");
    assert_eq!(ask(&profile, &[home]).unwrap(), None);
    // A profile that somebody wrote down goes before keys that happen to be set.
    assert_eq!(ask(&profile, &[home, wrong[0], wrong[1]]).unwrap(), None);
    let path = profile.with("credentialpath", elsewhere.as_str());
    assert_eq!(ask(&path, &[]).unwrap(), None);

    for variables in [
        &[home, no_machine][..],
        &[wrong[0], wrong[1]],
        &[no_machine],
    ] {
        let error = ask(&bare, variables).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("credentials"), "{variables:?}: {error:?}");
    }
}
