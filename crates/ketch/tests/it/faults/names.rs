//! Names that are odd, and what is no file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use ketch_testkit::{CommandOutput, peer};

use super::new_project;

#[test]
fn names_are_kept_or_refused() {
    let project = new_project();
    let long = "n".repeat(255);
    let names = [
        long.as_str(),
        "a\nb",
        "tab\there",
        "'\"\\",
        " ",
        "-x",
        "ü",
        "#",
        "a: b",
    ];
    for name in names {
        project.write(format!("data/{name}"), name);
    }
    let _ = project.ketch(["add", "data"]).success();
    fs_err::remove_dir_all(project.path("data")).expect("removed");
    let _ = project.ketch(["checkout"]).success();
    for name in names {
        assert_eq!(project.read(format!("data/{name}")), name);
    }
    let _ = project.ketch(["status", "-q"]).success();
    if let Some(dvc) = peer("dvc/bin/dvc") {
        let status = project.command(dvc).arg("status").output().expect("DVC");
        let status = CommandOutput::from(status).success();
        assert!(status.stdout.contains("up to date"), "{status}");
    }
    // There is no room for `.dvc` in the name of its record.
    project.write(&long, "x");
    let refused = project.ketch(["add", &long]);
    assert!(matches!(refused.status.code(), Some(3 | 4)), "{refused}");
    assert!(refused.stderr.contains("nnn.dvc"), "{refused}");

    let odd = project.root().as_std_path().join("odd");
    fs_err::create_dir(&odd).expect("a folder");
    fs_err::write(odd.join(OsStr::from_bytes(b"\xff.txt")), "x").expect("written");
    let refused = project.ketch(["add", "odd"]).failure(3);
    assert!(refused.stderr.contains("not valid UTF-8"), "{refused}");
    assert!(refused.stderr.contains("hint: rename"), "{refused}");
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let project = new_project();
    project.write("loop/file", "x");
    fs_err::os::unix::fs::symlink(".", project.path("loop/again")).expect("a link");
    let _ = project.ketch(["add", "loop"]).success();
    fs_err::create_dir(project.path("self")).expect("a folder");
    fs_err::os::unix::fs::symlink("me", project.path("self/me")).expect("a link");
    let refused = project.ketch(["add", "self"]);
    assert!(matches!(refused.status.code(), Some(3 | 4)), "{refused}");
    assert!(refused.stderr.contains("self/me"), "{refused}");

    fs_err::create_dir(project.path("pipes")).expect("a folder");
    let made = project.command("mkfifo").arg("pipes/fifo").status();
    assert!(made.expect("mkfifo").success());
    let refused = project.ketch(["add", "pipes"]).failure(3);
    assert!(refused.stderr.contains("pipes/fifo"), "{refused}");
    let refused = project.ketch(["add", "pipes/fifo"]).failure(3);
    assert!(refused.stderr.contains("pipes/fifo"), "{refused}");
    fs_err::create_dir(project.path("socket")).expect("a folder");
    let _socket =
        std::os::unix::net::UnixListener::bind(project.path("socket/s")).expect("a socket");
    let refused = project.ketch(["add", "socket"]).failure(3);
    assert!(refused.stderr.contains("socket/s"), "{refused}");
}
