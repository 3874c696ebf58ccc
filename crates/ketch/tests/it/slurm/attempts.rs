use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_testkit::{SlurmCluster, TestProject};

use super::{count, project_on, with_signs};

/// A program in front of Slurm's own, which it can call as `$real`.
fn stand_in(project: &mut TestProject, name: &str, body: &str) {
    let folder = project.home().join("bin");
    fs_err::create_dir_all(&folder).expect("a folder");
    let script = format!("#!/bin/sh\nreal=/usr/bin/{name}\n{body}\n");
    let path = folder.join(name);
    fs_err::write(&path, script).expect("a script");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    project.set_env("PATH", &format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
}

fn one_stage(project: &TestProject, signs: &Utf8Path) {
    project.write(
        "dvc.yaml",
        format!(
            "stages:\n  only:\n    cmd: touch {signs}/ran.$$; sleep 1; echo $$ > only\n    outs: [only]\n"
        ),
    );
}

/// The answer to the first submission comes too late: the job is found by its name.
#[test]
fn a_submission_without_an_answer_is_not_made_twice() {
    let Some((cluster, mut project, signs)) = with_signs() else {
        return;
    };
    one_stage(&project, &signs);
    stand_in(
        &mut project,
        "sbatch",
        "\"$real\" \"$@\" >/dev/null; echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
    );
    let told = project.ketch(["repro", "--executor", "slurm"]).success();
    assert!(told.stderr.contains("Socket timed out"), "{told}");
    assert_eq!(count(&signs, "ran"), 1);
    assert_eq!(cluster.jobs("all"), 1);
}

/// Slurm has the same attempt twice, as when a submission is answered too late and made again: one
/// of them runs.
#[test]
fn of_two_jobs_of_one_attempt_one_runs() {
    let Some((cluster, mut project, signs)) = with_signs() else {
        return;
    };
    one_stage(&project, &signs);
    stand_in(
        &mut project,
        "sbatch",
        "\"$real\" \"$@\" >/dev/null; exec \"$real\" \"$@\"",
    );
    let _ = project.ketch(["repro", "--executor", "slurm"]).success();
    cluster.wait_for("both jobs", |cluster| cluster.jobs("COMPLETED,FAILED") == 2);
    assert_eq!(count(&signs, "ran"), 1);
    let ran = count(&signs, &format!("ran.{}", project.read("only").trim()));
    assert_eq!(ran, 1, "the output is of the one that ran");
}

/// What the stage does not declare, it does not change: neither what it reads nor what lies beside.
#[test]
fn an_attempt_works_in_a_folder_of_its_own() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let text = "stages:
  data:
    cmd: mkdir -p data && echo 1 > data/a
    outs: [data]
  change:
    wdir: sub
    cmd: echo 2 > ../data/a; echo 3 > beside; find ../data -type f > found; pwd > where
    deps: [../data, code]
    outs:
      - found
      - where
";
    let project = project_on(&cluster, text);
    project.write("sub/code", "code\n");
    project.write("sub/beside", "mine\n");
    let _ = project.ketch(["repro", "--executor", "slurm"]).success();
    assert_eq!(project.read("data/a"), "1\n");
    assert_eq!(project.read("sub/beside"), "mine\n");
    assert_eq!(project.read("sub/found"), "../data/a\n");
    let place = project.read("sub/where");
    assert!(
        place.contains("/.ketch/slurm/change-") && place.ends_with("/tree/sub\n"),
        "{place}"
    );
    let again = project.ketch(["repro"]).success();
    assert!(again.stderr.contains("is up to date"), "{again}");
}

/// What persists is there, and is what it becomes.
#[test]
fn outputs_that_persist_go_on() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let text = "stages:\n  grow:\n    cmd: cat in >> log\n    deps: [in]\n    outs:\n      - log:\n          persist: true\n";
    let project = project_on(&cluster, text);
    for number in ["1\n", "2\n"] {
        project.write("in", number);
        let _ = project.ketch(["repro", "--executor", "slurm"]).success();
    }
    assert_eq!(project.read("log"), "1\n2\n");
}
