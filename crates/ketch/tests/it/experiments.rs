//! Experiments: kept beside the branches, where DVC keeps its own.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::Value;

use crate::support::{commit_all, project, say};

pub(crate) const PIPELINE: &str = "\
stages:
  train:
    cmd: cp params.yaml model.bin && grep lr params.yaml | sed s/lr/acc/ > metrics.yaml
    params:
    - lr
    outs:
    - model.bin
    metrics:
    - metrics.yaml:
        cache: false
";

/// A pipeline, not committed.
fn written() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("dvc.yaml", PIPELINE);
    project.write("params.yaml", "lr: 1 # rate\n");
    project
}

/// A pipeline that ran, committed.
pub(crate) fn trained() -> TestProject {
    let project = written();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    project
}

pub(crate) fn json(output: CommandOutput) -> Value {
    serde_json::from_str(&output.success().stdout).expect("JSON")
}

pub(crate) fn names(project: &TestProject) -> String {
    project
        .ketch(["exp", "list", "--name-only"])
        .success()
        .stdout
}

#[test]
fn an_experiment_is_a_commit_beside_the_branch() {
    let project = trained();
    let head = project.git(["rev-parse", "HEAD"]).stdout;
    project.write("staged.txt", "mine");
    let _ = project.git(["add", "staged.txt"]).success();

    let report = json(project.ketch(["exp", "run", "-n", "fast", "-S", "lr=2", "--json"]));
    assert_eq!(report["experiment"]["name"], "fast");
    assert_eq!(report["metrics"]["metrics.yaml"]["acc"], 2.0);
    assert_eq!(project.read("params.yaml"), "lr: 2 # rate\n");

    assert_eq!(project.git(["rev-parse", "HEAD"]).stdout, head);
    let staged = project.git(["diff", "--cached", "--name-only"]).stdout;
    assert_eq!(
        staged, "staged.txt\n",
        "what was staged is still staged, and nothing else"
    );
    let commit = report["experiment"]["commit"].as_str().expect("an id");
    assert_eq!(
        project.git(["rev-parse", &format!("{commit}^")]).stdout,
        head
    );
    let files = project
        .git(["diff", "--name-only", &format!("{commit}^"), commit])
        .stdout;
    let (environments, files): (Vec<_>, Vec<_>) = files
        .lines()
        .partition(|file| file.starts_with(".ketch-environments/results/"));
    assert_eq!(
        files,
        ["dvc.lock", "metrics.yaml", "params.yaml", "staged.txt"]
    );
    assert_eq!(
        environments.len(),
        1,
        "what the run was made in: {environments:?}"
    );

    let listed = json(project.ketch(["exp", "list", "--json"]));
    assert_eq!(listed[0]["experiments"][0]["commit"], commit);
    let again = project.ketch(["exp", "run", "-n", "fast"]).failure(3);
    assert!(
        again
            .stderr
            .contains("an experiment `fast` on this commit already"),
        "{again}"
    );
}

#[test]
fn names_are_made_up_and_differ() {
    let project = trained();
    for rate in ["2", "3", "4"] {
        let _ = project
            .ketch(["exp", "run", "-S", &format!("lr={rate}")])
            .success();
    }
    let names = names(&project);
    let mut names: Vec<&str> = names.lines().collect();
    names.dedup();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().all(|name| name.contains('-')), "{names:?}");
}

