use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use ketch_testkit::SlurmCluster;
use rustix::process::{Pid, Signal, kill_process};

use super::{count, finish, let_go, plain_project, project_on, start, waits, with_signs};

/// The first attempt outlives its node, writes on, and even comes to its end: its outputs are in
/// nobody's way.
#[test]
fn a_node_that_dies_costs_an_attempt_and_its_orphan_is_not_published() {
    let Some((mut cluster, project, signs)) = with_signs() else {
        return;
    };
    project.write(
        "dvc.yaml",
        format!(
            "stages:
  first:
    cmd: echo 1 > first
    outs: [first]
  slow:
    cmd: |
      touch {signs}/begun.$$; i=0; while [ $i -lt 3000 ] && [ ! -e {signs}/go.slow ]; do i=$((i+1)); echo $$ >> slow; sleep 0.05; done; for i in 1 2 3 4 5 6 7 8; do echo $$ >> slow; sleep 0.1; done; touch {signs}/ended.$$
    deps: [first]
    outs: [slow]
  last:
    cmd: sort -u slow > last
    deps: [slow]
    outs: [last]
"
        ),
    );
    let ketch = start(&project);
    cluster.wait_for("the stage", |_| count(&signs, "begun") == 1);
    let busy = cluster.busy_nodes();
    assert_eq!(busy.len(), 1);
    cluster.kill_node(busy[0]);
    cluster.wait_for("the next attempt", |_| count(&signs, "begun") == 2);
    // The other one is still there, and both go on together.
    assert_eq!(cluster.busy_nodes().len(), 2);
    let_go(&signs, "slow");
    let told = finish(&project, ketch);
    assert!(told.contains("was lost (NODE_FAIL)"), "{told}");
    cluster.wait_for("the orphan", |_| count(&signs, "ended") == 2);

    let of_one = project.read("last");
    assert_eq!(
        of_one.lines().count(),
        1,
        "lines of both attempts: {of_one}"
    );
    assert_eq!(cluster.jobs("NODE_FAIL"), 1);
    let status = project.ketch(["status"]).success();
    assert!(status.to_string().contains("up to date"), "{status}");
}

#[test]
fn a_controller_that_is_killed_is_waited_for() {
    let Some(mut cluster) = SlurmCluster::start() else {
        return;
    };
    let text = "stages:\n  one:\n    matrix:\n      n: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n    cmd: sleep 1; echo ${item.n} > one/${item.n}\n    outs: ['one/${item.n}']\n  all:\n    cmd: cat one/* > all\n    deps: [one/1, one/2, one/3, one/4, one/5, one/6, one/7, one/8, one/9, one/10, one/11, one/12]\n    outs: [all]\n";
    let here = plain_project(text);
    let _ = here.ketch(["repro", "-j", "12"]).success();
    let project = project_on(&cluster, text);
    project.write(
        "ketch.toml",
        "[pipeline]\njobs = 6\n[executor]\nuse = \"slurm\"\n[executor.slurm]\ncall_timeout = 2\nattempts = 5\n",
    );
    let ketch = start(&project);
    cluster.wait_for("jobs at work", |cluster| cluster.jobs("RUNNING") >= 3);
    // Those that were submitted last are forgotten; their ids come again.
    cluster.kill_controller();
    sleep(Duration::from_secs(4));
    cluster.start_controller();
    let told = finish(&project, ketch);
    assert!(told.contains("waiting: "), "{told}");
    assert_eq!(project.read("dvc.lock"), here.read("dvc.lock"));
    assert_eq!(project.read("all"), here.read("all"));
}

