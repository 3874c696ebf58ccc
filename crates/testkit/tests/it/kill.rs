//! Killed processes.

use ketch_testkit::{TestProject, kill_after_line};

fn shell(project: &TestProject, script: &str) -> std::process::Command {
    let mut command = project.command("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_process_dies_at_the_line_and_cannot_clean_up() {
    let project = TestProject::new();
    let script = "trap 'echo cleaned > cleaned' EXIT TERM INT
        echo one; echo ready to die; while :; do :; done; echo never";
    let output = kill_after_line(shell(&project, script), "ready");
    assert_eq!(output.stdout, "one\nready to die\n");
    assert_eq!(output.status.code(), None);
    assert!(output.to_string().contains("signal: 9"), "{output}");
    assert!(!project.path("cleaned").exists());
}

#[test]
fn much_on_standard_error_does_not_block() {
    let project = TestProject::new();
    let script = "i=0; while [ $i -lt 20000 ]; do echo 0123456789 >&2; i=$((i+1)); done
        echo ready; while :; do :; done";
    let output = kill_after_line(shell(&project, script), "ready");
    assert_eq!(output.stderr.len(), 220_000);
}

#[test]
#[should_panic(expected = "ended without printing `ready`")]
fn a_process_that_never_prints_the_line_fails_the_test() {
    let project = TestProject::new();
    let _ = kill_after_line(shell(&project, "echo almost"), "ready");
}