#[test]
fn a_run_apart_leaves_the_work_tree_alone() {
    let project = trained();
    project.write("params.yaml", "lr: 5 # mine\n");
    project.write("seed.txt", "7");
    project.write(
        "dvc.yaml",
        PIPELINE.replace("cmd: cp", "cmd: cat seed.txt && cp"),
    );
    let arguments = ["exp", "run", "--temp", "-n", "apart", "-S", "lr=6"];
    let without = project.ketch(arguments).failure(3);
    assert!(without.stderr.contains("seed.txt"), "{without}");
    assert_eq!(
        names(&project),
        "",
        "a run that failed leaves no experiment"
    );

    let copying = arguments
        .iter()
        .copied()
        .chain(["--copy-paths", "seed.txt"]);
    let _ = project.ketch(copying).success();
    assert_eq!(project.read("params.yaml"), "lr: 5 # mine\n");
    assert_eq!(project.read("model.bin"), "lr: 1 # rate\n");
    let kept = project.git(["show", "refs/exps/exec/EXEC_APPLY:params.yaml"]);
    assert!(kept.stdout.is_empty(), "nothing was applied: {kept}");
    let work_trees = project.git(["worktree", "list"]).success().stdout;
    assert_eq!(work_trees.lines().count(), 1, "{work_trees}");

    let _ = project.ketch(["exp", "apply", "apart"]).success();
    assert_eq!(project.read("params.yaml"), "lr: 6 # mine\n");
    assert_eq!(project.read("model.bin"), "lr: 6 # mine\n");
    assert_eq!(project.read("metrics.yaml"), "acc: 6 # mine\n");
}

/// Git tells by an index's own time which files it must read although their times did not change.
#[test]
fn an_edit_in_the_second_of_the_commit_is_not_overlooked() {
    let until_the_next_second = || {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        // The clock of file systems is a few milliseconds behind.
        let rest = u64::from(1_000_000_000 - now.subsec_nanos());
        sleep(Duration::from_nanos(rest) + Duration::from_millis(30));
    };
    let project = trained();
    until_the_next_second();
    project.write("params.yaml", "lr: 2 # rate\n");
    let _ = project.git(["commit", "-qam", "two"]).success();
    project.write("params.yaml", "lr: 3 # mine\n");
    until_the_next_second();

    let report = json(project.ketch(["exp", "save", "-f", "-n", "kept", "--json"]));
    let commit = report["commit"].as_str().expect("an id");
    let kept = project.git(["show", &format!("{commit}:params.yaml")]);
    assert_eq!(kept.stdout, "lr: 3 # mine\n");
}

#[test]
fn what_apply_overwrites_has_a_way_back() {
    let project = trained();
    project.write("notes.txt", "from the experiment");
    let _ = project
        .ketch(["exp", "save", "-n", "noted", "-I", "notes.txt"])
        .success();

    project.write("notes.txt", "untracked, and mine");
    project.write("params.yaml", "lr: 9 # unsaved\n");
    project.write("model.bin", "made by hand");
    let applied = json(project.ketch(["exp", "apply", "noted", "--json"]));
    assert_eq!(project.read("notes.txt"), "from the experiment");
    assert_eq!(project.read("params.yaml"), "lr: 1 # rate\n");
    assert_eq!(project.read("model.bin"), "lr: 1 # rate\n");

    let trash = applied["trash"].as_str().expect("a path");
    assert_eq!(
        project.read(format!("{trash}/notes.txt")),
        "untracked, and mine"
    );
    assert_eq!(project.read(format!("{trash}/model.bin")), "made by hand");
    let before = project
        .git(["show", "refs/exps/apply/stash:params.yaml"])
        .success();
    assert_eq!(before.stdout, "lr: 9 # unsaved\n");
}

#[test]
fn what_cannot_be_is_said() {
    let project = written();
    let early = project.ketch(["exp", "run"]).failure(3);
    assert!(early.stderr.contains("begins from a commit"), "{early}");
    commit_all(&project);

    for name in ["a/b", "a..b", "-x", "a b", "a.lock"] {
        let refused = project
            .ketch(["exp", "run", &format!("--name={name}")])
            .failure(3);
        assert!(
            refused.stderr.contains("is no name for an experiment"),
            "{refused}"
        );
    }
    for change in ["lr", "learn=1", "other.yaml:lr=1", "lr=[1"] {
        let _ = project.ketch(["exp", "run", "-S", change]).failure(3);
    }
    assert_eq!(project.read("params.yaml"), "lr: 1 # rate\n");
    let _ = project.ketch(["exp", "run", "-n", "first"]).success();
    let near = project.ketch(["exp", "apply", "frist"]).failure(3);
    assert!(near.stderr.contains("did you mean `first`?"), "{near}");
    let _ = project.ketch(["exp", "remove"]).failure(3);
    let _ = project
        .ketch(["exp", "remove", "first", "second"])
        .failure(3);
    assert_eq!(
        names(&project),
        "first\n",
        "all are looked up before one goes"
    );
}

