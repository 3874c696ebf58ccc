//! Experiments that wait for their turn: none is lost, whatever dies.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::Value;

use crate::experiments::{PIPELINE, json, names, trained};
use crate::support::{commit_all, say};

/// How long to wait for what has to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Names and states of all tasks.
fn tasks(project: &TestProject) -> Vec<String> {
    let status = json(project.ketch(["queue", "status", "--json"]));
    let tasks = status["tasks"].as_array().expect("a list").iter();
    tasks
        .map(|task| {
            let text = |key: &str| task[key].as_str().expect("a text").to_owned();
            format!("{} {}", text("name"), text("state"))
        })
        .collect()
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not happen");
        sleep(Duration::from_millis(30));
    }
}

/// A pipeline that waits while `hold` is there.
fn slow(project: &TestProject) {
    let hold = project.home().join("hold");
    let cmd = format!("cmd: echo begun; while test -e {hold}; do sleep 0.05; done; cp");
    project.write("dvc.yaml", PIPELINE.replace("cmd: cp", &cmd));
    fs_err::write(hold, "").expect("it can be written");
}

fn release(project: &TestProject) {
    fs_err::remove_file(project.home().join("hold")).expect("it is there");
}

fn run_all(project: &TestProject, jobs: &str) -> Child {
    project
        .ketch_command()
        .args(["exp", "run", "--run-all", "--jobs", jobs])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn a_sweep_is_queued_from_the_work_tree_and_run() {
    let project = trained();
    project.write("notes.txt", "staged");
    let _ = project.git(["add", "notes.txt"]).success();
    let queued = project.ketch([
        "exp",
        "run",
        "--queue",
        "-n",
        "grid",
        "-S",
        "lr=2,3,nothing",
    ]);
    assert_eq!(
        queued.success().stdout,
        "queued grid-1\nqueued grid-2\nqueued grid-3\n"
    );
    assert_eq!(project.read("params.yaml"), "lr: 1 # rate\n");
    let staged = project.git(["diff", "--cached", "--name-only"]).stdout;
    assert_eq!(staged, "notes.txt\n");
    assert_eq!(names(&project), "", "none of them is an experiment yet");

    // What is changed after it was queued is not part of it.
    project.write("params.yaml", "lr: 9 # rate\n");
    let broken = "cmd: test $(sed -n s/lr://p params.yaml) -gt 0 && cp";
    project.write("dvc.yaml", PIPELINE.replace("cmd: cp", broken));
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "checked", "-S", "lr=nothing"])
        .success();

    let ran = project.ketch(["exp", "run", "--run-all", "-j", "2", "--json"]);
    assert!(
        ran.stderr.contains("checked failed: stage `train` failed"),
        "{ran}"
    );
    let ran = json_of(&ran.failure(3));
    assert_eq!(ran["failed"][0], "checked");
    assert_eq!(names(&project), "grid-1\ngrid-2\ngrid-3\n");
    assert_eq!(
        tasks(&project),
        [
            "checked failed",
            "grid-1 success",
            "grid-2 success",
            "grid-3 success"
        ]
    );
    assert_eq!(project.read("params.yaml"), "lr: 9 # rate\n");
    let _ = project.ketch(["exp", "apply", "grid-2"]).success();
    assert_eq!(project.read("metrics.yaml"), "acc: 3 # rate\n");

    let log = project.ketch(["queue", "logs", "checked"]).success();
    assert!(log.stdout.contains("error: stage `train` failed"), "{log}");
    let again = project.ketch(["exp", "run", "--run-all"]).success();
    assert!(again.stderr.contains("nothing is queued"), "{again}");
    let _ = project.ketch(["queue", "remove", "--all"]).success();
    assert_eq!(tasks(&project), [""; 0]);
    assert_eq!(
        names(&project),
        "grid-1\ngrid-2\ngrid-3\n",
        "experiments stay"
    );
}

fn json_of(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).expect("JSON")
}

#[test]
fn a_worker_in_the_background_is_started_watched_and_stopped() {
    let project = trained();
    slow(&project);
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "try", "-S", "lr=range(2,6)"])
        .success();
    let _ = project.ketch(["queue", "start", "-j", "2"]).success();
    wait_for("two at once", || {
        tasks(&project)
            == [
                "try-1 running",
                "try-2 running",
                "try-3 queued",
                "try-4 queued",
            ]
    });
    wait_for("the output", || {
        let log = project.ketch(["queue", "logs", "try-1"]);
        log.stdout.contains("begun")
    });
    let _ = project.ketch(["queue", "remove", "try-1"]).failure(3);
    let _ = project.ketch(["queue", "kill", "try-1"]).success();
    wait_for("the next", || {
        tasks(&project)
            == [
                "try-2 running",
                "try-3 running",
                "try-4 queued",
                "try-1 failed",
            ]
    });
    let _ = project.ketch(["queue", "remove", "try-4"]).success();
    let stop = project.ketch(["queue", "stop"]).success();
    assert!(stop.stdout.contains("when what it runs is over"), "{stop}");
    release(&project);
    wait_for("the end", || {
        tasks(&project) == ["try-1 failed", "try-2 success", "try-3 success"]
    });
    wait_for("the worker's end", || {
        let status = json(project.ketch(["queue", "status", "--json"]));
        status["workers"]["jobs"].is_null()
    });
    assert_eq!(names(&project), "try-2\ntry-3\n");
}

