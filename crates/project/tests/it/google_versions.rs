//! Google Cloud Storage and its generations: `fake-gcs-server`, beside DVC with its part for Google.

use ketch_project::{
    Bringing, FrozenImports, ImportLookOptions, OnExisting, PullOptions, RemoteChoice, SourceState,
    TransferSelection, UpdateDestination, UpdateOptions, UrlDestination, UrlImportOptions,
    VERSION_AWARE, import_changes, import_url, pull, push, status, update,
};
use ketch_store::Silent;
use ketch_testkit::{Generations, GoogleStorage};

use crate::interop::Dvc;
use crate::sandbox::Sandbox;
use crate::transfer::{add_data, push_all};

/// Two remotes that keep versions in two ways; the first is the default one.
fn configure(server: &GoogleStorage, sandbox: &Sandbox, prefix: &str) {
    let url = server.url();
    let remote = |name: &str, place: &str, option: &str| {
        format!(
            "['remote \"{name}\"']\n    url = gs://ver/{place}\n    endpointurl = {url}\n    allow_anonymous_login = true\n    {option} = true\n"
        )
    };
    let text = "[core]\n    remote = ver\n".to_owned()
        + &remote("ver", prefix, "version_aware")
        + &remote("wt", &format!("{prefix}-tree"), "worktree");
    sandbox.write(".dvc/config", text);
}

/// Records, with the numbers of generations masked.
fn masked(sandbox: &Sandbox, files: &[&str]) -> String {
    let lines = files.iter().map(|file| sandbox.read(file));
    let mut text = String::new();
    for line in lines.collect::<String>().lines() {
        let masked = match line.split_once("version_id: ") {
            Some((before, id)) => format!("{before}version_id: {}", "x".repeat(id.len())),
            None => line.to_owned(),
        };
        text.push_str(&masked);
        text.push('\n');
    }
    text
}

fn forget(sandbox: &Sandbox) {
    for path in [".dvc/cache", "d", "f"] {
        sandbox.remove(path);
    }
}

#[test]
fn generations_are_recorded_and_come_back_as_with_dvc() {
    let Some(server) = GoogleStorage::start() else {
        return;
    };
    server.make_bucket("ver", Generations::Kept);
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find_with(&theirs, "gs") else {
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
        configure(&server, sandbox, prefix);
    }
    assert_eq!(push_all(&ours.open()).objects(), 3);
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert_eq!(masked(&ours, &records), masked(&theirs, &records));
    assert_eq!(push_all(&ours.open()).objects(), 0);
    assert_eq!(push_all(&theirs.open()).changed_files.len(), 0);
    let first = ours.read("d.dvc");

    // Each gets what the other one pushed, though others have taken their places.
    server.put("ver", "ours/d/x", "other\n");
    server.put("ver", "theirs/d/x", "other\n");
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
        server.put("ver", &format!("{prefix}/f"), "mm\n");
        server.put("ver", &format!("{prefix}/d/new"), "3\n");
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
    assert_eq!(masked(&ours, &["f.dvc"]), masked(&theirs, &["f.dvc"]));

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
    let Some(server) = GoogleStorage::start() else {
        return;
    };
    server.make_bucket("ver", Generations::Kept);
    server.make_bucket("plain", Generations::Dropped);
    for bucket in ["ver", "plain"] {
        server.put(bucket, "in/a.txt", "one");
        server.put(bucket, "in/s/b.txt", "two");
    }
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find_with(&theirs, "gs") else {
        return;
    };
    let endpoint = server.url();
    let settings = [
        ("endpointurl", endpoint.as_str()),
        ("allow_anonymous_login", "true"),
    ];
    let cases = [
        ("gs://plain/in/a.txt", "file", false),
        ("gs://plain/in", "folder", false),
        ("gs://ver/in/a.txt", "v_file", true),
        ("gs://ver/in", "v_folder", true),
    ];
    for (url, out, is_versioned) in cases {
        let aware = is_versioned.then_some((VERSION_AWARE, "true"));
        let options = UrlImportOptions {
            url: url.to_owned(),
            out: Some(out.into()),
            directory: ours.root.clone(),
            existing: OnExisting::Refuse,
            to: UrlDestination::Workspace(Bringing::Data),
            settings: settings
                .into_iter()
                .chain(aware)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            transfer: RemoteChoice::default(),
            trash: "now".to_owned(),
        };
        import_url(&ours.open(), &options, &Silent).unwrap();
        let mut arguments = vec!["import-url", "--quiet", url, out];
        let settings = settings.map(|(key, value)| format!("{key}={value}"));
        for setting in &settings {
            arguments.extend(["--fs-config", setting]);
        }
        arguments.extend(is_versioned.then_some("--version-aware"));
        dvc.run(&theirs.root, &arguments);
        let record = format!("{out}.dvc");
        assert_eq!(ours.read(&record), theirs.read(&record), "{url}");
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
        server.put(bucket, "in/a.txt", "ONE");
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

    for (_, out, _) in cases {
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
        let record = format!("{out}.dvc");
        dvc.run(&theirs.root, &["update", "--quiet", &record]);
        assert_eq!(ours.read(&record), theirs.read(&record), "{out}");
    }
    assert_eq!(changes(), []);
    // What is of no version that is kept is ours to push.
    let store = ours.outside().join("store");
    ours.write(
        ".dvc/config",
        format!("[core]\n    remote = st\n['remote \"st\"']\n    url = {store}\n"),
    );
    let pushed = push(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert_eq!(pushed.objects(), 3, "{pushed:?}");
}
