//! Models, versions and runs, without a server.

use ketch_testkit::TestProject;
use serde_json::Value;

use crate::support::{commit_all, model_project};

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let output = project.ketch(["--json"].iter().chain(arguments)).success();
    serde_json::from_str(&output.stdout).expect("JSON")
}

#[test]
fn a_version_must_be_traceable() {
    let project = model_project();
    let _filters = project.bind_filters();
    let register = ["model", "register", "m"];

    insta::assert_snapshot!(
        "unknown-model",
        project.ketch(["model", "register", "x"]).failure(3)
    );
    insta::assert_snapshot!("nothing-made", project.ketch(register).failure(3));
    let _ = project.ketch(["repro"]).success();
    insta::assert_snapshot!("nothing-committed", project.ketch(register).failure(3));
    let _ = project.git(["add", "dvc.yaml"]).success();
    let _ = project
        .git(["commit", "--quiet", "--message", "Without the lock"])
        .success();
    insta::assert_snapshot!("lock-not-committed", project.ketch(register).failure(3));
    commit_all(&project);
    project.write("params.yaml", "train: {score: 0.5}\n");
    insta::assert_snapshot!("changed-since", project.ketch(register).failure(3));
    let _ = project
        .git(["checkout", "--quiet", "params.yaml"])
        .success();
    assert_eq!(json(&project, &["model", "list"]), serde_json::json!([]));
    let _ = project.ketch(register).success();
}

#[test]
fn versions_and_runs_tell_where_they_come_from() {
    let project = model_project();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let commit = project
        .git(["rev-parse", "HEAD"])
        .success()
        .stdout
        .trim()
        .to_owned();

    let first = json(&project, &["model", "register", "m", "--alias", "champion"]);
    assert_eq!(first["new"], true);
    assert_eq!(first["version"]["version"], 1);
    assert_eq!(first["version"]["aliases"], serde_json::json!(["champion"]));
    assert_eq!(first["commit"], commit);
    // The same again is the same version.
    let again = json(&project, &["model", "register", "m"]);
    assert_eq!(
        (&again["new"], &again["version"]["version"]),
        (&false.into(), &1.into())
    );

    let versions = json(&project, &["model", "list", "m"]);
    assert_eq!(versions[0]["commit"], commit);
    assert_eq!(versions[0]["metrics"]["score"], 0.75);
    let text = project.ketch(["model", "list"]).success();
    assert!(text.stdout.contains("champion  score 0.75"), "{text}");
    let unknown = project.ketch(["model", "list", "x"]).failure(3);
    assert!(
        unknown.stderr.contains("no registered model named `x`"),
        "{unknown}"
    );

    let runs = json(&project, &["runs", "list"]);
    assert_eq!(runs.as_array().unwrap().len(), 1);
    assert_eq!(runs[0]["user"], "Ana Test");
    let id = runs[0]["id"].as_str().unwrap();
    let run = json(&project, &["runs", "show", &id[..8]]);
    assert_eq!(run["params"]["train.score"], "0.75");
    assert_eq!(run["lineage"]["commit"], commit);
    assert_eq!(run["lineage"]["stage"], "train");
    let shown = project.ketch(["runs", "show", id]).success();
    for part in [
        "score 0.75",
        "train.score 0.75",
        &format!("commit {commit}"),
        "stage train",
    ] {
        assert!(shown.stdout.contains(part), "{part}:\n{shown}");
    }
    let none = project.ketch(["runs", "show", "zzz"]).failure(3);
    assert!(
        none.stderr.contains("hint: see `ketch runs list`"),
        "{none}"
    );
}

#[test]
fn a_retrain_makes_a_version_and_changes_no_file() {
    let project = model_project();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let _ = project
        .ketch(["model", "register", "m", "--alias", "champion"])
        .success();
    let before = project
        .git(["status", "--porcelain", "--branch"])
        .success()
        .stdout;

    let arguments = [
        "retrain",
        "m",
        "--set",
        "train.score=0.8",
        "--name",
        "second",
        "--reason",
        "x",
    ];
    let made = json(&project, &arguments);
    assert_eq!(made["version"], 2);
    assert_eq!(made["metrics"]["score"], 0.8);
    assert_eq!(
        project
            .git(["status", "--porcelain", "--branch"])
            .success()
            .stdout,
        before
    );
    assert_eq!(project.read("params.yaml"), "train: {score: 0.75}\n");
    let branch = project.git(["rev-parse", "ketch/m/second"]).success();
    assert_eq!(branch.stdout.trim(), made["commit"]);
    // It does not serve by itself.
    let versions = json(&project, &["model", "list", "m"]);
    assert_eq!(
        (&versions[0]["version"], &versions[0]["aliases"]),
        (&2.into(), &Value::Array(vec![]))
    );

    project.write("params.yaml", "train: {score: 0.9}\n");
    let warned = project.ketch(["retrain", "m", "--name", "third"]).success();
    assert!(
        warned
            .stderr
            .contains("changes that are not committed are no part of this: `params.yaml`"),
        "{warned}"
    );
    assert!(warned.stdout.contains("score 0.75"), "{warned}");
    let wrong = project.ketch(["retrain", "m", "--name", "../x"]).failure(3);
    assert!(
        wrong.stderr.contains("hint: use lower-case letters"),
        "{wrong}"
    );
}
