//! Experiments beside each other: what DVC 3.67.1 shows of the same repository.

use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::Value;

use crate::experiments::{json, trained};
use crate::support::say;

const PIPELINE: &str = "\
metrics: [more.json]
params: [extra.toml]
stages:
  train:
    cmd: cp params.yaml model.bin && sed -n s/lr:/acc:/p params.yaml > metrics.yaml && cp metrics.yaml plot.csv
    deps:
    - data.csv
    params:
    - lr
    - net.depth
    - conf.json:
      - lr
    outs:
    - model.bin
    metrics:
    - metrics.yaml:
        cache: false
    plots:
    - plot.csv
  test:
    wdir: sub
    cmd: cp ../model.bin score.bin
    deps:
    - ../model.bin
    outs:
    - score.bin:
        cache: false
";

/// What DVC prints.
fn asked(project: &TestProject, arguments: &[&str]) -> String {
    let dvc = peer("dvc/bin/dvc").expect("it was looked for");
    let mut command = project.command(&dvc);
    CommandOutput::of(command.args(arguments)).success().stdout
}

/// Commits everything, so many hours after the first commit: which of two commits of one second
/// comes first is left to chance.
fn commit_later(project: &TestProject, hours: u8) {
    let date = format!("2026-01-02T{:02}:04:05+00:00", 3 + hours);
    let _ = project.git(["add", "-A"]).success();
    let mut commit = project.command("git");
    commit
        .args(["commit", "-qm", "later"])
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date);
    let _ = CommandOutput::of(&mut commit).success();
}

/// A project with experiments of both tools on two commits, where DVC is installed.
fn compared() -> Option<TestProject> {
    peer("dvc/bin/dvc")?;
    let project = trained();
    project.write("dvc.yaml", PIPELINE);
    project.write("sub/.keep", "");
    project.write(
        "params.yaml",
        "lr: 0.123456789\nnet: {depth: 3, layers: [1, 2.5], name: null}\non: true\nunused: a b\n",
    );
    project.write("conf.json", "{\"lr\": 1, \"other\": 2}");
    project.write("extra.toml", "[t]\na = 1\n");
    project.write(
        "more.json",
        "{\"deep\": {\"er\": 1e-7}, \"text\": \"x, \\\"y\\\"\", \"list\": [1]}",
    );
    project.write("data.csv", "a\n1\n");
    let _ = project.ketch(["add", "data.csv"]).success();
    let _ = project.ketch(["repro"]).success();
    commit_later(&project, 1);
    let _ = project.git(["tag", "v1"]).success();
    let _ = project
        .ketch(["exp", "run", "--temp", "-n", "early", "-S", "lr=0.5"])
        .success();
    project.write("notes.txt", "a commit");
    commit_later(&project, 2);
    let _ = project
        .ketch([
            "exp",
            "run",
            "--temp",
            "-n",
            "ours",
            "-S",
            "lr=2",
            "-S",
            "net.depth=30",
        ])
        .success();
    asked(
        &project,
        &["exp", "run", "--temp", "-n", "theirs", "-S", "lr=10"],
    );
    asked(&project, &["exp", "run", "-n", "here", "-S", "lr=20"]);
    project.write("extra.toml", "[t]\nb = 2\n");
    Some(project)
}

