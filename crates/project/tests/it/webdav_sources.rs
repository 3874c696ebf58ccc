//! Data at `WebDAV` servers, imported and got by URL and by the name of a remote: from `SeaweedFS`,
//! beside DVC with its part for `WebDAV`, and alone.

use std::process::Command;

use camino::Utf8PathBuf;
use ketch_project::{
    Bringing, FrozenImports, ImportChange, ImportError, ImportLookOptions, OnExisting,
    ProjectError, RemoteChoice, SourceState, UpdateDestination, UpdateOptions, UpdateReport,
    UrlDestination, UrlGetOptions, get_url, import_changes, import_url, update,
};
use ketch_store::Silent;
use ketch_testkit::SeaweedFs;

use crate::import::{refusal, url_options};
use crate::interop::Dvc;
use crate::sandbox::Sandbox;

struct Server(SeaweedFs);

impl Server {
    /// With two files in a folder.
    fn start() -> Option<Self> {
        let server = Self(SeaweedFs::start(None)?);
        for folder in ["dav", "dav/in", "dav/in/s", "dav/in/deep", "dav/in/deep/er"] {
            server.until(201, &format!("MKCOL /{folder}"), "");
        }
        server.put("a.txt", "one");
        server.put("s/b%20%C3%BC.txt", "two");
        server.put("deep/er/c", "three");
        Some(server)
    }

    fn until(&self, status: u16, line: &str, body: &str) {
        let done = || self.0.request(self.0.webdav, line, body) == Some(status);
        self.0.wait_until(line, done).unwrap();
    }

    fn put(&self, name: &str, body: &str) {
        self.until(201, &format!("PUT /dav/in/{name}"), body);
    }

    fn url(&self, path: &str) -> String {
        format!("webdav://127.0.0.1:{}/dav/{path}", self.0.webdav)
    }

    fn configure(&self, sandbox: &Sandbox) {
        let url = self.url("");
        let url = url.trim_end_matches('/');
        sandbox.write(
            ".dvc/config",
            format!("['remote \"w\"']\n    url = {url}\n"),
        );
    }
}

fn bring(sandbox: &Sandbox, url: &str, out: &str, bringing: Bringing) {
    let mut options = url_options(sandbox, url, out);
    options.to = UrlDestination::Workspace(bringing);
    import_url(&sandbox.open(), &options, &Silent).unwrap();
}

fn renew(sandbox: &Sandbox, out: &str) -> UpdateReport {
    let options = UpdateOptions {
        targets: vec![format!("{out}.dvc").into()],
        revision: None,
        to: UpdateDestination::Workspace,
        directory: sandbox.root.clone(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    };
    update(&sandbox.open(), &options, &Silent).unwrap()
}

/// What became of the sources of imports that are not frozen.
fn changes(sandbox: &Sandbox) -> Vec<(String, SourceState)> {
    let options = ImportLookOptions {
        targets: Vec::new(),
        directory: sandbox.root.clone(),
        frozen: FrozenImports::Versioned,
        transfer: RemoteChoice::default(),
    };
    let look = import_changes(&sandbox.open(), &options, &Silent).unwrap();
    assert!(look.failures.is_empty(), "{look:?}");
    let named = |one: ImportChange| (one.file.into_string(), one.state);
    look.changes.into_iter().map(named).collect()
}

#[test]
fn data_at_webdav_servers_is_imported_updated_and_got() {
    let Some(server) = Server::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    server.configure(&sandbox);
    let places = [
        (server.url("in/a.txt"), "file"),
        (server.url("in"), "folder"),
        ("remote://w/in/a.txt".to_owned(), "named_file"),
        ("remote://w/in".to_owned(), "named_folder"),
    ];
    for (url, out) in &places {
        bring(&sandbox, url, out, Bringing::Data);
        let record = sandbox.read(&format!("{out}.dvc"));
        assert!(record.contains(&format!("path: {url}\n")), "{record}");
        sandbox.write(&format!("{out}.dvc"), record.replace("frozen: true\n", ""));
        assert_eq!(renew(&sandbox, out).updated.len(), 0, "{out}");
    }
    assert_eq!(sandbox.read("file"), "one");
    assert_eq!(sandbox.read("named_folder/s/b ü.txt"), "two");
    assert_eq!(changes(&sandbox), []);

    server.put("a.txt", "newer");
    let all = ["file", "folder", "named_file", "named_folder"];
    let modified = |out: &str| (format!("{out}.dvc"), SourceState::Modified);
    assert_eq!(changes(&sandbox), all.map(modified));
    for out in all {
        assert_eq!(renew(&sandbox, out).updated.len(), 1, "{out}");
        assert_eq!(renew(&sandbox, out).unchanged.len(), 1, "{out}");
    }
    assert_eq!(sandbox.read("named_file"), "newer");
    assert_eq!(sandbox.read("folder/a.txt"), "newer");

    for (url, out) in &places {
        let into = sandbox.root.join(format!("got_{out}"));
        let options = UrlGetOptions {
            url: url.clone(),
            out: Some(into),
            directory: sandbox.root.clone(),
            root: Some(sandbox.root.clone()),
            existing: OnExisting::Refuse,
            settings: Vec::new(),
            transfer: RemoteChoice::default(),
        };
        get_url(&options, &Silent).unwrap();
    }
    assert_eq!(sandbox.read("got_named_file"), "newer");
    assert_eq!(sandbox.read("got_folder/s/b ü.txt"), "two");

    server.until(204, "DELETE /dav/in/a.txt", "");
    let seen = changes(&sandbox);
    let missing = |out: &str| (format!("{out}.dvc"), SourceState::Missing);
    assert_eq!(
        seen,
        [
            missing("file"),
            modified("folder"),
            missing("named_file"),
            modified("named_folder"),
        ]
    );
    let options = url_options(&sandbox, &server.url("in/nothing"), "nothing");
    let error = refusal(import_url(&sandbox.open(), &options, &Silent).unwrap_err());
    assert!(matches!(error, ImportError::NoData { .. }), "{error}");
    assert!(!sandbox.exists("nothing.dvc"));
}

/// Single files DVC 3.67.1 with dvc-webdav 3.0.1 cannot download; it says in what state they are.
#[test]
fn what_is_recorded_of_webdav_is_what_dvc_records() {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find_with(&theirs, "webdav") else {
        return;
    };
    let Some(server) = Server::start() else {
        return;
    };
    for sandbox in [&ours, &theirs] {
        server.configure(sandbox);
    }
    let url = server.url("in");
    let cases = [
        (url.as_str(), "folder", Bringing::Data),
        ("remote://w/in", "named_folder", Bringing::Data),
        ("remote://w/in", "later", Bringing::State),
        ("remote://w/in/a.txt", "later_file", Bringing::State),
    ];
    let same = || {
        for (_, out, _) in cases {
            let record = format!("{out}.dvc");
            assert_eq!(ours.read(&record), theirs.read(&record), "{out}");
        }
    };
    for (url, out, bringing) in cases {
        bring(&ours, url, out, bringing);
        let mut arguments = vec!["import-url", "--quiet", url, out];
        arguments.extend((bringing == Bringing::State).then_some("--no-download"));
        dvc.run(&theirs.root, &arguments);
    }
    same();
    server.put("a.txt", "newer");
    for out in ["folder", "named_folder", "later"] {
        renew(&ours, out);
        dvc.run(&theirs.root, &["update", "--quiet", &format!("{out}.dvc")]);
    }
    same();
    // What ketch recorded is nothing new to DVC.
    dvc.run(&ours.root, &["unfreeze", "named_folder.dvc"]);
    let told = dvc.run(&ours.root, &["status", "--json", "named_folder.dvc"]);
    assert_eq!(told.trim(), "{}");
}

/// A certificate that no machine trusts but by its file, and its key; not without the program for it.
fn certificate(sandbox: &Sandbox) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
    let folder = sandbox.outside();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let arguments = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let made = Command::new("openssl")
        .args(arguments.split(' '))
        .args(["-keyout", key.as_str(), "-out", certificate.as_str()])
        .output()
        .ok()?;
    assert!(made.status.success(), "{made:?}");
    Some((certificate, key))
}