/// Starts an experiment and returns when its stage is at work.
fn begun(project: &TestProject, arguments: &[&str]) -> Child {
    let mark = project.home().join("at-work");
    let command = format!("cmd: touch {mark}; sleep 2; cp");
    project.write("dvc.yaml", PIPELINE.replace("cmd: cp", &command));
    let child = project
        .ketch_command()
        .args(["exp", "run", "-S", "lr=2"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while !mark.exists() {
        sleep(Duration::from_millis(10));
    }
    fs_err::remove_file(mark).expect("it is there");
    child
}

#[test]
fn two_do_not_share_a_work_tree() {
    let project = trained();
    let mut first = begun(&project, &["-n", "slow"]);
    let second = project
        .ketch(["exp", "run", "-n", "other", "-S", "lr=3"])
        .failure(3);
    assert!(second.stderr.contains("--temp"), "{second}");
    let _ = project
        .ketch(["exp", "run", "--temp", "-n", "beside", "-S", "lr=4"])
        .success();
    assert!(first.wait().expect("it ends").success());
    assert_eq!(names(&project), "beside\nslow\n");
}

#[test]
fn a_killed_run_is_run_again() {
    let project = trained();
    for place in [&["-n", "killed"][..], &["-n", "killed", "--temp"]] {
        let mut child = begun(&project, place);
        child.kill().expect("it is there");
        child.wait().expect("it ends");
        assert_eq!(names(&project), "");
    }
    let _ = project
        .ketch(["exp", "run", "--temp", "-n", "killed", "-S", "lr=2"])
        .success();
    let _ = project.ketch(["exp", "apply", "killed"]).success();
    let _ = project.ketch(["status", "--quiet"]).success();
    let _ = project.ketch(["fsck"]).success();
}

#[test]
fn dvc_and_ketch_see_each_others_experiments() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return say("DVC is not installed: run scripts/test-setup");
    };
    let project = trained();
    let data = project.home().join("data");
    let _ = project
        .ketch(["remote", "add", "-d", "store", data.as_str()])
        .success();
    commit_all(&project);
    let dvc = |arguments: &[&str]| {
        let mut command = project.command(&dvc);
        CommandOutput::of(command.args(arguments)).success().stdout
    };
    let both_list = |arguments: &[&str]| {
        let theirs = dvc(&[&["exp", "list"], arguments].concat());
        let ours = project
            .ketch([&["exp", "list"], arguments].concat())
            .success()
            .stdout;
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours), sorted(&theirs), "exp list {arguments:?}");
        ours
    };

    let _ = project
        .ketch(["exp", "run", "-n", "ours", "-S", "lr=2"])
        .success();
    assert_eq!(dvc(&["status"]), "Data and pipelines are up to date.\n");
    dvc(&["exp", "run", "-n", "theirs", "-S", "lr=3"]);
    let _ = project
        .ketch(["exp", "run", "--temp", "-n", "apart", "-S", "lr=4"])
        .success();
    dvc(&["exp", "save", "-n", "saved"]);
    assert_eq!(both_list(&[]).lines().count(), 5);

    // Each applies what the other made.
    let _ = project.ketch(["exp", "apply", "theirs"]).success();
    assert_eq!(project.read("model.bin"), "lr: 3 # rate\n");
    assert_eq!(dvc(&["status"]), "Data and pipelines are up to date.\n");
    dvc(&["exp", "apply", "apart"]);
    assert_eq!(project.read("model.bin"), "lr: 4 # rate\n");
    let _ = project.ketch(["status", "--quiet"]).success();

    // Each goes on from where the other is: nothing runs again.
    let repro = json(project.ketch(["repro", "--json"]));
    assert_eq!(repro["stages"][0]["outcome"], "unchanged");

    // Shared, removed here, and got back by the other.
    let shared = project.home().join("shared.git");
    let _ = project
        .git(["init", "--quiet", "--bare", shared.as_str()])
        .success();
    let _ = project
        .git(["remote", "add", "origin", shared.as_str()])
        .success();
    let _ = project
        .git(["push", "--quiet", "origin", "HEAD:refs/heads/main"])
        .success();
    let _ = project
        .ketch(["exp", "push", "origin", "ours", "apart"])
        .success();
    dvc(&["exp", "push", "origin", "theirs"]);
    both_list(&["origin"]);
    dvc(&["exp", "remove", "ours"]);
    let _ = project
        .ketch(["exp", "remove", "theirs", "apart"])
        .success();
    assert_eq!(both_list(&["--name-only"]), "saved\n");
    fs_err::remove_dir_all(project.path(".dvc/cache")).expect("the cache goes");
    let _ = project.ketch(["exp", "pull", "origin", "theirs"]).success();
    dvc(&["exp", "pull", "origin", "ours", "apart"]);
    assert_eq!(both_list(&[]).lines().count(), 5);
    for (name, model) in [("ours", "lr: 2 # rate\n"), ("theirs", "lr: 3 # rate\n")] {
        let _ = project.ketch(["exp", "apply", name]).success();
        assert_eq!(project.read("model.bin"), model);
    }

    // Names and branches.
    let _ = project.ketch(["exp", "rename", "saved", "kept"]).success();
    dvc(&["exp", "branch", "kept", "from-dvc"]);
    let _ = project
        .ketch(["exp", "branch", "kept", "from-ketch"])
        .success();
    let branches = project
        .git(["rev-parse", "from-dvc", "from-ketch"])
        .success()
        .stdout;
    let mut ids: Vec<&str> = branches.lines().collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let _ = project.ketch(["exp", "remove", "kept", "--keep"]).success();
    assert_eq!(both_list(&["--name-only"]), "kept\n");
}

