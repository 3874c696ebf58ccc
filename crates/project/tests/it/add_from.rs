//! Data from elsewhere, tracked under a name of its own; beside DVC and alone.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{
    AddDestination, AddFromOptions, AddFromReport, ImportError, OnExisting, ProjectError,
    PullOptions, RemoteChoice, TransferSelection, add_from, pull,
};
use ketch_store::Silent;

use crate::interop::{Dvc, assert_same};
use crate::sandbox::Sandbox;

fn options(sandbox: &Sandbox, source: &str, out: Option<&str>) -> AddFromOptions {
    AddFromOptions {
        source: source.to_owned(),
        out: out.map(Into::into),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        to: AddDestination::Workspace,
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    }
}

fn copied(sandbox: &Sandbox, source: &str, out: &str) -> AddFromReport {
    add_from(
        &sandbox.open(),
        &options(sandbox, source, Some(out)),
        &Silent,
    )
    .unwrap()
}

fn sent(
    sandbox: &Sandbox,
    source: &str,
    out: Option<&str>,
    remote: Option<&str>,
) -> Result<AddFromReport, ProjectError> {
    let mut options = options(sandbox, source, out);
    options.to = AddDestination::Remote;
    options.transfer.name = remote.map(str::to_owned);
    options.existing = OnExisting::Replace;
    add_from(&sandbox.open(), &options, &Silent)
}

/// Two remotes beside the project; the first is the default one.
fn with_remotes(sandbox: &Sandbox) {
    sandbox.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n['remote \"other\"']\n    url = ../../other\n",
    );
}

