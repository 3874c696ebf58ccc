//! Data on a `worktree` remote that somebody else changed there: brought by `update`, beside DVC and
//! alone.

use camino::Utf8PathBuf;
use ketch_project::{
    DataOutcome, ImportError, ProjectError, RemoteChoice, TransferSelection, UpdateDestination,
    UpdateOptions, UpdateReport, push, status, update,
};
use ketch_store::Silent;

use crate::import::refusal;
use crate::sandbox::Sandbox;
use crate::transfer::add_data;
use crate::versioned_remotes::{Server, beside_dvc};

/// A file and two directories on the remote `wt`, one file that is only here, and one on a remote
/// whose newest versions are nobody's work tree.
fn with_data(server: &Server, sandbox: &Sandbox, prefix: &str) {
    sandbox.write("f", "1\n");
    sandbox.write("sub/d/x", "2\n");
    sandbox.write("sub/d/s/y", "3\n");
    sandbox.write("e/z", "5\n");
    sandbox.write("never", "9\n");
    sandbox.write("aware", "8\n");
    for target in ["f", "sub/d", "e", "never", "aware"] {
        add_data(&sandbox.open(), target);
    }
    server.configure(sandbox, prefix);
    push_to(sandbox, "wt", &["f", "sub/d", "e"]);
    push_to(sandbox, "ver", &["aware"]);
    sandbox.commit("pushed");
}

/// Returns how many objects were sent.
fn push_to(sandbox: &Sandbox, remote: &str, targets: &[&str]) -> usize {
    let selection = TransferSelection {
        targets: targets.iter().map(ToString::to_string).collect(),
        remote: RemoteChoice {
            name: Some(remote.to_owned()),
            ..RemoteChoice::default()
        },
        ..TransferSelection::default()
    };
    let moved = push(&sandbox.open(), &selection, &Silent).unwrap();
    moved.objects()
}

/// What somebody else's push or another program leaves there: `f` and `x` are others, `new` is new,
/// `y` and all of `e` are gone.
fn change(server: &Server, prefix: &str) {
    let tree = format!("ver/{prefix}-tree");
    server.until_done(&format!("{tree}/f"), "11\n");
    server.until_done(&format!("{tree}/sub/d/x"), "22\n");
    server.until_done(&format!("{tree}/sub/d/deep/new"), "7\n");
    server.until_gone(&format!("{tree}/sub/d/s/y"));
    server.until_gone(&format!("{tree}/e/z"));
}

