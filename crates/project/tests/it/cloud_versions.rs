//! Google Cloud Storage and its generations (`fake-gcs-server`), and Azure and its versions (a
//! stand-in of ours), beside DVC with its parts for them.

use ketch_project::{
    Bringing, FrozenImports, ImportLookOptions, OnExisting, PullOptions, RemoteChoice, SourceState,
    TransferSelection, UpdateDestination, UpdateOptions, UrlDestination, UrlImportOptions,
    VERSION_AWARE, import_changes, import_url, pull, push, status, update,
};
use ketch_store::Silent;
use ketch_testkit::{AZURE_KEY, AzureVersions, Generations, GoogleStorage};

use crate::interop::Dvc;
use crate::sandbox::Sandbox;
use crate::transfer::{add_data, push_all};
use crate::versioned_imports::version_of;

/// Writes into a bucket, under a name, some text, as somebody else would.
type Put<'a> = Box<dyn Fn(&str, &str, &str) + 'a>;

/// A server with the buckets `ver`, which keeps versions, and `plain`, which keeps none.
struct Cloud<'a> {
    scheme: &'static str,
    /// How it is reached.
    settings: Vec<(&'static str, String)>,
    /// What is between a URL and a version that it names.
    mark: &'static str,
    put: Put<'a>,
    /// What is another one with each version.
    masks: &'static [&'static str],
}

impl Cloud<'_> {
    /// Two remotes that keep versions in two ways; the first is the default one.
    fn configure(&self, sandbox: &Sandbox, prefix: &str) {
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|(key, value)| format!("    {key} = \"{value}\"\n"))
            .collect();
        let settings = settings.concat();
        let remote = |name: &str, place: &str, option: &str| {
            let url = format!("{}://ver/{place}", self.scheme);
            format!("['remote \"{name}\"']\n    url = {url}\n{settings}    {option} = true\n")
        };
        let text = "[core]\n    remote = ver\n".to_owned()
            + &remote("ver", prefix, "version_aware")
            + &remote("wt", &format!("{prefix}-tree"), "worktree");
        sandbox.write(".dvc/config", text);
    }

    /// Records, with what is of one version only masked.
    fn masked(&self, sandbox: &Sandbox, files: &[&str]) -> String {
        let lines = files.iter().map(|file| sandbox.read(file));
        let mut text = String::new();
        for line in lines.collect::<String>().lines() {
            let field = line.trim_start().split(": ").next().unwrap_or_default();
            let masked = match line.split_once(": ") {
                Some((before, id)) if self.masks.contains(&field) => {
                    format!("{before}: {}", "x".repeat(id.len()))
                }
                _ => line.to_owned(),
            };
            text.push_str(&masked);
            text.push('\n');
        }
        text
    }
}

fn google(server: &GoogleStorage) -> Cloud<'_> {
    server.make_bucket("ver", Generations::Kept);
    server.make_bucket("plain", Generations::Dropped);
    let anonymous = ("allow_anonymous_login", "true".to_owned());
    Cloud {
        scheme: "gs",
        settings: vec![("endpointurl", server.url()), anonymous],
        mark: "#",
        put: Box::new(|bucket, name, body| server.put(bucket, name, body)),
        masks: &["version_id"],
    }
}

fn azure(server: &AzureVersions) -> Cloud<'_> {
    let string = server.connection_string(AZURE_KEY);
    Cloud {
        scheme: "azure",
        settings: vec![("connection_string", string)],
        mark: "?versionid=",
        put: Box::new(|bucket, name, body| server.put(bucket, name, body)),
        masks: &["version_id", "etag"],
    }
}

fn forget(sandbox: &Sandbox) {
    for path in [".dvc/cache", "d", "f"] {
        sandbox.remove(path);
    }
}

#[test]
fn generations_are_recorded_and_come_back_as_with_dvc() {
    if let Some(server) = GoogleStorage::start() {
        versions_are_recorded_and_come_back_as_with_dvc(&google(&server));
    }
}

#[test]
fn versions_on_azure_are_recorded_and_come_back_as_with_dvc() {
    if let Some(server) = AzureVersions::start() {
        versions_are_recorded_and_come_back_as_with_dvc(&azure(&server));
    }
}

