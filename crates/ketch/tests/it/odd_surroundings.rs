//! Arguments that are no text, configuration that cannot be read, and a disk that cannot be written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use ketch_testkit::{Mount, TestProject};

use crate::personality::link;
use crate::support::{commit_all, project};

fn with_data() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/a", "1\n");
    project.write("data/b", "2\n");
    let _ = project.ketch(["add", "data"]).success();
    commit_all(&project);
    project
}

/// What a command ends with and says, by this name.
fn told(project: &TestProject, program: &OsStr, arguments: &[&OsStr]) -> (Option<i32>, String) {
    let like = project.ketch_command();
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .current_dir(project.root())
        .stdin(Stdio::null());
    for (key, value) in like.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors)
}

#[test]
fn an_argument_that_is_no_text_is_refused() {
    let project = with_data();
    let folder = self::project();
    let dvc = link(&folder.root());
    let ketch = env!("CARGO_BIN_EXE_ketch");
    let odd = OsStr::from_bytes(b"caf\xe9.csv");
    let file = project.root().as_std_path().join(odd);
    std::fs::File::create_new(file).expect("a file");
    for (program, code) in [(ketch, 2), (dvc.as_str(), 254)] {
        for before in [
            &["add"][..],
            &["status"],
            &["remove"],
            &["import-url", "data/a"],
            &["config", "core.remote"],
            &["--cd"],
            &[],
        ] {
            let arguments: Vec<&OsStr> = before.iter().map(OsStr::new).chain([odd]).collect();
            let (ended, errors) = told(&project, OsStr::new(program), &arguments);
            assert_eq!(ended, Some(code), "{program} {before:?}: {errors}");
            assert!(
                errors.contains("UTF-8") || errors.contains("caf"),
                "{program} {before:?}: {errors}"
            );
        }
    }
    assert!(!project.root().join("caf.csv.dvc").exists());
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let project = with_data();
    let config = project.path(".dvc/config");
    let whole = fs_err::read(&config).expect("a file");
    let huge: Vec<u8> = b"    x = 1\n".repeat(2_000_000);
    let contents: [(&str, &[u8]); 3] = [
        ("not UTF-8", b"[core]\n    remote = \xff\xfe\n"),
        ("huge, and no section", &huge),
        ("nothing but blanks and a half", b"   \n[core"),
    ];
    let tell = |what: &str| {
        for line in [
            &["status"][..],
            &["add", "data"],
            &["config", "core.remote", "x"],
        ] {
            let output = project.ketch(line.iter().copied());
            assert!(!output.status.success(), "{what} {line:?}: {output}");
            assert!(
                output.stderr.contains(".dvc/config"),
                "{what} {line:?}: {output}"
            );
            assert!(!output.stderr.contains("panicked"), "{what}: {output}");
        }
    };
    for (what, bytes) in contents {
        fs_err::write(&config, bytes).expect("written");
        tell(what);
        assert_eq!(fs_err::read(&config).expect("a file"), bytes, "{what}");
    }
    // A NUL is as good as other letters, until something has to have that name.
    project.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../st\0ore\n",
    );
    let _ = project.ketch(["status"]).success();
    let output = project.ketch(["push"]);
    assert!(!output.status.success(), "{output}");
    assert!(output.stderr.contains("error: "), "{output}");
    fs_err::remove_file(&config).expect("removed");
    fs_err::create_dir(&config).expect("a folder");
    tell("a folder");
    fs_err::remove_dir(&config).expect("removed");
    fs_err::write(&config, whole).expect("written");
    let _ = project.ketch(["status"]).success();
}

#[test]
fn a_disk_that_cannot_be_written_can_be_looked_at() {
    let project = with_data();
    project.write("data/a", "changed\n");
    let _ = project.ketch(["status"]).success();
    let root = project.root();
    let Some(mount) = Mount::new(&root, &["--bind", root.as_str()]) else {
        return;
    };
    mount.remount("bind,ro");
    let folder = self::project();
    let dvc = link(&folder.root());
    for line in [
        "status",
        "diff",
        "list",
        "list -R",
        "data status",
        "config -l",
        "remote list",
        "du",
        "root",
        "check-ignore data",
        "version",
        "fsck",
    ] {
        let output = project.ketch(line.split(' '));
        assert!(!output.stderr.contains("error"), "{line}: {output}");
    }
    for line in ["status", "diff", "list .", "data status"] {
        let arguments: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let (code, errors) = told(&project, dvc.as_std_path().as_os_str(), &arguments);
        assert_eq!(code, Some(0), "dvc {line}: {errors}");
    }
    for line in [
        "add data",
        "commit",
        "checkout --force",
        "remove data.dvc",
        "move data moved",
        "gc -w",
        "config core.remote x",
        "remote add st ../store",
        "unprotect data",
        "install",
        "freeze data.dvc",
        "repro",
        "fetch",
        "destroy --force",
    ] {
        let output = project.ketch(line.split(' '));
        assert!(!output.status.success(), "{line}: {output}");
        assert!(
            output.stderr.contains("ead-only file system"),
            "{line}: {output}"
        );
    }
    drop(mount);
    assert_eq!(project.read("data/a"), "changed\n");
    let _ = project.ketch(["add", "data"]).success();
}