fn options(sandbox: &Sandbox, targets: &[&str]) -> UpdateOptions {
    UpdateOptions {
        targets: targets.iter().map(Utf8PathBuf::from).collect(),
        revision: None,
        to: UpdateDestination::Workspace,
        directory: sandbox.root.clone(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    }
}

fn renew(sandbox: &Sandbox, targets: &[&str]) -> UpdateReport {
    update(&sandbox.open(), &options(sandbox, targets), &Silent).unwrap()
}

fn outcomes(report: &UpdateReport) -> Vec<(&str, DataOutcome)> {
    let data = report.data.iter();
    data.map(|one| (one.path.as_str(), one.outcome)).collect()
}

/// A record without the ids of versions.
fn masked(sandbox: &Sandbox, file: &str) -> String {
    let text = sandbox.read(file);
    let lines = text.lines().filter(|line| !line.contains("version_id: "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_newest_on_a_worktree_remote_comes_as_with_dvc() {
    let Some((ours, theirs, dvc, server)) = beside_dvc() else {
        return;
    };
    for (sandbox, prefix) in [(&ours, "ours"), (&theirs, "theirs")] {
        with_data(&server, sandbox, prefix);
    }
    let renewed = ["f.dvc", "sub/d.dvc", "e.dvc", "never.dvc"];
    let run = |targets: &[&str]| {
        let arguments: Vec<&str> = ["update"].iter().chain(targets).copied().collect();
        dvc.run(&theirs.root, &arguments)
    };
    let same = renew(&ours, &renewed);
    assert!(same.updated.is_empty() && same.trashed.is_empty());
    run(&renewed);
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    }

    for prefix in ["ours", "theirs"] {
        change(&server, prefix);
    }
    let report = renew(&ours, &renewed);
    let expected = [
        ("e", DataOutcome::NotThere),
        ("f", DataOutcome::Updated),
        ("never", DataOutcome::NeverPushed),
        ("sub/d", DataOutcome::Updated),
    ];
    assert_eq!(outcomes(&report), expected);
    let told = run(&renewed);
    assert!(told.contains("'e', directory is empty"), "{told}");
    assert!(told.contains("'never', it was never pushed"), "{told}");
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.read("f"), "11\n");
        assert_eq!(sandbox.read("sub/d/x"), "22\n");
        assert_eq!(sandbox.read("sub/d/deep/new"), "7\n");
        assert!(!sandbox.exists("sub/d/s/y"));
        assert_eq!(sandbox.read("e/z"), "5\n");
    }
    assert_eq!(masked(&ours, "f.dvc"), masked(&theirs, "f.dvc"));
    // DVC writes down a version of each file and of no remote, and takes it for never pushed
    // afterwards; nor is it in its cache.
    let theirs_then = run(&["sub/d.dvc"]);
    assert!(theirs_then.contains("never pushed"), "{theirs_then}");
    let files = |sandbox: &Sandbox| -> Vec<String> {
        let text = sandbox.read("sub/d.dvc");
        let of_files = ["relpath: ", "md5: ", "size: "];
        let lines = text
            .lines()
            .filter(|line| of_files.iter().any(|key| line.contains(key)));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(files(&ours), files(&theirs));
    let record = ours.read("sub/d.dvc");
    assert_eq!(record.matches("      wt:\n").count(), 2, "{record}");

    // DVC reads what ours wrote, and there is nothing newer.
    assert!(status(&ours.open(), &Silent).unwrap().is_clean());
    let told = dvc.run(&ours.root, &["status", "--json"]);
    assert_eq!(told.trim(), "{}");
    let again = renew(&ours, &["f.dvc", "sub/d.dvc"]);
    let unchanged = [
        ("f", DataOutcome::Unchanged),
        ("sub/d", DataOutcome::Unchanged),
    ];
    assert_eq!(outcomes(&again), unchanged);
    assert_eq!(push_to(&ours, "wt", &["f", "sub/d"]), 0);
    for path in [".dvc/cache", "f", "sub/d"] {
        ours.remove(path);
    }
    let pull = ["pull", "--quiet", "-r", "wt", "f.dvc", "sub/d.dvc"];
    dvc.run(&ours.root, &pull);
    assert_eq!(ours.read("sub/d/deep/new"), "7\n");
    for option in ["--rev=x", "--no-download", "--to-remote"] {
        let told = dvc.fail(&theirs.root, &["update", option, "f.dvc"]);
        assert!(told.contains("can't be used with worktree"), "{told}");
    }
    dvc.fail(&theirs.root, &["update", "aware.dvc"]);
}

/// What a stage makes, somebody has made better elsewhere.
#[test]
fn outputs_of_stages_come_as_with_dvc() {
    let Some((ours, theirs, dvc, server)) = beside_dvc() else {
        return;
    };
    for (sandbox, prefix) in [(&ours, "ours"), (&theirs, "theirs")] {
        sandbox.write(
            "sub/dvc.yaml",
            "stages:\n  make:\n    cmd: mkdir -p o; echo 1 > o/a; echo 2 > o/b; echo 3 > f; echo 4 > g\n    outs:\n    - o\n    - f\n    - g:\n        cache: false\n  next:\n    cmd: cp f h\n    deps:\n    - f\n    outs:\n    - h\n",
        );
        sandbox.repro();
        server.configure(sandbox, prefix);
        // An entry of `dvc.lock` for each output that is on a remote; `h` is nowhere.
        push_to(sandbox, "wt", &["sub/dvc.yaml:make"]);
        sandbox.commit("pushed");
    }
    let run = |targets: &[&str]| {
        let arguments: Vec<&str> = ["update"].iter().chain(targets).copied().collect();
        dvc.run(&theirs.root, &arguments)
    };
    let report = renew(&ours, &["sub/dvc.yaml"]);
    let expected = [
        ("sub/o", DataOutcome::Unchanged),
        ("sub/f", DataOutcome::Unchanged),
        ("sub/h", DataOutcome::NeverPushed),
    ];
    assert_eq!(outcomes(&report), expected);
    let told = run(&["sub/dvc.yaml"]);
    assert!(told.contains("h', it was never pushed"), "{told}");
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    }

    for prefix in ["ours", "theirs"] {
        let tree = format!("ver/{prefix}-tree/sub");
        server.until_done(&format!("{tree}/f"), "33\n");
        server.until_done(&format!("{tree}/o/a"), "11\n");
        server.until_done(&format!("{tree}/o/deep/new"), "7\n");
        server.until_gone(&format!("{tree}/o/b"));
    }
    ours.write("sub/f", "mine\n");
    let report = renew(&ours, &["sub/dvc.yaml:make"]);
    let updated = [
        ("sub/o", DataOutcome::Updated),
        ("sub/f", DataOutcome::Updated),
    ];
    assert_eq!(outcomes(&report), updated);
    assert_eq!(report.data[0].file, "sub/dvc.yaml");
    assert_eq!(ours.read(".ketch/trash/now/sub/f"), "mine\n");
    run(&["sub/dvc.yaml:make"]);
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.read("sub/f"), "33\n");
        assert_eq!(sandbox.read("sub/o/a"), "11\n");
        assert_eq!(sandbox.read("sub/o/deep/new"), "7\n");
        assert!(!sandbox.exists("sub/o/b"));
    }
    let plain = |sandbox: &Sandbox| {
        let text = sandbox.read("sub/dvc.lock");
        let own = ["version_id: ", "etag: ", "cloud:", "wt:"];
        let lines = text.lines();
        let lines = lines.filter(|line| own.iter().all(|key| !line.contains(key)));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(plain(&ours), plain(&theirs));
    let record = ours.read("sub/dvc.lock");
    assert_eq!(record.matches("wt:\n").count(), 3, "{record}");

    // Of DVC's and ours the stage is what it was, and what depends on it is to be made again.
    let told = dvc.run(&ours.root, &["status", "--json", "sub/dvc.yaml:make"]);
    assert_eq!(told.trim(), "{}");
    let told = dvc.run(&ours.root, &["status", "sub/dvc.yaml:next"]);
    assert!(told.contains("modified"), "{told}");
    // By any of its names there is nothing newer.
    for (target, count) in [
        ("sub/make", 2),
        ("sub/f", 2),
        ("sub/o", 2),
        ("sub", 2),
        (".", 2),
    ] {
        let again = renew(&ours, &[target]);
        assert_eq!(again.data.len(), count, "{target}");
        let mut states = again.data.iter().map(|one| one.outcome);
        assert!(states.all(|state| state == DataOutcome::Unchanged));
    }
    assert_eq!(ours.read("sub/dvc.lock"), record);
    for path in [".dvc/cache", "sub/f", "sub/o"] {
        ours.remove(path);
    }
    dvc.run(
        &ours.root,
        &["pull", "--quiet", "-r", "wt", "sub/dvc.yaml:make"],
    );
    assert_eq!(ours.read("sub/o/deep/new"), "7\n");

    // What never ran has nothing anywhere, and what is not kept has nothing to bring.
    let more = "  later:\n    cmd: cp h i; cp h j\n    outs:\n    - i\n    - j:\n        cache: false\n  kept:\n    cmd: cp h k\n    outs:\n    - k:\n        cache: false\n";
    ours.write("sub/dvc.yaml", ours.read("sub/dvc.yaml") + more);
    let report = renew(&ours, &["sub/later"]);
    assert_eq!(outcomes(&report), [("sub/i", DataOutcome::NeverPushed)]);
    ours.repro();
    assert_eq!(outcomes(&renew(&ours, &["sub/kept"])), []);

    let refuse = |target: &str| {
        let error = update(&ours.open(), &options(&ours, &[target]), &Silent).unwrap_err();
        assert!(
            matches!(error, ProjectError::UnknownTarget { .. }),
            "{error:?}"
        );
    };
    refuse("sub/dvc.yaml:none");
    refuse("make");
    let mut with_revision = options(&ours, &["sub/dvc.yaml"]);
    with_revision.revision = Some("x".to_owned());
    let error = refusal(update(&ours.open(), &with_revision, &Silent).unwrap_err());
    assert!(matches!(error, ImportError::Option { .. }), "{error}");
    let told = dvc.fail(&theirs.root, &["update", "--rev=x", "sub/dvc.yaml"]);
    assert!(told.contains("can't be used with worktree"), "{told}");
}

