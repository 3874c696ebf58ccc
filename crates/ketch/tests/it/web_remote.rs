//! Data on a web server that takes uploads, by either tool.

use ketch_testkit::{WebServer, peer};

use crate::support::project;

#[test]
fn data_goes_to_a_web_server_and_comes_back_by_either_tool() {
    let Some(server) = WebServer::start() else {
        return;
    };
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    for number in 0..20 {
        project.write(format!("data/{number}.csv"), format!("{number},2\n"));
    }
    let _ = project.ketch(["add", "data"]).success();
    let url = server.url("open/store");
    let _ = project
        .ketch(["remote", "add", "--default", "web", &url])
        .success();
    // DVC's own default is POST, which this server has no use for.
    let refused = project.ketch(["push"]).failure(3);
    assert!(refused.stderr.contains("method PUT"), "{refused}");
    let modify = ["remote", "modify", "web", "method", "PUT"];
    let _ = project.ketch(modify).success();
    let pushed = project.ketch(["push"]).success();
    assert_eq!(pushed.stdout, "21 files pushed\n");
    let again = project.ketch(["push"]).success();
    assert_eq!(again.stdout, "Everything is up to date.\n");

    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let by_dvc = |arguments: &[&str]| {
        let output = project.command(&dvc).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lose = |what: &[&str]| {
        for path in what {
            fs_err::remove_dir_all(project.path(path)).unwrap();
        }
    };
    lose(&["data", ".dvc/cache"]);
    by_dvc(&["pull", "--quiet"]);
    assert_eq!(project.read("data/7.csv"), "7,2\n");

    // And the other way.
    project.write("data/new.csv", "new\n");
    by_dvc(&["add", "--quiet", "data"]);
    by_dvc(&["push", "--quiet"]);
    lose(&["data", ".dvc/cache"]);
    let pulled = project.ketch(["pull"]).success();
    assert!(pulled.stdout.contains("A\tdata"), "{pulled}");
    assert_eq!(project.read("data/new.csv"), "new\n");
    let state = by_dvc(&["status", "--cloud"]);
    assert!(state.contains("in sync"), "{state}");
    let state = project.ketch(["status", "--cloud"]).success();
    assert!(state.stdout.contains("in sync"), "{state}");
}

/// Runs a program in a terminal of its own and types the password when it is asked for; prints what
/// the terminal showed.
const TERMINAL: &str = r#"
import os, pty, sys, termios, time
word = sys.argv[1] + "\n"
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if shown.endswith(b": ") and b"Password" in part:
        # A moment after the question the terminal stops showing what is typed.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, word.encode())
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[test]
fn a_password_is_asked_for_at_the_terminal() {
    let (Some(server), Some(python)) = (WebServer::start(), peer("python/bin/python")) else {
        return;
    };
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("a.csv", "1\n");
    let _ = project.ketch(["add", "a.csv"]).success();
    let url = server.url("locked/store");
    let _ = project
        .ketch(["remote", "add", "-d", "web", &url])
        .success();
    for option in [
        ["method", "PUT"],
        ["auth", "basic"],
        ["user", "me"],
        ["ask_password", "true"],
    ] {
        let modify = [&["remote", "modify", "web"], &option[..]].concat();
        let _ = project.ketch(modify).success();
    }
    // Nobody there to be asked.
    let mut alone = project.command("setsid");
    alone.args(["--wait", env!("CARGO_BIN_EXE_ketch"), "push"]);
    let output = alone.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("--local web password"), "{said}");

    let in_terminal = |word: &str| {
        let mut command = project.command(&python);
        command.args(["-c", TERMINAL, word, env!("CARGO_BIN_EXE_ketch"), "push"]);
        let output = command.output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), shown)
    };
    let (status, shown) = in_terminal("wrong");
    assert_ne!(status, Some(0), "{shown}");
    assert!(shown.contains("credentials"), "{shown}");
    let (status, shown) = in_terminal("s3cret");
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("1 file pushed"), "{shown}");
    assert!(shown.contains("Password of me for http://127"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