#[test]
fn an_experiment_that_others_changed_is_not_replaced_unasked() {
    let project = trained();
    let shared = project.home().join("shared.git");
    let _ = project
        .git(["init", "--quiet", "--bare", shared.as_str()])
        .success();
    let _ = project
        .git(["remote", "add", "origin", shared.as_str()])
        .success();
    let run = |rate: &str| {
        let change = format!("lr={rate}");
        let _ = project
            .ketch(["exp", "run", "-f", "-n", "same", "-S", &change])
            .success();
    };
    let id = || {
        project
            .ketch(["exp", "list", "--sha-only"])
            .success()
            .stdout
    };
    run("2");
    let _ = project
        .ketch(["exp", "push", "--no-cache", "origin"])
        .success();
    let pushed = id();
    run("3");
    let refused = project
        .ketch(["exp", "push", "--no-cache", "origin"])
        .failure(1);
    assert!(refused.stderr.contains("same"), "{refused}");
    let _ = project
        .ketch(["exp", "pull", "--no-cache", "origin"])
        .failure(1);
    assert_ne!(id(), pushed);
    let _ = project
        .ketch(["exp", "pull", "--no-cache", "--force", "origin"])
        .success();
    assert_eq!(id(), pushed);
    run("4");
    let _ = project
        .ketch(["exp", "push", "--no-cache", "--force", "origin"])
        .success();
    let _ = project
        .ketch(["exp", "remove", "-g", "origin", "same"])
        .success();
    let there = project.ketch(["exp", "list", "-A", "origin"]).success();
    assert_eq!(there.stdout, "");
}
