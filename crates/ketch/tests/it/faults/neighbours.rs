//! Others at work in the same project.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use ketch_testkit::{CommandOutput, peer};

use super::{new_project, noise, sound};

#[test]
fn two_at_once_both_finish_or_say_who_is_at_work() {
    let project = new_project();
    for number in 0..40 {
        project.write(format!("a/{number}"), noise(number, 40_000));
        project.write(format!("b/{number}"), noise(number + 20, 40_000));
    }
    let start = |arguments: &[&str]| {
        let mut command = project.ketch_command();
        command.args(arguments);
        std::thread::spawn(move || CommandOutput::from(command.output().expect("ketch")))
    };
    let both = [["add", "a"], ["add", "b"]]
        .map(|[command, path]| start(&["--wait-for-lock", command, path]));
    for one in both {
        let _ = one.join().expect("a thread").success();
    }
    let _ = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    for one in [start(&["push"]), start(&["push"])] {
        let _ = one.join().expect("a thread").success();
    }
    let _ = project.ketch(["fsck", "--remote", "st"]).success();
    sound(&project);
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    // Beside DVC: whoever comes second waits three seconds, then says who is at work.
    project.write("a/new", "1");
    project.write("b/new", "2");
    let mut command = project.command(dvc);
    command.args(["add", "a"]);
    let theirs = std::thread::spawn(move || command.output().expect("DVC"));
    for _ in 0..20 {
        let _ = project.ketch(["--wait-for-lock", "add", "b"]).success();
    }
    let theirs = CommandOutput::from(theirs.join().expect("a thread"));
    if !theirs.status.success() {
        assert!(theirs.stderr.contains("lock"), "{theirs}");
        let _ = project.ketch(["add", "a"]).success();
    }
    let status = project.ketch(["status", "-q"]).success();
    assert_eq!(status.stdout, "");
    sound(&project);
}

#[test]
fn a_file_that_grows_is_never_recorded_wrongly() {
    let project = new_project();
    project.write("log", noise(1, 6_000_000));
    let path = project.path("log");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs_err::OpenOptions::new()
                .append(true)
                .open(&path)
                .expect("a file");
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").expect("written");
            }
        });
        let output = project.ketch(["add", "log"]);
        stop.store(true, Ordering::Relaxed);
        let output = output.failure(3);
        assert!(output.stderr.contains("changed while"), "{output}");
        assert!(output.stderr.contains("hint: wait until"), "{output}");
    });
    assert!(!project.path("log.dvc").exists());
    let _ = project.ketch(["add", "log"]).success();
    sound(&project);
}
