//! Several stages at once.

use std::num::NonZeroUsize;

use ketch_project::{OnFailure, ReproOptions, StageOutcome};

use crate::sandbox::{Sandbox, outcomes};

fn jobs(number: usize) -> ReproOptions {
    ReproOptions {
        jobs: NonZeroUsize::new(number),
        ..ReproOptions::default()
    }
}

/// Each waits for the other to begin, which it never does where one runs after the other.
const BOTH: &str = "\
stages:
  end:
    cmd: cat left right > end
    deps: [left, right]
    outs: [end]
  left:
    cmd: touch left.here; for i in $(seq 3000); do [ -e right.here ] && break; sleep 0.01; done; cat right.here; echo l > left
    outs: [left]
  right:
    cmd: touch right.here; for i in $(seq 3000); do [ -e left.here ] && break; sleep 0.01; done; cat left.here; echo r > right
    outs: [right]
";

#[test]
fn what_does_not_need_each_other_runs_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", BOTH);
    let report = sandbox.try_repro(&jobs(2)).unwrap();
    assert_eq!(
        outcomes(&report),
        [
            ("left", StageOutcome::Ran),
            ("right", StageOutcome::Ran),
            ("end", StageOutcome::Ran)
        ]
    );
    assert_eq!(sandbox.read("end"), "l\nr\n");
    let again = sandbox.try_repro(&jobs(2)).unwrap();
    assert!(!again.changed());
}

/// Whoever is last to end is recorded where it would be had they run one after another.
#[test]
fn the_record_does_not_tell_which_was_faster() {
    let pipeline = |order: [&str; 3]| {
        let waits = |name: &str| {
            let place = order.iter().position(|other| *other == name).unwrap();
            match place.checked_sub(1) {
                None => String::new(),
                Some(before) => format!(
                    "for i in $(seq 3000); do grep -qs '^  {}:' dvc.lock && break; sleep 0.01; done; ",
                    order[before]
                ),
            }
        };
        let stages = ["a", "b", "c"].map(|name| {
            format!(
                "  {name}:\n    cmd: \"{}echo {name} > {name}\"\n    outs: [{name}]\n",
                waits(name)
            )
        });
        format!("stages:\n{}", stages.concat())
    };
    for order in [["c", "b", "a"], ["b", "c", "a"], ["a", "b", "c"]] {
        let sandbox = Sandbox::new();
        sandbox.write("dvc.yaml", pipeline(order));
        let _ = sandbox.try_repro(&jobs(3)).unwrap();
        let lock = sandbox.read("dvc.lock");
        let names: Vec<&str> = lock
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .collect();
        assert_eq!(names, ["  a:", "  b:", "  c:"], "{order:?}");
    }
}

/// Each fails if another one has the device.
#[test]
fn what_stages_share_is_counted() {
    let text = "stages:\n  fit:\n    foreach: [a, b, c, d]\n    do:\n      cmd: mkdir device && sleep 0.05 && rmdir device && echo ${item} > ${item}\n      outs: ['${item}']\n";
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", text);
    sandbox.write(
        "ketch.toml",
        "[pipeline]\njobs = 4\nresources = { gpu = 1 }\n[pipeline.stage.fit]\nneeds = { gpu = 1 }\n",
    );
    let report = sandbox.try_repro(&ReproOptions::default()).unwrap();
    assert!(
        report
            .stages
            .iter()
            .all(|stage| stage.outcome == StageOutcome::Ran)
    );
}

const FAILING: &str = "\
stages:
  bad:
    cmd: echo bad >> ran; exit 3
    outs: [bad]
  after:
    cmd: echo after >> ran; touch after
    deps: [bad]
    outs: [after]
  later:
    cmd: echo later >> ran; touch later
    deps: [after]
    outs: [later]
  other:
    cmd: echo other >> ran; touch other
    outs: [other]
";

#[test]
fn a_failure_ends_what_needs_it_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", FAILING);
    let keep_going = ReproOptions {
        on_failure: OnFailure::KeepGoing,
        ..jobs(2)
    };
    let report = sandbox.try_repro(&keep_going).unwrap();
    assert_eq!(
        outcomes(&report),
        [
            ("bad", StageOutcome::Failed),
            ("after", StageOutcome::Skipped),
            ("later", StageOutcome::Skipped),
            ("other", StageOutcome::Ran)
        ]
    );
    assert!(report.failures["bad"].to_string().contains("exited with 3"));

    // By itself it ends everything, but what was done stays done.
    let error = sandbox.try_repro(&jobs(1)).unwrap_err();
    assert!(error.to_string().contains("exited with 3"), "{error}");
    assert_eq!(sandbox.read("ran"), "bad\nother\nbad\n");
    assert!(sandbox.read("dvc.lock").contains("other"));
}

/// What is at work when another fails comes to its end and is recorded.
#[test]
fn nothing_that_runs_is_thrown_away() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  bad:\n    cmd: for i in $(seq 3000); do [ -e here ] && break; sleep 0.01; done; exit 3\n    outs: [bad]\n  long:\n    cmd: touch here; sleep 0.2; echo done > long\n    outs: [long]\n  never:\n    cmd: touch never\n    deps: [long]\n    outs: [never]\n",
    );
    let error = sandbox.try_repro(&jobs(2)).unwrap_err();
    assert!(error.to_string().contains("stage `bad`"), "{error}");
    let lock = sandbox.read("dvc.lock");
    assert!(lock.contains("long") && !lock.contains("never"), "{lock}");
}
