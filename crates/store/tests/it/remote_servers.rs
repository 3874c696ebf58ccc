//! Against `SeaweedFS`: S3 with real signatures, and `WebDAV`.

use ketch_store::Silent;
use ketch_store::remote::{FailureKind, RemoteError, RemoteSettings, open_remote};
use ketch_testkit::SeaweedFs;

use crate::Sandbox;
use crate::chunked::chunked;
use crate::remote::{conformance, removal, removal_together, round_trip};

const CREDENTIALS: &str = r#"{"identities": [{"name": "t", "credentials": [{"accessKey": "AK", "secretKey": "SK"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}"#;

/// A server with a bucket, and a folder beside it.
struct Server {
    weed: SeaweedFs,
    sandbox: Sandbox,
}

impl Server {
    fn start() -> Option<Self> {
        let weed = SeaweedFs::start(Some(CREDENTIALS))?;
        let sandbox = Sandbox::new();
        let server = Self { weed, sandbox };
        let weed = &server.weed;
        let made = || {
            let status = weed.request(weed.filer, "PUT /buckets/bucket/", "");
            status.is_some_and(|status| status < 300)
        };
        weed.wait_until("bucket", made).unwrap();
        let warm = || {
            let remote = server.s3();
            remote.write("warm", &mut &b"x"[..], 1).is_ok() && remote.delete("warm").is_ok()
        };
        weed.wait_until("first object", warm).unwrap();
        Some(server)
    }

    fn settings(&self, url: &str, secret: &str) -> RemoteSettings {
        RemoteSettings::new("cloud", url)
            .with("endpointurl", &format!("http://127.0.0.1:{}", self.weed.s3))
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

#[test]
fn servers_keep_the_contract() {
    let Some(server) = Server::start() else {
        return;
    };
    conformance(&*server.s3());
    removal(&*server.s3());
    removal_together(&*server.s3());
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
    shared_with_somebody(&server);
    let webdav = |folder: &str| {
        let url = format!("webdav://127.0.0.1:{}/dav/{folder}", server.weed.webdav);
        open_remote(&RemoteSettings::new("dav", url)).unwrap()
    };
    conformance(&*webdav("store"));
    removal(&*webdav("store"));
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
/// The server checks the signature of what names them, of an object in one request and in parts.
fn shared_with_somebody(server: &Server) {
    let everybody = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
    for (secret, is_taken) in [("SK", true), ("wrong", false)] {
        let settings = server
            .settings("s3://bucket/shared", secret)
            .with("grant_read", everybody);
        let remote = open_remote(&settings).unwrap();
        for size in [5, (9 << 20) + 1] {
            let content = vec![7; size];
            let key = format!("of-{size}");
            let sent = remote.write(&key, &mut &content[..], size as u64);
            assert_eq!(sent.is_ok(), is_taken, "{sent:?}");
            if is_taken {
                assert_eq!(remote.size(&key).unwrap(), Some(size as u64));
            }
        }
    }
}

fn without_keys_of_its_own(server: &Server) {
    let endpoint = format!("http://127.0.0.1:{}", server.weed.s3);
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