#[test]
fn data_over_tls_comes_from_whom_the_named_certificate_proves() {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some((trusted, key)) = certificate(&ours) else {
        return;
    };
    let Some(server) = SeaweedFs::start_over_tls(&trusted, &key) else {
        return;
    };
    let Some(dvc) = Dvc::find_with(&theirs, "webdav") else {
        return;
    };
    for (name, body) in [("a.txt", "one"), ("s/b.txt", "two")] {
        let line = format!("PUT /dav/in/{name}");
        let done = || server.request(server.filer, &line, body) == Some(201);
        server.wait_until(&line, done).unwrap();
    }
    let url = |path: &str| format!("webdavs://127.0.0.1:{}/dav/in{path}", server.webdav);
    let setting = ("ssl_verify".to_owned(), trusted.to_string());
    for (url, out) in [(url("/a.txt"), "file"), (url(""), "folder")] {
        let mut options = url_options(&ours, &url, out);
        options.to = UrlDestination::Workspace(Bringing::Data);
        // Nobody said whom to trust.
        options.transfer.retry.attempts = 1;
        let error = import_url(&ours.open(), &options, &Silent).unwrap_err();
        assert!(matches!(error, ProjectError::Store(_)), "{error:?}");
        assert!(!ours.exists(out));
        options.settings = vec![setting.clone()];
        import_url(&ours.open(), &options, &Silent).unwrap();
        assert_eq!(renew(&ours, out).unchanged.len(), 1);
    }
    assert_eq!(ours.read("file"), "one");
    assert_eq!(ours.read("folder/s/b.txt"), "two");
    // DVC cannot import a single file by such a URL.
    let named = format!("ssl_verify={trusted}");
    let arguments = ["import-url", &url(""), "folder", "--fs-config", &named];
    dvc.run(&theirs.root, &arguments);
    assert_eq!(ours.read("folder.dvc"), theirs.read("folder.dvc"));

    let get = |settings: Vec<(String, String)>| {
        let options = UrlGetOptions {
            url: url(""),
            out: Some(ours.root.join("got")),
            directory: ours.root.clone(),
            root: Some(ours.root.clone()),
            existing: OnExisting::Refuse,
            settings,
            transfer: RemoteChoice::default(),
        };
        get_url(&options, &Silent)
    };
    get(vec![setting]).unwrap();
    assert_eq!(ours.read("got/s/b.txt"), "two");
    let nothing = ("ssl_verify".to_owned(), key.to_string());
    ours.remove("got");
    let error = get(vec![nothing]).unwrap_err();
    assert!(error.to_string().contains("ssl_verify"), "{error}");
}
