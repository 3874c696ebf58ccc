//! Against `Azurite` and `fake-gcs-server`, the stand-ins for Azure Blob Storage and Google Cloud
//! Storage, and one of our own for versions on Azure.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ketch_store::remote::{
    FailureKind, Remote, RemoteEnvironment, RemoteError, RemoteSettings, open_remote,
};
use ketch_testkit::{AZURE_KEY, AzureVersions, Generations, GoogleStorage, peer};

use crate::Sandbox;
use crate::remote::{conformance, is_denied, removal, removal_together, round_trip};

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

/// The account that everybody's Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
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
    let remote = open_remote(&azure(port, AZURE_KEY)).unwrap();
    server.wait_until("Azurite", || remote.size("x").is_ok());
    let made = Command::new(python)
        .args(["-c", MAKE_CONTAINER, &port.to_string(), ACCOUNT, AZURE_KEY])
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
        is_denied(&error);
        assert!(error.hint().unwrap().contains("credentials"));
        let shown = format!("{error:?}");
        assert!(!shown.contains("UZFT50uSRZ6"), "{shown}");
    };
    denied(&azure(port, OTHER_KEY));
    denied(&azure(port, AZURE_KEY).with("allow_anonymous_login", "true"));
    let nowhere = RemoteSettings::new("cloud", "azure://elsewhere")
        .with("connection_string", &connection(port, AZURE_KEY));
    let error = open_remote(&nowhere)
        .unwrap()
        .write("x", &mut &b"x"[..], 1)
        .unwrap_err();
    assert!(error.hint().unwrap().contains("`url`"), "{error}");

    // It keeps no versions, and is not trusted with what would be lost.
    for option in ["version_aware", "worktree"] {
        let remote = open_remote(&azure(port, AZURE_KEY).with(option, "true")).unwrap();
        says_that_nothing_is_kept(&*remote);
    }

    // The same from the account's variables.
    let bare = RemoteSettings::new("cloud", "azure://box");
    let error = open_remote(&bare).unwrap_err();
    assert!(error.to_string().contains("account_name"), "{error}");
    let variables = [(
        "AZURE_STORAGE_CONNECTION_STRING",
        connection(port, AZURE_KEY),
    )];
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
    every_version_is_kept(&*remote, |etag| {
        etag.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    // What is no generation is not there, and changes no address.
    no_version_is_there(&*remote, &["1", "x", "", "1&alt=json"]);
}

#[test]
fn azure_keeps_every_version() {
    let Some(server) = AzureVersions::start() else {
        return;
    };
    let at = |url: &str, string: String| {
        let settings = RemoteSettings::new("cloud", url).with("version_aware", "true");
        settings.with("connection_string", &string)
    };
    let by_key = server.connection_string(AZURE_KEY);
    let quoted = |etag: &str| etag.starts_with("\"0x") && etag.ends_with('"');
    // Signed by a key, which signs the version too, and by what does not.
    for (url, string) in [
        ("azure://versions/key", by_key.clone()),
        ("azure://versions/signature", server.signature_string()),
    ] {
        let remote = open_remote(&at(url, string)).unwrap();
        every_version_is_kept(&*remote, quoted);
        // What is no version is not there, and changes no address; nor is a version of never.
        let never = "2001-01-01T00:00:00.0000000Z";
        no_version_is_there(&*remote, &["", "null", "1&sig=x", never]);
        // What is deleted can still be read by its version.
        let versions = remote.versions().unwrap();
        let last = versions.newest(KEY).unwrap().unwrap();
        remote.delete(KEY).unwrap();
        assert_eq!(versions.newest(KEY).unwrap(), None);
        assert_eq!(versions.version(KEY, &last.version_id).unwrap(), Some(last));
    }

    let wrong = server.connection_string(OTHER_KEY);
    let remote = open_remote(&at("azure://versions/key", wrong)).unwrap();
    let versions = remote.versions().unwrap();
    let id = "2001-01-01T00:00:00.0000000Z";
    is_denied(&versions.newest(KEY).unwrap_err());
    is_denied(&versions.version(KEY, id).unwrap_err());
    is_denied(&versions.read_version(KEY, id, &mut Vec::new()).unwrap_err());

    let remote = open_remote(&at("azure://plain", by_key)).unwrap();
    says_that_nothing_is_kept(&*remote);
}

/// Where a container keeps no versions.
fn says_that_nothing_is_kept(remote: &dyn Remote) {
    let versions = remote.versions().unwrap();
    let error = versions.write_version(KEY, &mut &b"x"[..], 1).unwrap_err();
    assert!(
        matches!(error, RemoteError::KeepsNoVersions { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("turn on versioning"));
    let error = versions.newest(KEY).unwrap_err();
    assert!(
        matches!(error, RemoteError::KeepsNoVersions { .. }),
        "{error:?}"
    );
}

const KEY: &str = "d/a b#?%.txt";

fn every_version_is_kept(remote: &dyn Remote, is_etag: fn(&str) -> bool) {
    let versions = remote.versions().unwrap();
    assert_eq!(versions.newest(KEY).unwrap(), None);
    // One request, and a part more than one.
    for length in [3, (8 << 20) + 5] {
        let bytes = |byte: u8| vec![byte; length];
        let write = |byte: u8| {
            let size = length as u64;
            let written = versions.write_version(KEY, &mut &bytes(byte)[..], size);
            written.unwrap()
        };
        let (first, second) = (write(b'1'), write(b'2'));
        assert_ne!(first.version_id, second.version_id);
        assert_eq!(first.size, length as u64);
        let etag = second.etag.as_deref().unwrap();
        assert!(is_etag(etag), "{etag}");
        assert_eq!(versions.newest(KEY).unwrap().as_ref(), Some(&second));
        for (version, byte) in [(&first, b'1'), (&second, b'2')] {
            let id = version.version_id.as_str();
            assert_eq!(versions.version(KEY, id).unwrap().as_ref(), Some(version));
            let mut read = Vec::new();
            versions.read_version(KEY, id, &mut read).unwrap();
            assert!(read == bytes(byte), "{} bytes", read.len());
        }
    }
    let mut keys = Vec::new();
    versions
        .list_newest("d", &mut |key| keys.push(key.to_owned()))
        .unwrap();
    assert_eq!(keys, [KEY]);
}

fn no_version_is_there(remote: &dyn Remote, names: &[&str]) {
    let versions = remote.versions().unwrap();
    for nothing in names {
        assert_eq!(versions.version(KEY, nothing).unwrap(), None);
        let error = versions
            .read_version(KEY, nothing, &mut Vec::new())
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