#[test]
fn experiments_are_shown_as_dvc_does() {
    let Some(project) = compared() else {
        return say("DVC is not installed: run scripts/test-setup");
    };
    let same_text = |arguments: &[&str]| {
        let arguments = [&["exp", "show"], arguments].concat();
        let ours = project.ketch(&arguments).success().stdout;
        assert_eq!(ours, asked(&project, &arguments), "{arguments:?}");
    };
    let same_json = |arguments: &[&str]| {
        let arguments = [&["exp", "show", "--json"], arguments].concat();
        let ours = json(project.ketch(&arguments));
        let theirs: Value = serde_json::from_str(&asked(&project, &arguments)).expect("JSON");
        assert_eq!(ours, theirs, "{arguments:?}");
    };
    for arguments in [
        &[][..],
        &["-A"],
        &["-T", "--sha"],
        &["-n", "2", "--hide-workspace"],
        &["--rev", "v1", "--rev", "HEAD"],
    ] {
        same_json(arguments);
    }
    for arguments in [
        &["--csv"][..],
        &["--csv", "-A", "--precision", "2"],
        &["--md"],
        &[],
        &["--only-changed"],
        &["--md", "--only-changed", "--keep", "deep"],
        &["--md", "--drop", "Created|conf.json|net", "--drop", "data"],
        &["--md", "--sort-by", "acc"],
        &[
            "--md",
            "--sort-by",
            "params.yaml:lr",
            "--sort-order",
            "desc",
        ],
        &["--md", "--sha", "--hide-workspace"],
    ] {
        same_text(arguments);
    }
    for arguments in [
        &["--md", "--sort-by", "lr"][..],
        &["--md", "--sort-by", "no"],
    ] {
        let arguments = [&["exp", "show"], arguments].concat();
        let _ = project.ketch(arguments).failure(3);
    }
    for arguments in [
        &["ours", "theirs"][..],
        &["ours", "theirs", "--md"],
        &["ours"],
        &[],
        &["v1", "ours", "--all"],
        &["ours", "theirs", "--no-path", "--param-deps"],
    ] {
        let arguments = [&["exp", "diff"], arguments].concat();
        let ours = project.ketch(&arguments).success().stdout;
        // Which file comes first is left to chance there.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let theirs = asked(&project, &arguments);
        assert_eq!(sorted(&ours), sorted(&theirs), "{arguments:?}");
        let arguments = [&arguments[..], &["--json"]].concat();
        let ours = json(project.ketch(&arguments));
        let theirs: Value = serde_json::from_str(&asked(&project, &arguments)).expect("JSON");
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

#[test]
fn what_waits_runs_or_failed_is_shown_too() {
    let project = trained();
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "try", "-S", "lr=2,3"])
        .success();
    let _ = project.ketch(["exp", "run", "--run-all"]).success();
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "waits", "-S", "lr=4"])
        .success();
    let shown = project.ketch([
        "exp",
        "show",
        "--csv",
        "--hide-workspace",
        "--drop",
        "Created|rev",
    ]);
    assert_eq!(
        shown.success().stdout,
        "Experiment,typ,parent,State,Executor,acc,lr\r\n\
         ,baseline,,,,1,1\r\n\
         try-2,branch_commit,,Success,Dvc-task,3,3\r\n\
         try-1,branch_commit,,Success,Dvc-task,2,2\r\n\
         waits,branch_base,,Queued,Dvc-task,,4\r\n"
            .replace("try-2,branch_commit,,Success,Dvc-task,3,3\r\ntry-1,branch_commit,,Success,Dvc-task,2,2\r\n", &tries(&project))
    );
    let hidden = project
        .ketch(["exp", "show", "--csv", "--hide-queued"])
        .success();
    assert!(!hidden.stdout.contains("waits"), "{hidden}");
}

/// Of one second, those come first whose ids are greater.
fn tries(project: &TestProject) -> String {
    let states = json(project.ketch(["exp", "show", "--json"]));
    let shown = states[1]["experiments"].as_array().expect("a list").iter();
    let lines = shown
        .filter(|range| range["executor"]["state"] == "success")
        .map(|range| {
            let name = range["name"].as_str().expect("a name");
            let value = &range["revs"][0]["data"]["metrics"]["metrics.yaml"]["data"]["acc"];
            format!("{name},branch_commit,,Success,Dvc-task,{value},{value}\r\n")
        });
    lines.collect()
}

#[test]
fn what_cannot_be_read_is_shown_where_it_is() {
    let project = trained();
    let _ = project
        .ketch(["exp", "run", "--temp", "-n", "fine", "-S", "lr=2"])
        .success();
    project.write("metrics.yaml", "acc: [broken");
    project.write("params.yaml", "lr: {{");
    let shown = project.ketch(["exp", "show", "--csv", "--drop", "Created|rev|typ|parent"]);
    assert_eq!(
        shown.success().stdout,
        "Experiment,acc,lr\r\n,,\r\n,1,1\r\nfine,2,2\r\n"
    );
    let states = json(project.ketch(["exp", "show", "--json"]));
    let error = &states[0]["data"]["metrics"]["metrics.yaml"]["error"];
    assert!(
        error["msg"]
            .as_str()
            .is_some_and(|text| text.contains("metrics.yaml")),
        "{states}"
    );
    let early = crate::support::project();
    early.git_init();
    let _ = early.ketch(["init"]).success();
    assert_eq!(
        early.ketch(["exp", "show", "--json"]).success().stdout,
        "[]\n"
    );
}