#[test]
fn what_dies_with_a_worker_waits_again() {
    let project = trained();
    slow(&project);
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "try", "-S", "lr=2,3,4"])
        .success();

    // The worker dies, what it runs goes on; then that dies too.
    let mut worker = run_all(&project, "2");
    wait_for("two at once", || {
        tasks(&project) == ["try-1 running", "try-2 running", "try-3 queued"]
    });
    worker.kill().expect("it is there");
    worker.wait().expect("it ends");
    let status = json(project.ketch(["queue", "status", "--json"]));
    let process = status["tasks"][0]["process"].as_u64().expect("a number");
    let mut kill = project.command("kill");
    let _ = CommandOutput::of(kill.args(["-9", &process.to_string()])).success();
    wait_for("the death of one", || {
        tasks(&project) == ["try-2 running", "try-1 queued", "try-3 queued"]
    });

    // The next one leaves alone what still runs, and runs what waits.
    let mut next = run_all(&project, "1");
    wait_for("one more", || {
        tasks(&project)
            .first()
            .is_some_and(|task| task == "try-1 running")
    });
    release(&project);
    assert!(next.wait().expect("it ends").success());
    wait_for("the end", || {
        tasks(&project) == ["try-1 success", "try-2 success", "try-3 success"]
    });
    assert_eq!(names(&project), "try-1\ntry-2\ntry-3\n");
    let _ = project.ketch(["exp", "clean"]).success();
    let left = fs_err::read_dir(project.root().join(".ketch/worktrees")).expect("it is there");
    assert_eq!(left.count(), 1, "nothing but the lock");
    let _ = project.ketch(["fsck"]).success();
}

#[test]
fn a_task_whose_process_dies_under_a_worker_failed() {
    let project = trained();
    slow(&project);
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "one", "-S", "lr=2"])
        .success();
    let mut worker = run_all(&project, "1");
    wait_for("it runs", || tasks(&project) == ["one running"]);
    let status = json(project.ketch(["queue", "status", "--json"]));
    let process = status["tasks"][0]["process"].as_u64().expect("a number");
    let mut kill = project.command("kill");
    let _ = CommandOutput::of(kill.args(["-9", &process.to_string()])).success();
    assert!(!worker.wait().expect("it ends").success());
    let status = json(project.ketch(["queue", "status", "--json"]));
    assert_eq!(
        status["tasks"][0]["error"],
        "its process was ended by signal 9"
    );
    release(&project);

    // The same name takes its place.
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "one", "-S", "lr=2"])
        .success();
    let again = project.ketch(["exp", "run", "--run-all"]);
    assert_eq!(tasks(&project), ["one success"], "{again}");
}

#[test]
fn what_cannot_be_queued_is_said() {
    let project = trained();
    let many = project.ketch(["exp", "run", "-S", "lr=1,2"]).failure(3);
    assert!(many.stderr.contains("--queue"), "{many}");
    let _ = project
        .ketch(["exp", "run", "--queue", "-S", "rate=1"])
        .failure(3);
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "a/b"])
        .failure(3);
    assert_eq!(tasks(&project), [""; 0]);
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "once"])
        .success();
    for again in [&["--queue"][..], &[]] {
        let arguments = [&["exp", "run", "-n", "once"], again].concat();
        let refused = project.ketch(arguments).failure(3);
        assert!(
            refused.stderr.contains("`once` on this commit already"),
            "{refused}"
        );
    }
    let _ = project.ketch(["queue", "kill", "once"]).failure(3);
    let near = project.ketch(["queue", "logs", "onec"]).failure(3);
    assert!(near.stderr.contains("did you mean `once`?"), "{near}");
    let _ = project.ketch(["queue", "remove"]).failure(3);
    let _ = project.ketch(["exp", "remove", "--queue"]).success();
    assert_eq!(tasks(&project), [""; 0]);
}

#[test]
fn dvc_sees_what_came_of_the_queue() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return say("DVC is not installed: run scripts/test-setup");
    };
    let project = trained();
    let _ = project
        .ketch(["exp", "run", "--queue", "-n", "grid", "-S", "lr=2,3"])
        .success();
    let _ = project.ketch(["exp", "run", "--run-all"]).success();
    let dvc = |arguments: &[&str]| {
        let mut command = project.command(&dvc);
        CommandOutput::of(command.args(arguments)).success().stdout
    };
    let listed = dvc(&["exp", "list", "--name-only"]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["grid-1", "grid-2"]);
    dvc(&["exp", "apply", "grid-2"]);
    assert_eq!(project.read("model.bin"), "lr: 3 # rate\n");
    assert_eq!(dvc(&["status"]), "Data and pipelines are up to date.\n");
    commit_all(&project);
}
