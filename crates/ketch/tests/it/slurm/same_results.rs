use std::thread::sleep;
use std::time::Duration;

use ketch_testkit::{SlurmCluster, TestProject, peer};

use super::{finish, plain_project, project_on, start};

/// One stage, forty-eight that need it, and one that needs them all.
fn fifty() -> String {
    let numbers: Vec<String> = (1..=48).map(|number| number.to_string()).collect();
    let parts = numbers.iter().map(|number| format!("parts/{number}"));
    format!(
        "stages:
  split:
    cmd:
      - mkdir rows
      - for i in $(seq 48); do expr $i '*' $(grep -o '[0-9]*' params.yaml) > rows/$i; done
    params: [factor]
    outs: [rows]
  part:
    matrix:
      number: [{}]
    cmd: sh tools/square.sh rows/${{item.number}} > parts/${{item.number}}
    deps: [rows, tools]
    outs: ['parts/${{item.number}}']
  sum:
    cmd: |
      cat parts/* | awk '{{s += $1}} END {{print \"{{\\\"sum\\\": \" s \"}}\"}}' > sum.json
    deps: [{}]
    metrics:
      - sum.json:
          cache: false
",
        numbers.join(", "),
        parts.collect::<Vec<_>>().join(", ")
    )
}

fn fill(project: &TestProject) {
    project.write("params.yaml", "factor: 3\n");
    project.write("tools/square.sh", "read n < \"$1\"; expr $n '*' $n\n");
}

fn fifty_here() -> TestProject {
    let project = plain_project(&fifty());
    fill(&project);
    let _ = project.ketch(["repro", "--jobs", "2"]).success();
    project
}

#[test]
fn fifty_stages_run_here() {
    let project = fifty_here();
    // 9 times the sum of the squares up to 48
    assert_eq!(project.read("sum.json"), "{\"sum\": 342216}\n");
    let lock = project.read("dvc.lock");
    assert_eq!(lock.matches("    cmd:").count(), 50, "{lock}");
    let again = project.ketch(["repro"]).success();
    assert!(again.stderr.contains("is up to date"), "{again}");
}

#[test]
fn fifty_stages_on_slurm_give_what_they_give_here() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let here = fifty_here();
    let there = project_on(&cluster, &fifty());
    fill(&there);
    let told = there.ketch(["repro", "--executor", "slurm"]).success();
    assert_eq!(there.read("dvc.lock"), here.read("dvc.lock"));
    assert_eq!(there.read("sum.json"), here.read("sum.json"));
    assert_eq!(cluster.jobs("COMPLETED"), 50, "{told}");

    // Nobody has to know where it ran.
    for executor in ["slurm", "local"] {
        let again = there.ketch(["repro", "--executor", executor]).success();
        assert!(again.stderr.contains("is up to date"), "{again}");
    }
    if let Some(dvc) = peer("dvc/bin/dvc") {
        let status = there.command(dvc).arg("status").output().unwrap();
        let told = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(told.contains("up to date"), "{told}");
    }
    // Attempts leave nothing behind.
    for entry in there.path(".ketch/slurm").read_dir_utf8().unwrap() {
        let left: Vec<String> = entry
            .unwrap()
            .path()
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        assert_eq!(left, ["lock"]);
    }
}

/// A node dies while stages run on it, and then the controller, which forgets some of them.
#[test]
fn fifty_stages_survive_a_node_and_the_controller() {
    let Some(mut cluster) = SlurmCluster::start() else {
        return;
    };
    let slow = "sleep 1; read n < \"$1\"; expr $n '*' $n\n";
    let here = plain_project(&fifty());
    let there = project_on(&cluster, &fifty());
    for project in [&here, &there] {
        fill(project);
        project.write("tools/square.sh", slow);
    }
    let _ = here.ketch(["repro", "--jobs", "24"]).success();
    let ketch = start(&there);
    cluster.wait_for("jobs at work", |cluster| cluster.busy_nodes().len() == 3);
    cluster.power_off_node("n2");
    cluster.wait_for("jobs that are done", |cluster| {
        cluster.jobs("COMPLETED") > 15
    });
    cluster.kill_controller();
    sleep(Duration::from_secs(3));
    cluster.start_controller();
    let told = finish(&there, ketch);
    assert!(told.contains("is begun again"), "{told}");
    assert_eq!(there.read("dvc.lock"), here.read("dvc.lock"));
    assert_eq!(there.read("sum.json"), here.read("sum.json"));
}

/// What stages write is told and kept as it is where they run here.
#[test]
fn logs_and_failures_are_the_same() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let text = "stages:\n  talk:\n    cmd:\n    - echo one; echo two >&2; printf three\n    - 'false'\n    - touch never\n    outs: [never]\n";
    let (here, there) = (plain_project(text), project_on(&cluster, text));
    let local = here.ketch(["repro"]);
    let slurm = there.ketch(["repro", "--executor", "slurm"]);
    assert_eq!(slurm.status.code(), local.status.code());
    for told in [&local, &slurm] {
        for line in ["talk | one", "talk | two", "talk | three", "exited with 1"] {
            assert!(told.stderr.contains(line), "{told}");
        }
    }
    let log = here.read(".ketch/logs/talk.log");
    assert_eq!(
        log,
        "$ echo one; echo two >&2; printf three\none\ntwo\nthree\n$ false\n"
    );
    let there_too = there.read(".ketch/logs/talk.log");
    let own: Vec<&str> = there_too
        .lines()
        .filter(|line| !line.starts_with("# "))
        .collect();
    assert_eq!(own, log.lines().collect::<Vec<_>>());
    assert!(!there.path("dvc.lock").exists());
}