#[test]
fn nothing_unsaved_is_lost_when_newer_data_comes() {
    let Some(server) = Server::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    with_data(&server, &sandbox, "alone");
    change(&server, "alone");
    sandbox.write("f", "mine\n");
    sandbox.write("sub/d/mine", "mine too\n");
    let words = sandbox
        .read("f.dvc")
        .replace("size: 2", "size: 2 # so much");
    sandbox.write("f.dvc", words);
    // All below the root that was pushed to a remote, be it here or not.
    sandbox.remove(".dvc/cache");
    sandbox.remove("aware.dvc");
    let report = renew(&sandbox, &["."]);
    let expected = [
        ("e", DataOutcome::NotThere),
        ("f", DataOutcome::Updated),
        ("sub/d", DataOutcome::Updated),
    ];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(sandbox.read("f"), "11\n");
    assert_eq!(sandbox.read("sub/d/x"), "22\n");
    assert!(!sandbox.exists("sub/d/mine"));
    assert_eq!(sandbox.read(".ketch/trash/now/f"), "mine\n");
    assert_eq!(sandbox.read(".ketch/trash/now/sub/d/mine"), "mine too\n");
    assert!(sandbox.read("f.dvc").contains("size: 3 # so much"));

    // One file is new: the others stay recorded as they were, and come from where they are.
    server.until_done("ver/alone-tree/sub/d/x", "222\n");
    let before = sandbox.read("sub/d.dvc");
    for path in [".dvc/cache", "sub/d"] {
        sandbox.remove(path);
    }
    let report = renew(&sandbox, &["sub/d"]);
    assert_eq!(outcomes(&report), [("sub/d", DataOutcome::Updated)]);
    assert_eq!(sandbox.read("sub/d/deep/new"), "7\n");
    assert_eq!(sandbox.read("sub/d/x"), "222\n");
    let first = |text: &str| text[..text.find("relpath: x").unwrap()].to_owned();
    assert_eq!(first(&sandbox.read("sub/d.dvc")), first(&before));

    let refused = |targets: &[&str], with: &dyn Fn(&mut UpdateOptions)| {
        let mut options = options(&sandbox, targets);
        with(&mut options);
        refusal(update(&sandbox.open(), &options, &Silent).unwrap_err())
    };
    let all: [&dyn Fn(&mut UpdateOptions); 3] = [
        &|options| options.revision = Some("x".to_owned()),
        &|options| options.to = UpdateDestination::Nowhere,
        &|options| options.to = UpdateDestination::Remote,
    ];
    for with in all {
        let error = refused(&["f.dvc"], with);
        assert!(matches!(error, ImportError::Option { .. }), "{error}");
    }
    sandbox.git(&["checkout", "--quiet", "aware.dvc"]);
    let error = refused(&["aware"], &|_| {});
    assert!(matches!(error, ImportError::NotAnImport { .. }), "{error}");
    assert!(error.hint().unwrap().contains("worktree"));

    // The server is gone: nothing changes.
    let before = sandbox.read("f.dvc");
    drop(server);
    let mut options = options(&sandbox, &["f.dvc"]);
    options.transfer.retry.attempts = 1;
    let error = update(&sandbox.open(), &options, &Silent).unwrap_err();
    assert!(matches!(error, ProjectError::Store(_)), "{error}");
    assert_eq!(sandbox.read("f.dvc"), before);
    assert_eq!(sandbox.read("f"), "11\n");
}