fn versions_are_recorded_and_come_back_as_with_dvc(cloud: &Cloud) {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find_with(&theirs, cloud.scheme) else {
        return;
    };
    let records = ["d.dvc", "f.dvc"];
    for (sandbox, prefix) in [(&ours, "ours"), (&theirs, "theirs")] {
        sandbox.write("d/s/y", "2\n");
        sandbox.write("d/x", "1\n");
        sandbox.write("f", "m\n");
        for target in ["d", "f"] {
            add_data(&sandbox.open(), target);
        }
        cloud.configure(sandbox, prefix);
    }
    assert_eq!(push_all(&ours.open()).objects(), 3);
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert_eq!(
        cloud.masked(&ours, &records),
        cloud.masked(&theirs, &records)
    );
    assert_eq!(push_all(&ours.open()).objects(), 0);
    assert_eq!(push_all(&theirs.open()).changed_files.len(), 0);
    let first = ours.read("d.dvc");

    // Each gets what the other one pushed, though others have taken their places.
    (cloud.put)("ver", "ours/d/x", "other\n");
    (cloud.put)("ver", "theirs/d/x", "other\n");
    forget(&ours);
    dvc.run(&ours.root, &["pull", "--quiet"]);
    forget(&theirs);
    let pulled = pull(&theirs.open(), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(pulled.fetch.objects(), 3);
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.read("d/x"), "1\n");
        assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
    }

    // The other way: what is newest there is somebody's work tree, and is brought by `update`.
    for (sandbox, prefix) in [(&ours, "ours-tree"), (&theirs, "theirs-tree")] {
        let wt = TransferSelection {
            remote: RemoteChoice {
                name: Some("wt".to_owned()),
                ..RemoteChoice::default()
            },
            ..TransferSelection::default()
        };
        assert_eq!(push(&sandbox.open(), &wt, &Silent).unwrap().objects(), 3);
        (cloud.put)("ver", &format!("{prefix}/f"), "mm\n");
        (cloud.put)("ver", &format!("{prefix}/d/new"), "3\n");
    }
    let options = UpdateOptions {
        targets: vec!["d.dvc".into(), "f.dvc".into()],
        revision: None,
        to: UpdateDestination::Workspace,
        directory: ours.root.clone(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    };
    update(&ours.open(), &options, &Silent).unwrap();
    dvc.run(&theirs.root, &["update", "d.dvc", "f.dvc"]);
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.read("f"), "mm\n");
        assert_eq!(sandbox.read("d/new"), "3\n");
    }
    assert_eq!(
        cloud.masked(&ours, &["f.dvc"]),
        cloud.masked(&theirs, &["f.dvc"])
    );

    // And what was there at first, by the record of then.
    ours.write("d.dvc", first);
    forget(&ours);
    let targets = vec!["d.dvc".to_owned()];
    let all = PullOptions {
        from: TransferSelection {
            targets,
            ..TransferSelection::default()
        },
        ..PullOptions::default()
    };
    pull(&ours.open(), &all, &Silent).unwrap();
    assert_eq!(ours.read("d/x"), "1\n");
    assert!(!ours.exists("d/new"));
}

#[test]
fn imports_from_google_are_those_of_dvc() {
    if let Some(server) = GoogleStorage::start() {
        imports_are_those_of_dvc(&google(&server));
    }
}

#[test]
fn imports_from_azure_are_those_of_dvc() {
    if let Some(server) = AzureVersions::start() {
        imports_are_those_of_dvc(&azure(&server));
    }
}