/// Data beside a project.
fn outside(sandbox: &Sandbox) -> Utf8PathBuf {
    let folder = sandbox.outside().join("outside");
    fs_err::create_dir_all(folder.join("dir/deep")).unwrap();
    fs_err::write(folder.join("f.txt"), "f\n").unwrap();
    fs_err::write(folder.join("g.txt"), "other\n").unwrap();
    fs_err::write(folder.join("dir/1"), "1\n").unwrap();
    fs_err::write(folder.join("dir/deep/2"), "22\n").unwrap();
    fs_err::write(folder.join("run.sh"), "#!/bin/sh\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(folder.join("run.sh"), mode).unwrap();
    folder
}

/// The objects of a remote, without what DVC leaves lying about.
fn objects(remote: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![remote.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension() != Some("tmp") {
                found.push(path.strip_prefix(remote).unwrap().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_tracked_is_what_dvc_tracks() {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let folder = outside(&ours);
    for sandbox in [&ours, &theirs] {
        with_remotes(sandbox);
        sandbox.write("sub/kept", "");
        sandbox.write("here.txt", "here\n");
    }
    for (name, out) in [
        ("f.txt", "sub"),
        ("f.txt", "named.txt"),
        ("dir", "copied"),
        ("run.sh", "run.sh"),
        ("../project/here.txt", "copy of here.txt"),
    ] {
        let source = match name.strip_prefix("../project/") {
            Some(inside) => inside.to_owned(),
            None => folder.join(name).into_string(),
        };
        copied(&ours, &source, out);
        dvc.run(&theirs.root, &["add", "--quiet", "-o", out, &source]);
    }
    assert_same(&ours.root, &theirs.root);

    // Over what is there, with what people wrote there kept.
    for sandbox in [&ours, &theirs] {
        let text = sandbox.read("named.txt.dvc").replace(
            "outs:",
            "# why it is here\nmeta: {owner: us}\ndesc: a file\nouts:",
        );
        sandbox.write("named.txt.dvc", text);
    }
    for (name, out) in [("g.txt", "named.txt"), ("dir", "copied")] {
        let source = folder.join(name);
        let mut options = options(&ours, source.as_str(), Some(out));
        if out == "copied" {
            // A directory that is there takes it in, with either.
            options.out = Some("copied/dir".into());
            assert!(add_from(&ours.open(), &options, &Silent).is_err());
            continue;
        }
        let refused = add_from(&ours.open(), &options, &Silent).unwrap_err();
        assert!(
            matches!(refused, ProjectError::Import(ImportError::Exists { .. })),
            "{refused}"
        );
        dvc.fail(&theirs.root, &["add", "-o", out, source.as_str()]);
        options.existing = OnExisting::Replace;
        add_from(&ours.open(), &options, &Silent).unwrap();
        dvc.run(
            &theirs.root,
            &["add", "-q", "-f", "-o", out, source.as_str()],
        );
    }
    assert_same(&ours.root, &theirs.root);
    assert!(ours.read("named.txt.dvc").contains("# why it is here"));

    // Straight to a remote: into neither the cache nor the work tree.
    let path = |name: &str| folder.join(name).into_string();
    for (source, out, remote) in [
        (path("g.txt"), None, None),
        (path("dir"), Some("sub/far"), Some("other")),
        ("here.txt".to_owned(), None, None),
    ] {
        sent(&ours, &source, out, remote).unwrap();
        let mut arguments = vec!["add", "--quiet", "--to-remote"];
        arguments.extend(out.iter().flat_map(|out| ["-o", out]));
        arguments.extend(remote.iter().flat_map(|remote| ["-r", remote]));
        arguments.push(&source);
        dvc.run(&theirs.root, &arguments);
    }
    assert_same(&ours.root, &theirs.root);
    assert!(!ours.exists("g.txt") && ours.exists("g.txt.dvc"));
    for name in ["store", "other"] {
        let (ours, theirs) = (ours.outside().join(name), theirs.outside().join(name));
        assert_eq!(objects(&ours), objects(&theirs));
    }

    // Either gets what the other sent.
    let far = TransferSelection {
        targets: vec!["sub/far.dvc".to_owned()],
        remote: RemoteChoice {
            name: Some("other".to_owned()),
            ..RemoteChoice::default()
        },
        ..TransferSelection::default()
    };
    let from = PullOptions {
        from: far,
        ..PullOptions::default()
    };
    assert!(
        pull(&theirs.open(), &from, &Silent)
            .unwrap()
            .fetch
            .is_complete()
    );
    assert_eq!(theirs.read("sub/far/deep/2"), "22\n");
    dvc.run(&ours.root, &["pull", "--quiet", "-r", "other", "sub/far"]);
    assert_eq!(ours.read("sub/far/deep/2"), "22\n");
}

#[test]
fn what_cannot_be_tracked_changes_nothing() {
    let sandbox = Sandbox::new();
    let folder = outside(&sandbox);
    with_remotes(&sandbox);
    sandbox.write("dir/x", "x");
    sandbox.write("code.py", "code");
    sandbox.git(&["add", "code.py"]);
    copied(&sandbox, folder.join("dir").as_str(), "tracked");
    sandbox.commit("before");
    let file = folder.join("f.txt").into_string();
    let nowhere = folder.join("nowhere").into_string();
    let base = folder.parent().unwrap().to_string();
    for (source, out, expected) in [
        (nowhere.as_str(), "a", "there is nothing at"),
        (file.as_str(), "no/folder", "does not exist"),
        (file.as_str(), "../x", "outside the project"),
        (
            file.as_str(),
            ".git/x",
            "is an output of the project itself",
        ),
        (file.as_str(), "tracked/deep/2", "overlap"),
        ("dir", "dir/y", "hold one another"),
        (base.as_str(), "all", "hold one another"),
        ("remote://nosuch/x", "a", "nosuch"),
    ] {
        let mut options = options(&sandbox, source, Some(out));
        options.existing = OnExisting::Replace;
        let error = add_from(&sandbox.open(), &options, &Silent).unwrap_err();
        assert!(error.to_string().contains(expected), "{out}: {error}");
    }
    let mut options = options(&sandbox, &file, Some("code.py"));
    options.existing = OnExisting::Replace;
    let error = add_from(&sandbox.open(), &options, &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::TrackedByGit { .. }),
        "{error}"
    );
    assert_eq!(sandbox.read("code.py"), "code");
    let error = sent(&sandbox, &file, None, Some("nosuch")).unwrap_err();
    assert!(error.to_string().contains("nosuch"), "{error}");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? dir/\n");
}

#[test]
fn what_is_saved_nowhere_goes_to_the_trash() {
    let sandbox = Sandbox::new();
    let folder = outside(&sandbox);
    sandbox.write("named", "precious");
    let mut options = options(&sandbox, folder.join("f.txt").as_str(), Some("named"));
    options.existing = OnExisting::Replace;
    let report = add_from(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!(report.trashed, ["named"]);
    assert_eq!(sandbox.read(".ketch/trash/now/named"), "precious");
    assert_eq!(sandbox.read("named"), "f\n");
    assert_eq!(report.added.changed_files, [".gitignore", "named.dvc"]);
}

#[test]
fn a_remote_is_sent_to_in_its_own_layout() {
    let sandbox = Sandbox::new();
    let folder = outside(&sandbox);
    with_remotes(&sandbox);
    sandbox.write("ketch.toml", "[remote.st]\nlayout = \"chunked\"\n");
    sent(&sandbox, folder.join("dir").as_str(), None, None).unwrap();
    assert!(sandbox.outside().join("store/chunked").is_dir());
    assert!(!sandbox.outside().join("store/files").exists());
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    assert_eq!(sandbox.read("dir/deep/2"), "22\n");

    // Objects have no place where files are kept under their own names.
    let text = sandbox.read(".dvc/config");
    sandbox.write(
        ".dvc/config",
        text.replace(
            "url = ../../other",
            "url = s3://b\n    version_aware = true",
        ),
    );
    let file = folder.join("f.txt").into_string();
    let error = sent(&sandbox, &file, None, Some("other")).unwrap_err();
    assert!(
        matches!(error, ProjectError::KeepsVersions { .. }),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("--remote"));
}