/// What it takes up does not run twice; what is not wanted any more is cancelled.
#[test]
fn a_killed_ketch_finds_its_jobs_again() {
    let Some((cluster, project, signs)) = with_signs() else {
        return;
    };
    let stage = |name: &str| {
        format!(
            "  {name}:\n    cmd: {}; cat in.{name} > {name}\n    deps: [in.{name}]\n    outs: [{name}]\n",
            waits(&signs, name)
        )
    };
    for name in ["same", "soon", "other", "gone"] {
        project.write(format!("in.{name}"), "1\n");
    }
    let stages = ["same", "soon", "other"].map(stage);
    let without = format!("stages:\n{}", stages.concat());
    project.write("dvc.yaml", format!("{without}{}", stage("gone")));
    let mut ketch = start(&project);
    cluster.wait_for("four jobs", |_| {
        ["same", "soon", "other", "gone"]
            .iter()
            .all(|name| count(&signs, name) == 1)
    });
    ketch.kill().unwrap();
    ketch.wait().unwrap();
    assert_eq!(cluster.jobs("RUNNING"), 4, "jobs outlive it");
    // One of them ends with nobody there.
    let_go(&signs, "soon");
    cluster.wait_for("its end", |cluster| cluster.jobs("COMPLETED") == 1);
    assert!(!project.path("dvc.lock").exists());

    project.write("in.other", "2\n");
    project.write("dvc.yaml", without);
    let ketch = start(&project);
    cluster.wait_for("the other one again", |_| count(&signs, "other") == 2);
    let_go(&signs, "same");
    let_go(&signs, "other");
    let told = finish(&project, ketch);
    assert!(
        told.contains("same: the job of an earlier ketch is taken up"),
        "{told}"
    );
    for name in ["same", "soon"] {
        assert_eq!(count(&signs, name), 1, "{name} ran once");
    }
    assert_eq!(project.read("soon"), "1\n");
    assert_eq!(project.read("same"), "1\n");
    assert_eq!(project.read("other"), "2\n");
    assert!(!project.path("gone").exists());
    cluster.wait_for("the end of what is not wanted", |cluster| {
        cluster.jobs("CANCELLED") == 2
    });
}

#[test]
fn an_interrupt_cancels_the_jobs() {
    let Some((cluster, project, signs)) = with_signs() else {
        return;
    };
    project.write(
        "dvc.yaml",
        format!(
            "stages:\n  done:\n    cmd: echo 1 > done\n    outs: [done]\n  long:\n    cmd: {}; cat done > long\n    deps: [done]\n    outs: [long]\n",
            waits(&signs, "long")
        ),
    );
    let mut ketch = start(&project);
    cluster.wait_for("the long job", |_| count(&signs, "long") == 1);
    let id = Pid::from_raw(ketch.id().try_into().unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    let status = ketch.wait().unwrap();
    assert!(!status.success());
    let told = fs_err::read_to_string(project.home().join("ketch.log")).unwrap();
    assert!(
        told.contains("the job of stage `long` is cancelled"),
        "{told}"
    );
    cluster.wait_for("the job's end", |cluster| cluster.jobs("CANCELLED") == 1);
    cluster.wait_for("its process's end", |cluster| {
        cluster.busy_nodes().is_empty()
    });

    let_go(&signs, "long");
    let again = project.ketch(["repro", "--executor", "slurm"]).success();
    assert!(again.stderr.contains("done is unchanged"), "{again}");
    assert_eq!(project.read("long"), "1\n");
}

/// Two that run at once: the second says so, and does not touch what the first one does.
#[test]
fn the_same_stage_is_not_begun_twice() {
    let Some((cluster, project, signs)) = with_signs() else {
        return;
    };
    project.write(
        "dvc.yaml",
        format!(
            "stages:\n  only:\n    cmd: {}; echo 1 > only\n    outs: [only]\n",
            waits(&signs, "only")
        ),
    );
    let first = start(&project);
    cluster.wait_for("the job", |_| count(&signs, "only") == 1);
    let second = project
        .ketch_command()
        .args(["repro", "--executor", "slurm"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && told.contains("ketch repro only"),
        "{told}"
    );
    let_go(&signs, "only");
    let _ = finish(&project, first);
    assert_eq!(count(&signs, "only"), 1);
}
