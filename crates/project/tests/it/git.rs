use ketch_dvc::yaml::Value;
use ketch_project::{CommitOptions, CommitPaths, ProjectError, commit, set_params};

use crate::sandbox::{Sandbox, identity};

#[test]
fn commits_what_describes_the_project_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", "stages:\n  a:\n    cmd: cp params.yaml out; echo 1 > m.json\n    params: [x]\n    outs: [out]\n    metrics:\n    - m.json:\n        cache: false\n");
    sandbox.write("params.yaml", "x: 1 # one\ny: 2\n");
    sandbox.write("notes.txt", "private");
    sandbox.repro();
    let first = sandbox.commit("first");
    let files = sandbox.git(&["show", "--name-only", "--format=", &first]);
    assert_eq!(
        files.lines().collect::<Vec<_>>(),
        [
            ".dvc/.gitignore",
            ".dvc/config",
            ".dvcignore",
            ".gitignore",
            "dvc.lock",
            "dvc.yaml",
            "m.json",
            "params.yaml"
        ]
    );
    assert_eq!(sandbox.commit("nothing new"), first);

    set_params(
        &sandbox.open(),
        "params.yaml".into(),
        &[("x".into(), Value::Int(5))],
    )
    .unwrap();
    assert_eq!(sandbox.read("params.yaml"), "x: 5 # one\ny: 2\n");
    sandbox.write("notes.txt", "still private");
    sandbox.git(&["add", "notes.txt"]);
    sandbox.repro();
    let options = CommitOptions {
        message: "--amend looking message".into(),
        paths: CommitPaths::These(vec!["params.yaml".into(), "dvc.lock".into()]),
        identity: Some(identity()),
    };
    let second = commit(&sandbox.open(), &options).unwrap();
    let files = sandbox.git(&["show", "--name-only", "--format=%s|%an", second.as_str()]);
    assert_eq!(
        files,
        "--amend looking message|Test\n\ndvc.lock\nparams.yaml\n"
    );
    assert!(
        sandbox
            .git(&["diff", "--cached", "--name-only"])
            .contains("notes.txt"),
        "stays staged"
    );
}

#[test]
fn removed_files_are_committed_as_removed() {
    let sandbox = Sandbox::new();
    for name in ["gone", "unstaged", "stays [1]"] {
        sandbox.write(name, name);
    }
    sandbox.git(&["add", "--all"]);
    sandbox.commit("first");
    sandbox.git(&["rm", "--quiet", "gone"]);
    sandbox.remove("unstaged");
    sandbox.write("stays [1]", "changed");
    let id = sandbox.commit("second");
    let files = sandbox.git(&["show", "--name-status", "--format=", &id]);
    assert_eq!(files, "D\tgone\nM\tstays [1]\nD\tunstaged\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn refs_keep_commits_reachable() {
    let sandbox = Sandbox::new();
    let id = sandbox.commit("first");
    let project = sandbox.open();
    let commit = project.git().head().unwrap().unwrap();
    assert_eq!(commit.as_str(), id);
    project
        .git()
        .update_ref("refs/heads/ketch/retrain-1", &commit)
        .unwrap();
    assert_eq!(project.git().resolve("ketch/retrain-1").unwrap(), commit);
    project
        .git()
        .update_ref("refs/heads/bad..name", &commit)
        .unwrap_err();
    for revision in ["nothing", "--help", "HEAD~99", ""] {
        let error = project.git().resolve(revision).unwrap_err();
        assert!(
            matches!(error, ProjectError::UnknownRevision { .. }),
            "{revision}: {error}"
        );
    }
}

#[test]
fn a_repository_without_commits_has_no_head() {
    assert_eq!(Sandbox::new().open().git().head().unwrap(), None);
}

#[test]
fn ignored_and_tracked() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitignore", "*.log\n");
    sandbox.write("dir/a", "");
    sandbox.git(&["add", "dir"]);
    let project = sandbox.open();
    assert!(project.git().is_ignored("x.log".into()).unwrap());
    assert!(!project.git().is_ignored("x.txt".into()).unwrap());
    assert!(project.git().is_tracked("dir".into()).unwrap());
    assert!(!project.git().is_tracked("x.txt".into()).unwrap());
}

#[test]
fn bad_parameters_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("params.yaml", "a: 1\n");
    let set = |file: &str, key: &str| {
        set_params(
            &sandbox.open(),
            file.into(),
            &[("a".into(), Value::Int(2)), (key.into(), Value::Int(3))],
        )
    };
    set("params.yaml", "a.b.c").unwrap_err();
    assert_eq!(sandbox.read("params.yaml"), "a: 1\n");
    set("missing.yaml", "x").unwrap_err();
    set("../params.yaml", "x").unwrap_err();
}
