//! A web server over TLS, with a certificate that no machine trusts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use ketch_store::remote::{RemoteError, RemoteSettings, open_remote};
use ketch_testkit::peer;

use crate::Sandbox;

/// Serves the current directory; says its port. With `client.pem` it wants to know who asks.
const TLS_SERVER: &str = r#"
import http.server, os, ssl
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
if os.path.exists("client.pem"):
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations("client.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

struct Server {
    child: Child,
    port: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(sandbox: &Sandbox) -> Option<Self> {
        let mut child = Command::new(peer("python/bin/python")?)
            .args(["-c", TLS_SERVER])
            .current_dir(&sandbox.root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line.trim().to_owned();
        Some(Self { child, port })
    }

    fn settings(&self, scheme: &str) -> RemoteSettings {
        RemoteSettings::new("web", format!("{scheme}://127.0.0.1:{}", self.port))
    }
}

/// Makes a certificate and its key; not without the program for it.
fn certificate(sandbox: &Sandbox, name: &str, key: &str) -> Option<()> {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", key, "-out", name])
        .current_dir(&sandbox.root)
        .output();
    let made = made.ok()?;
    assert!(made.status.success(), "{made:?}");
    Some(())
}

const KEY: &str = "files/md5/00/x";

fn size(settings: &RemoteSettings) -> Result<Option<u64>, RemoteError> {
    open_remote(settings).and_then(|remote| remote.size(KEY))
}

#[test]
fn a_server_must_prove_who_it_is_unless_told_otherwise() {
    let sandbox = Sandbox::new();
    sandbox.write(KEY, "over TLS");
    let Some(()) = certificate(&sandbox, "cert.pem", "key.pem") else {
        println!("skipped: install `openssl`, which makes certificates");
        return;
    };
    let Some(server) = Server::start(&sandbox) else {
        return;
    };
    let ask = |verify: &str| size(&server.settings("https").with("ssl_verify", verify));
    let error = ask("true").unwrap_err();
    assert!(!error.is_transient(), "{error:?}");
    assert_eq!(ask("false").unwrap(), Some(8));
    // The certificate to trust, by its file.
    assert_eq!(
        ask(sandbox.root.join("cert.pem").as_str()).unwrap(),
        Some(8)
    );
    certificate(&sandbox, "other.pem", "other-key.pem");
    ask(sandbox.root.join("other.pem").as_str()).unwrap_err();
    // A file without one, or that is not there.
    let error = ask(sandbox.root.join("key.pem").as_str()).unwrap_err();
    assert!(error.to_string().contains("`ssl_verify`"), "{error}");
    let error = ask(sandbox.root.join("nothing.pem").as_str()).unwrap_err();
    assert!(error.to_string().contains("`ssl_verify`"), "{error}");
    assert!(error.hint().unwrap().contains("--unset"), "{error}");
}

#[test]
fn a_server_may_want_to_know_who_asks() {
    let sandbox = Sandbox::new();
    sandbox.write(KEY, "over TLS");
    let Some(()) = certificate(&sandbox, "cert.pem", "key.pem") else {
        println!("skipped: install `openssl`, which makes certificates");
        return;
    };
    certificate(&sandbox, "client.pem", "client-key.pem").unwrap();
    let Some(server) = Server::start(&sandbox) else {
        return;
    };
    let file = |name: &str| sandbox.root.join(name).to_string();
    let unknown = server
        .settings("webdavs")
        .with("ssl_verify", &file("cert.pem"));
    let ask = |settings: &RemoteSettings| {
        let mut content = Vec::new();
        open_remote(settings)?.read(KEY, &mut content)?;
        Ok::<_, RemoteError>(content)
    };
    ask(&unknown).unwrap_err();
    let known = unknown.clone().with("cert_path", &file("client.pem"));
    let read = ask(&known.clone().with("key_path", &file("client-key.pem")));
    assert_eq!(read.unwrap(), b"over TLS");
    // Both in one file.
    let both = ["client.pem", "client-key.pem"]
        .map(|name| fs_err::read_to_string(file(name)).unwrap())
        .concat();
    sandbox.write("both.pem", both);
    let read = ask(&unknown.with("cert_path", &file("both.pem")));
    assert_eq!(read.unwrap(), b"over TLS");
    let error = ask(&known).unwrap_err();
    assert!(error.to_string().contains("`cert_path`"), "{error}");
}
