//! What a demo says when something is not as it should be, and that nothing is made in vain. No
//! test here needs a network or a real Python.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ketch_testkit::{CommandOutput, TestProject};

use crate::demo_support::{Going, acted_demo, cue, program, tools, wait_until};

/// `ketch demo`, on any free port, that ends by itself.
fn demo(project: &TestProject, arguments: &[&str]) -> Command {
    let mut command = project.ketch_command();
    command.args(["demo", "--short", "--exit", "--port", "0"]);
    command.args(arguments);
    command
}

fn run(mut command: Command) -> CommandOutput {
    command.output().expect("a process").into()
}

fn is_empty(project: &TestProject) -> bool {
    let mut entries = fs_err::read_dir(project.root()).expect("a folder");
    entries.next().is_none()
}

#[test]
fn what_is_missing_is_told_before_anything_is_made() {
    let project = acted_demo();
    let _filters = project.bind_filters();
    let bare = project.home().join("bare");
    fs_err::create_dir(&bare).unwrap();

    let mut without_git = demo(&project, &["d"]);
    let python = tools(&project).join("python3");
    without_git
        .env("PATH", &bare)
        .args(["--python", python.as_str()]);
    insta::assert_snapshot!("no-git", run(without_git).failure(4));

    fs_err::rename(&python, tools(&project).join("not-python")).unwrap();
    insta::assert_snapshot!("no-python", run(demo(&project, &["d"])).failure(4));

    // An old one on the path is no better than none.
    program(&tools(&project), "python", "#!/bin/sh\necho 3 8\n");
    insta::assert_snapshot!("old-python", run(demo(&project, &["d"])).failure(4));

    let named = |text: &str| {
        let python = program(&bare, "python-of-mine", text);
        run(demo(&project, &["d", "--python", python.as_str()])).failure(4)
    };
    insta::assert_snapshot!("not-python", named("#!/bin/sh\necho hello\n"));
    insta::assert_snapshot!(
        "no-venv",
        named(
            "#!/bin/sh
echo 3 12; echo \"$0\"; echo 3.12.0
echo 'Traceback (most recent call last):' >&2
echo \"ModuleNotFoundError: No module named 'ensurepip'\" >&2
exit 1
"
        )
    );
    fs_err::write(bare.join("text"), "").unwrap();
    let text = bare.join("text");
    let cannot_run = run(demo(&project, &["d", "--python", text.as_str()]));
    insta::assert_snapshot!("cannot-run", cannot_run.failure(4));
    assert!(is_empty(&project));
}