fn imports_are_those_of_dvc(cloud: &Cloud) {
    for bucket in ["ver", "plain"] {
        (cloud.put)(bucket, "in/a.txt", "one");
        (cloud.put)(bucket, "in/s/b.txt", "two");
    }
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find_with(&theirs, cloud.scheme) else {
        return;
    };
    let cases = [
        ("plain/in/a.txt", "file", false),
        ("plain/in", "folder", false),
        ("ver/in/a.txt", "v_file", true),
        ("ver/in", "v_folder", true),
    ];
    let import = |url: &str, out: &str, is_versioned: bool| {
        let aware = is_versioned.then(|| (VERSION_AWARE.to_owned(), "true".to_owned()));
        let settings = cloud.settings.iter();
        let settings = settings.map(|(key, value)| ((*key).to_owned(), value.clone()));
        let options = UrlImportOptions {
            url: url.to_owned(),
            out: Some(out.into()),
            directory: ours.root.clone(),
            existing: OnExisting::Refuse,
            to: UrlDestination::Workspace(Bringing::Data),
            settings: settings.clone().chain(aware).collect(),
            transfer: RemoteChoice::default(),
            trash: "now".to_owned(),
        };
        import_url(&ours.open(), &options, &Silent).unwrap();
        let mut arguments = vec!["import-url", "--quiet", url, out];
        let settings: Vec<String> = settings
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        for setting in &settings {
            arguments.extend(["--fs-config", setting]);
        }
        arguments.extend(is_versioned.then_some("--version-aware"));
        dvc.run(&theirs.root, &arguments);
        let record = format!("{out}.dvc");
        assert_eq!(ours.read(&record), theirs.read(&record), "{url}");
    };
    for (place, out, is_versioned) in cases {
        import(&format!("{}://{place}", cloud.scheme), out, is_versioned);
    }

    let changes = || {
        let options = ImportLookOptions {
            targets: Vec::new(),
            directory: ours.root.clone(),
            frozen: FrozenImports::Versioned,
            transfer: RemoteChoice::default(),
        };
        let look = import_changes(&ours.open(), &options, &Silent).unwrap();
        assert!(look.failures.is_empty(), "{look:?}");
        let changes = look.changes.into_iter();
        changes
            .map(|one| (one.file.into_string(), one.state))
            .collect::<Vec<_>>()
    };
    assert_eq!(changes(), []);
    for bucket in ["ver", "plain"] {
        (cloud.put)(bucket, "in/a.txt", "ONE");
    }
    let changed = [
        ("v_file.dvc".to_owned(), SourceState::UpdateAvailable),
        ("v_folder.dvc".to_owned(), SourceState::Modified),
    ];
    assert_eq!(changes(), changed);
    // The generations of then, and of what has none its own copy, which is not here any more.
    for path in [".dvc/cache", "v_file", "v_folder"] {
        ours.remove(path);
    }
    let all = PullOptions {
        from: TransferSelection {
            targets: vec!["v_file.dvc".to_owned(), "v_folder.dvc".to_owned()],
            ..TransferSelection::default()
        },
        ..PullOptions::default()
    };
    pull(&ours.open(), &all, &Silent).unwrap();
    assert_eq!(ours.read("v_file"), "one");
    assert_eq!(ours.read("v_folder/a.txt"), "one");

    // A version that is not the newest, named by its URL.
    let first = version_of(&ours, "v_file");
    let url = |version: &str| format!("{}://ver/in/a.txt{}{version}", cloud.scheme, cloud.mark);
    for (out, is_versioned) in [("old", false), ("aware", true)] {
        import(&url(&first), out, is_versioned);
        assert_eq!(ours.read(out), "one");
    }
    assert_eq!(changes(), changed);

    let renew = |out: &str| {
        let options = UpdateOptions {
            targets: vec![format!("{out}.dvc").into()],
            revision: None,
            to: UpdateDestination::Workspace,
            directory: ours.root.clone(),
            transfer: RemoteChoice::default(),
            trash: "now".to_owned(),
        };
        let report = update(&ours.open(), &options, &Silent).unwrap();
        assert_eq!(report.updated.len(), 1, "{out}");
    };
    for (_, out, _) in cases {
        renew(out);
        let record = format!("{out}.dvc");
        dvc.run(&theirs.root, &["update", "--quiet", &record]);
        assert_eq!(ours.read(&record), theirs.read(&record), "{out}");
    }
    // The URL names what is recorded. (DVC leaves the old version there, and cannot read that.)
    renew("old");
    assert_eq!(ours.read("old"), "ONE");
    let record = ours.read("old.dvc");
    assert!(record.contains(&url(&version_of(&ours, "old"))), "{record}");
    assert_eq!(changes(), []);
    // What is of no version that is kept is ours to push.
    let store = ours.outside().join("store");
    ours.write(
        ".dvc/config",
        format!("[core]\n    remote = st\n['remote \"st\"']\n    url = {store}\n"),
    );
    let pushed = push(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert_eq!(pushed.objects(), 3, "{pushed:?}");

    for path in [".dvc/cache", "old"] {
        ours.remove(path);
    }
    dvc.run(&ours.root, &["pull", "--quiet", "old.dvc"]);
    assert_eq!(ours.read("old"), "ONE");
}
