use ketch_dvc::yaml::Value;
use ketch_project::{
    AddOptions, CommitOptions, CommitPaths, ProjectError, ReproOptions, StageOutcome, add, commit,
    create_worktree, remove_worktree, repro, set_params,
};
use ketch_store::Silent;

use crate::sandbox::{Sandbox, identity, outcomes};

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", "stages:\n  train:\n    cmd: tail -c +$(sed 's/first. //' params.yaml) data > model; echo $VIRTUAL_ENV > env\n    deps: [data]\n    params: [first]\n    outs: [model]\n    metrics:\n    - env:\n        cache: false\n");
    sandbox.write("params.yaml", "first: 1\n");
    sandbox.write("data", "abcdef");
    sandbox.write(".venv/bin/python", "");
    add(
        &sandbox.open(),
        &AddOptions {
            targets: vec!["data".into()],
        },
        &Silent,
    )
    .unwrap();
    sandbox.repro();
    sandbox.commit("first");
    sandbox
}

#[test]
fn a_retrain_beside_the_users_work() {
    let sandbox = project();
    sandbox.write("params.yaml", "first: 99 # half-done edit\n");
    let head = sandbox.git(&["rev-parse", "HEAD"]);

    let worktree = create_worktree(&sandbox.open(), "retrain-1", "HEAD").unwrap();
    assert_eq!(
        worktree.path,
        sandbox.root.join(".ketch/worktrees/retrain-1")
    );
    assert_eq!(
        worktree.project.cache().root(),
        sandbox.root.join(".dvc/cache")
    );
    assert!(!worktree.path.join("data").exists());
    let report = repro(&worktree.project, &ReproOptions::default(), &Silent).unwrap();
    assert_eq!(
        outcomes(&report),
        [("train", StageOutcome::CheckedOut)],
        "the cache is shared"
    );

    set_params(
        &worktree.project,
        "params.yaml".into(),
        &[("first".into(), Value::Int(4))],
    )
    .unwrap();
    repro(&worktree.project, &ReproOptions::default(), &Silent).unwrap();
    let read = |path: &str| fs_err::read_to_string(worktree.path.join(path)).unwrap();
    assert_eq!(read("model"), "def");
    assert_eq!(
        read("env").trim(),
        sandbox.root.join(".venv"),
        "the environment is shared"
    );
    let options = CommitOptions {
        message: "retrained".into(),
        paths: CommitPaths::All,
        identity: Some(identity()),
    };
    let id = commit(&worktree.project, &options).unwrap();
    worktree
        .project
        .git()
        .update_ref("refs/heads/ketch/retrain-1", &id)
        .unwrap();

    remove_worktree(&sandbox.open(), "retrain-1").unwrap();
    assert!(!worktree.path.exists());
    assert_eq!(sandbox.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(
        sandbox.git(&["rev-parse", "ketch/retrain-1"]).trim(),
        id.as_str()
    );
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(sandbox.read("params.yaml"), "first: 99 # half-done edit\n");
    assert_eq!(sandbox.read("model"), "abcdef");
    assert_eq!(
        sandbox.git(&["status", "--porcelain"]),
        " M params.yaml\n?? .venv/\n"
    );
}

#[test]
fn leftovers_are_replaced() {
    let sandbox = project();
    let first = create_worktree(&sandbox.open(), "x", "HEAD").unwrap();
    fs_err::write(first.path.join("junk"), "x").unwrap();
    let second = create_worktree(&sandbox.open(), "x", "HEAD").unwrap();
    assert!(!second.path.join("junk").exists());
    // Its directory gone, but Git still remembering it.
    fs_err::remove_dir_all(&second.path).unwrap();
    create_worktree(&sandbox.open(), "x", "HEAD").unwrap();
    // From inside a work tree, the main one's folder is used too.
    let nested = create_worktree(&second.project, "y", "HEAD").unwrap();
    assert_eq!(nested.path, sandbox.root.join(".ketch/worktrees/y"));
}

#[test]
fn names_and_revisions_are_checked() {
    let sandbox = project();
    for name in ["", "..", "a/b", "-x", "A", "a b", ".x"] {
        let error = create_worktree(&sandbox.open(), name, "HEAD").unwrap_err();
        assert!(
            matches!(error, ProjectError::WorktreeName { .. }),
            "{name}: {error}"
        );
    }
    let error = create_worktree(&sandbox.open(), "x", "nothing").unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownRevision { .. }),
        "{error}"
    );
}

#[test]
fn several_are_made_and_removed_at_once() {
    let sandbox = project();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let project = sandbox.open();
            scope.spawn(move || {
                for _ in 0..10 {
                    let worktree = create_worktree(&project, name, "HEAD").unwrap();
                    assert!(worktree.path.join("dvc.yaml").exists());
                    remove_worktree(&project, name).unwrap();
                }
            });
        }
    });
}
