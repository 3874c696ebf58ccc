//! Against `Azurite` and `fake-gcs-server`: the stand-ins for Azure Blob Storage and Google Cloud
//! Storage.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ketch_store::remote::{
    FailureKind, RemoteEnvironment, RemoteError, RemoteSettings, open_remote,
};
use ketch_testkit::{Generations, GoogleStorage, peer};

use crate::Sandbox;
use crate::remote::{conformance, removal, removal_together, round_trip};

/// A program that serves on a port until the end of the test.
pub(crate) struct Running {
    child: Child,
    log: camino::Utf8PathBuf,
}

impl Running {
    pub(crate) fn start(command: &mut Command, sandbox: &Sandbox) -> Self {
        let log = sandbox.root.join("log");
        let file = fs_err::File::create(&log).unwrap().into_parts().0;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().unwrap()))
            .stderr(Stdio::from(file))
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        for _ in 0..600 {
            if condition() {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("no {what}:\n{}", fs_err::read_to_string(&self.log).unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The account and key that everybody's Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const OTHER_KEY: &str =
    "AAAAvdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn connection(port: u16, key: &str) -> String {
    format!(
        "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT}/;"
    )
}

fn azure(port: u16, key: &str) -> RemoteSettings {
    RemoteSettings::new("cloud", "azure://box/some/prefix")
        .with("connection_string", &connection(port, key))
}

/// Makes a container, signed by hand: ketch never makes one.
const MAKE_CONTAINER: &str = r#"
import base64, email.utils, hashlib, hmac, http.client, sys
port, account, key = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
canonical = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n/{account}/{account}/box\nrestype:container"
signed = "PUT" + "\n" * 12 + canonical
mac = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:" + base64.b64encode(mac).decode()
connection = http.client.HTTPConnection("127.0.0.1", int(port))
connection.request("PUT", f"/{account}/box?restype=container", headers=headers)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
sys.exit(answer.status != 201)
"#;

#[test]
fn azure_keeps_the_contract() {
    let (Some(program), Some(python)) = (
        peer("azurite/node_modules/.bin/azurite-blob"),
        peer("python/bin/python"),
    ) else {
        return;
    };
    let sandbox = Sandbox::new();
    let port = free_port();
    let mut command = Command::new(program);
    command
        .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
        .args(["--location", sandbox.root.join("data").as_str()])
        .args(["--disableTelemetry", "--silent", "--skipApiVersionCheck"]);
    let server = Running::start(&mut command, &sandbox);
    let remote = open_remote(&azure(port, KEY)).unwrap();
    server.wait_until("Azurite", || remote.size("x").is_ok());
    let made = Command::new(python)
        .args(["-c", MAKE_CONTAINER, &port.to_string(), ACCOUNT, KEY])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    conformance(&*remote);
    removal(&*remote);
    removal_together(&*remote);
    // Enough to be listed instead of asked for one by one.
    round_trip(&*remote, 400);

    let denied = |settings: &RemoteSettings| {
        let error = open_remote(settings).unwrap().size("x").unwrap_err();
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
        let shown = format!("{error:?}");
        assert!(!shown.contains("UZFT50uSRZ6"), "{shown}");
    };
    denied(&azure(port, OTHER_KEY));
    denied(&azure(port, KEY).with("allow_anonymous_login", "true"));
    let nowhere = RemoteSettings::new("cloud", "azure://elsewhere")
        .with("connection_string", &connection(port, KEY));
    let error = open_remote(&nowhere)
        .unwrap()
        .write("x", &mut &b"x"[..], 1)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("`url`"), "{error}");

    // The same from the account's variables.
    let bare = RemoteSettings::new("cloud", "azure://box");
    let error = open_remote(&bare).unwrap_err();
    assert!(error.to_string().contains("account_name"), "{error}");
    let variables = [("AZURE_STORAGE_CONNECTION_STRING", connection(port, KEY))];
    let environment = variables.map(|(name, value)| (name.to_owned(), value));
    let remote = open_remote(&bare.with_environment(RemoteEnvironment::from_iter(environment)));
    assert_eq!(remote.unwrap().size("some/prefix/none").unwrap(), None);
}

#[test]
fn google_keeps_the_contract() {
    let Some(server) = GoogleStorage::start() else {
        return;
    };
    server.make_bucket("bucket", Generations::Dropped);
    let remote = open_remote(&google(&server)).unwrap();
    conformance(&*remote);
    removal(&*remote);
    round_trip(&*remote, 400);
}

fn google(server: &GoogleStorage) -> RemoteSettings {
    RemoteSettings::new("cloud", "gs://bucket/some/prefix")
        .with("endpointurl", &server.url())
        .with("projectname", "any")
        .with("allow_anonymous_login", "true")
}

#[test]
fn google_keeps_every_generation() {
    let Some(server) = GoogleStorage::start() else {
        return;
    };
    server.make_bucket("bucket", Generations::Kept);
    let remote = open_remote(&google(&server).with("version_aware", "true")).unwrap();
    let versions = remote.versions().unwrap();
    assert_eq!(versions.newest("d/a b#?%.txt").unwrap(), None);
    // One request, and a part more than one.
    for length in [3, (8 << 20) + 5] {
        let bytes = |byte: u8| vec![byte; length];
        let write = |byte: u8| {
            let size = length as u64;
            let written = versions.write_version("d/a b#?%.txt", &mut &bytes(byte)[..], size);
            written.unwrap()
        };
        let (first, second) = (write(b'1'), write(b'2'));
        assert_ne!(first.version_id, second.version_id);
        assert_eq!(first.size, length as u64);
        let etag = second.etag.as_deref().unwrap();
        assert!(etag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{etag}");
        assert_eq!(
            versions.newest("d/a b#?%.txt").unwrap().as_ref(),
            Some(&second)
        );
        for (version, byte) in [(&first, b'1'), (&second, b'2')] {
            let id = version.version_id.as_str();
            assert_eq!(
                versions.version("d/a b#?%.txt", id).unwrap().as_ref(),
                Some(version)
            );
            let mut read = Vec::new();
            versions
                .read_version("d/a b#?%.txt", id, &mut read)
                .unwrap();
            assert!(read == bytes(byte), "{} bytes", read.len());
        }
    }
    let mut keys = Vec::new();
    versions
        .list_newest("d", &mut |key| keys.push(key.to_owned()))
        .unwrap();
    assert_eq!(keys, ["d/a b#?%.txt"]);

    // What is no generation is not there, and changes no address.
    for nothing in ["1", "x", "", "1&alt=json"] {
        assert_eq!(versions.version("d/a b#?%.txt", nothing).unwrap(), None);
        let error = versions
            .read_version("d/a b#?%.txt", nothing, &mut Vec::new())
            .unwrap_err();
        assert!(
            matches!(
                &error,
                RemoteError::Failed {
                    kind: FailureKind::NotFound,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn azure_and_versions_is_said_to_be_too_much() {
    for option in ["version_aware", "worktree"] {
        let settings = azure(1, KEY).with(option, "true");
        let error = open_remote(&settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "remote `cloud`: `{option}` needs versions, which are not supported for Azure remotes"
            )
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!("--unset cloud {option}")), "{hint}");
        assert!(hint.contains("S3 and Google Cloud Storage"), "{hint}");
    }
}

#[test]
fn a_key_file_for_google_is_looked_at_before_anything_is_sent() {
    let sandbox = Sandbox::new();
    let ask = |path: &str| {
        let settings = RemoteSettings::new("cloud", "gs://bucket").with("credentialpath", path);
        open_remote(&settings).unwrap_err()
    };
    for content in ["", "no JSON", "{}", "[]"] {
        let path = sandbox.write("key.json", content);
        let error = ask(path.as_str());
        assert!(error.to_string().contains("credentialpath"), "{error}");
        assert!(error.hint().unwrap().contains("remote modify"), "{error}");
    }
    assert!(ask("/nowhere").to_string().contains("can be read"));
}
