//! Two at work in one project: who comes second waits three seconds, or as long as it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8Path;
use ketch_store::RepoLock;
use ketch_testkit::{CommandOutput, peer};

use crate::personality::{Twin, link};
use crate::support::project;

/// Longer than anybody waits without being told to.
const TOO_LONG: Duration = Duration::from_secs(5);

/// A project of DVC's and ketch's with something to add.
fn twin(program: &Utf8Path) -> Twin {
    let twin = Twin::new(program.to_owned());
    assert_eq!(twin.run("init -q").code, Some(0));
    twin.project.write("f", "1\n");
    twin
}

/// Starts the command, which has to wait as long as `held` is there; gives what it said.
fn waited(mut command: Command, held: impl FnOnce()) -> CommandOutput {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    sleep(TOO_LONG);
    assert!(
        child.try_wait().expect("a child").is_none(),
        "it did not wait"
    );
    held();
    CommandOutput::from(child.wait_with_output().expect("it ends"))
}

#[test]
fn ours_waits_for_ours_as_long_as_it_is_told_to() {
    let folder = project();
    let twin = twin(&link(&folder.root()));
    let lock = RepoLock::acquire(&twin.project.path(".dvc")).expect("a lock");
    let holder = std::process::id().to_string();

    let refused = twin.project.ketch(["add", "f"]).failure(3);
    assert!(
        refused.stderr.contains(&format!("process {holder}")),
        "{refused}"
    );
    assert!(refused.stderr.contains("hint:"), "{refused}");
    assert!(!twin.project.path("f.dvc").exists());
    // Reading needs no lock.
    let _ = twin.project.ketch(["status"]).success();

    let mut command = twin.project.ketch_command();
    command.args(["--wait-for-lock", "add", "f"]);
    let added = waited(command, || drop(lock)).success();
    assert!(twin.project.path("f.dvc").is_file(), "{added}");
    // It is free again.
    let _ = twin.project.ketch(["commit", "--force"]).success();
}

/// Real DVC that holds the lock until its standard input ends.
struct Holder {
    child: Child,
    input: Option<ChildStdin>,
}

impl Holder {
    fn start(twin: &Twin, python: &Utf8Path) -> Self {
        let script = "import sys\nfrom dvc.repo import Repo\nrepo = Repo()\nwith repo.lock:\n    print('held', flush=True)\n    sys.stdin.read()\n";
        let mut command = twin.project.command(python);
        command
            .args(["-c", script])
            .env("DVC_SITE_CACHE_DIR", twin.project.home().join("site"))
            .env("DVC_NO_ANALYTICS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let output = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line, "held\n");
        let input = child.stdin.take();
        Self { child, input }
    }

    fn release(mut self) {
        if let Some(mut input) = self.input.take() {
            input.flush().expect("a pipe");
        }
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

#[test]
fn ours_waits_for_dvc() {
    let Some(python) = peer("dvc/bin/python") else {
        return;
    };
    let folder = project();
    let twin = twin(&link(&folder.root()));
    let holder = Holder::start(&twin, &python);
    let process = format!("process {}", holder.child.id());
    let refused = twin.project.ketch(["add", "f"]).failure(3);
    assert!(refused.stderr.contains(&process), "{refused}");
    // Under DVC's name it ends as DVC does: below.
    let answer = twin.run("add f");
    assert_eq!(answer.code, Some(1), "{}", answer.errors);

    let mut command = twin.project.ketch_command();
    command.args(["--wait-for-lock", "add", "f"]);
    let added = waited(command, || holder.release()).success();
    assert!(twin.project.path("f.dvc").is_file(), "{added}");
}

#[test]
fn dvc_waits_for_ours() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let twin = twin(&dvc);
    let lock = RepoLock::acquire(&twin.project.path(".dvc")).expect("a lock");
    let refused = twin.run("add f");
    assert_eq!(refused.code, Some(1), "{}", refused.errors);
    assert!(
        refused.errors.contains("Unable to acquire lock"),
        "{}",
        refused.errors
    );
    let command = twin.command("--wait-for-lock add f");
    let added = waited(command, || drop(lock)).success();
    assert!(twin.project.path("f.dvc").is_file(), "{added}");
    let _ = twin.project.ketch(["status", "-q"]).success();
}