#[test]
fn a_taken_port_is_told_before_anything_is_made() {
    let project = acted_demo();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = project.ketch(["demo", "d", "--port", &port]).failure(3);
    let expected = format!("another program has port {port}");
    assert!(refused.stderr.contains(&expected), "{refused}");
    assert!(refused.stderr.contains("hint: "), "{refused}");
    assert!(is_empty(&project));
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let project = acted_demo();
    let _filters = project.bind_filters();
    project.write("mine/notes.txt", "precious");
    project.write("file", "precious");
    insta::assert_snapshot!("not-empty", run(demo(&project, &["mine"])).failure(3));
    insta::assert_snapshot!("a-file", run(demo(&project, &["file"])).failure(3));
    insta::assert_snapshot!("below-a-file", run(demo(&project, &["file/d"])).failure(3));
    insta::assert_snapshot!(
        "nothing-to-resume",
        run(demo(&project, &["--resume", "mine"])).failure(3)
    );
    let _ = run(demo(&project, &["--resume", "nowhere"])).failure(3);
    assert!(!project.path("nowhere").exists());
    assert!(!project.path("mine/.ketch").exists());

    project.write("begun/.ketch/demo.json", r#"{"format":1,"length":"short"}"#);
    insta::assert_snapshot!("begun", run(demo(&project, &["begun"])).failure(3));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let project = acted_demo();
    let folder = project.path("closed");
    fs_err::create_dir(&folder).unwrap();
    fs_err::set_permissions(&folder, PermissionsExt::from_mode(0o555)).unwrap();
    if fs_err::write(folder.join("probe"), "").is_ok() {
        // Nothing is closed to root.
        return;
    }
    let refused = run(demo(&project, &["closed/d"])).failure(4);
    assert!(refused.stderr.contains("closed/d"), "{refused}");
}

#[test]
fn a_damaged_memory_is_not_believed() {
    let project = acted_demo();
    let _filters = project.bind_filters();
    let told = |state: &str| {
        project.write("d/.ketch/demo.json", state);
        run(demo(&project, &["--resume", "d"])).failure(3)
    };
    insta::assert_snapshot!("state-empty", told(""));
    insta::assert_snapshot!("state-torn", told(r#"{"format":1,"len"#));
    insta::assert_snapshot!("state-unknown", told(r#"{"format":1,"length":"epic"}"#));
    insta::assert_snapshot!("state-newer", told(r#"{"format":2,"length":"short"}"#));
    assert!(!project.path("d/.git").exists());
}

#[test]
fn a_demo_killed_before_it_remembers_anything_can_begin_again() {
    let project = acted_demo();
    project.write("d/.ketch/.gitignore", "*\n");
    fs_err::write(cue(&project, "offline"), "").unwrap();
    let begun = run(demo(&project, &["d"])).failure(4);
    assert!(begun.stderr.contains("could not install"), "{begun}");
    assert!(project.path("d/.ketch/demo.json").exists());
}

#[test]
fn without_a_network_each_step_says_how_to_go_on() {
    let project = acted_demo();
    let _filters = project.bind_filters();
    fs_err::write(cue(&project, "offline"), "").unwrap();
    insta::assert_snapshot!("pip-offline", run(demo(&project, &["d"])).failure(4));
    // What was not finished is not believed: it is made anew.
    insta::assert_snapshot!(
        "pip-offline-again",
        run(demo(&project, &["--resume", "d"])).failure(4)
    );

    fs_err::remove_file(cue(&project, "offline")).unwrap();
    insta::assert_snapshot!(
        "collect-offline",
        run(demo(&project, &["--resume", "d"])).failure(3)
    );
    let json = run(demo(&project, &["--resume", "d", "--json"])).failure(3);
    insta::assert_snapshot!("collect-offline-json", json.stderr);
    // Once for each failure, and once well.
    let made = fs_err::read_to_string(cue(&project, "made")).unwrap();
    assert_eq!(made.lines().count(), 3, "{made}");
}

#[test]
fn one_demo_at_a_time_in_a_folder() {
    let project = acted_demo();
    fs_err::write(cue(&project, "slow"), "").unwrap();
    fs_err::write(cue(&project, "offline"), "").unwrap();
    let mut first = Going::start(demo(&project, &["d"]));
    first.wait_for("making a virtual environment");

    let again = run(demo(&project, &["d"])).failure(3);
    assert!(
        again.stderr.contains("go on with `ketch demo --resume "),
        "{again}"
    );
    let resumed = run(demo(&project, &["--resume", "d"])).failure(3);
    let holder = format!("process {}", first.id());
    assert!(resumed.stderr.contains(&holder), "{resumed}");
    assert!(
        resumed.stderr.contains("hint: wait until it is over"),
        "{resumed}"
    );

    // Another folder is free, but its Python environment is the one that is being made.
    let mut other = Going::start(demo(&project, &["other"]));
    other.wait_for("waiting for another demo");
    fs_err::remove_file(cue(&project, "slow")).unwrap();
    assert_eq!(first.end(), Some(4));
    assert_eq!(other.end(), Some(4));
    let after = run(demo(&project, &["--resume", "d"])).failure(4);
    assert!(after.stderr.contains("could not install"), "{after}");
}

#[test]
fn a_killed_environment_is_made_anew_once_its_maker_is_gone() {
    let project = acted_demo();
    fs_err::write(cue(&project, "slow"), "").unwrap();
    fs_err::write(cue(&project, "offline"), "").unwrap();
    let killed = Going::start(demo(&project, &["d"]));
    wait_until("venv works", || cue(&project, "made").exists());
    killed.kill();
    let made = || fs_err::read_to_string(cue(&project, "made")).unwrap();
    let folder = made().trim().to_owned();
    fs_err::write(format!("{folder}/half-written"), "").unwrap();

    // The venv program goes on without its ketch; nobody writes beside it.
    let mut resumed = Going::start(demo(&project, &["--resume", "d"]));
    resumed.wait_for("waiting for another demo");
    assert_eq!(made().lines().count(), 1);
    fs_err::remove_file(cue(&project, "slow")).unwrap();
    resumed.wait_for("making a virtual environment");
    assert_eq!(resumed.end(), Some(4));
    assert_eq!(made().lines().count(), 2);
    assert!(!fs_err::exists(format!("{folder}/half-written")).unwrap());
}

#[test]
fn colours_only_where_they_are_wanted() {
    let project = acted_demo();
    let told = |variables: &[(&str, &str)], folder: &str| {
        let mut command = demo(&project, &[folder]);
        command
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied());
        run(command).failure(3).to_string()
    };
    // Not a terminal: plain lines.
    let plain = told(&[], "a");
    assert!(!plain.contains('\x1b') && !plain.contains('\r'), "{plain}");
    assert!(
        plain.contains("collect    package 1: numpy-2.4.6-cp312-manylinux.whl 16.9 MB\n"),
        "{plain}"
    );
    let forced = told(&[("CLICOLOR_FORCE", "1")], "b");
    assert!(forced.contains('\x1b'), "{forced}");
    let refused = told(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], "c");
    assert!(!refused.contains('\x1b'), "{refused}");
}
