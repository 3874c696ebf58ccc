//! Being killed in the middle of a stage.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8PathBuf;
use ketch_project::{Project, ReproOptions, StageOutcome, repro};
use ketch_store::Silent;

use crate::sandbox::{Sandbox, hermetic, outcomes};

const ROOT: &str = "KETCH_TEST_KILL_ROOT";

/// Not a test of its own: what the test below starts and kills.
#[test]
#[ignore = "is started by the other test of this module"]
fn victim() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the other test passes the project this way"
    )]
    let root = std::env::var(ROOT).unwrap();
    let project = Project::open(&Utf8PathBuf::from(root)).unwrap();
    repro(&project, &ReproOptions::default(), &Silent).unwrap();
}

#[test]
fn a_killed_run_leaves_nothing_believed_and_nothing_running() {
    let sandbox = Sandbox::new();
    sandbox.write("input", "1");
    sandbox.write(
        "dvc.yaml",
        "stages:\n  slow:\n    cmd: echo half > out; echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; echo whole > out\n    deps: [input]\n    outs: [out]\n",
    );
    let mut victim = hermetic(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::victim", "--ignored"])
            .env(ROOT, &sandbox.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
    .spawn()
    .unwrap();
    wait_until(|| sandbox.exists("pid") && !sandbox.read("pid").is_empty());
    let stage: u32 = sandbox.read("pid").trim().parse().unwrap();
    assert!(is_running(stage));
    // While a command runs the project's lock is free, as with DVC.
    drop(sandbox.open().lock().unwrap());

    // The same stage cannot be started twice, though.
    let error = sandbox.try_repro(&ReproOptions::default()).unwrap_err();
    assert!(error.to_string().contains("ketch repro slow"), "{error}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(|| !is_running(stage));
    assert_eq!(sandbox.read("out"), "half\n");
    assert!(!sandbox.exists("dvc.lock"), "no record");
    assert!(!sandbox.exists(".dvc/cache/runs"), "no result to reuse");

    sandbox.write("go", "");
    let report = sandbox.repro();
    assert_eq!(outcomes(&report), [("slow", StageOutcome::Ran)]);
    assert_eq!(sandbox.read("out"), "whole\n");
}

fn is_running(pid: u32) -> bool {
    let status = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

/// Gives up after a minute, so that a broken test ends.
fn wait_until(condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("waited in vain");
}
