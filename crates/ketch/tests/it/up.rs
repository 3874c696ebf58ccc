//! A model that is served: requests, labels, the chain behind a prediction, releases.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use ketch_testkit::TestProject;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{FEATURES, commit_all, first_row, model_project};

/// A `ketch up` that is ended with the test.
pub(crate) struct Up {
    child: Child,
    pub(crate) started: Value,
}

impl Up {
    pub(crate) fn start(project: &TestProject) -> Self {
        let mut command: Command = project.ketch_command();
        command
            .args(["up", "--port", "0", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut up = Self {
            child: command.spawn().expect("a process"),
            started: Value::Null,
        };
        up.wait_until_started();
        up
    }

    fn wait_until_started(&mut self) {
        let mut lines = BufReader::new(self.child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        // The loop may print events before it.
        while self.started["event"] != "started" {
            line.clear();
            if lines.read_line(&mut line).expect("a line") == 0 {
                let mut told = String::new();
                let mut errors = self.child.stderr.take().expect("a pipe");
                errors.read_to_string(&mut told).expect("a text");
                panic!("it ended: {told}");
            }
            self.started = serde_json::from_str(&line).expect("JSON");
        }
    }

    fn url(&self, path: &str) -> String {
        format!(
            "{}{path}",
            self.started["address"].as_str().expect("an address")
        )
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent
            .post(self.url(path))
            .send(body.to_string())
            .expect("an answer");
        let text = answer.body_mut().read_to_string().expect("a text");
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).expect("JSON"),
        )
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("a signal");
    }

    /// Ends it with a signal, and returns the exit code.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn champion_project() -> TestProject {
    let project = model_project();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let _ = project
        .ketch(["model", "register", "m", "--alias", "champion"])
        .success();
    project
}

fn infer(id: &str) -> Value {
    json!({
        "id": id,
        "inputs": [
            { "name": "X", "shape": [1, FEATURES], "datatype": "FP32", "data": first_row() }
        ],
    })
}

#[test]
fn without_a_champion_there_is_nothing_to_serve() {
    let project = model_project();
    let _filters = project.bind_filters();
    insta::assert_snapshot!(
        "no-champion",
        project.ketch(["up", "--port", "0"]).failure(3)
    );
    project.write("ketch.toml", "");
    insta::assert_snapshot!("no-model", project.ketch(["up", "--port", "0"]).failure(3));
    insta::assert_snapshot!(
        "not-running",
        project.ketch(["deploy", "m", "1"]).failure(3)
    );
    assert!(!project.path(".ketch/server.json").exists());
}

#[test]
fn a_taken_port_is_told_before_anything_is_loaded() {
    let project = champion_project();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = project.ketch(["up", "--port", &port]).failure(3);
    assert!(
        refused
            .stderr
            .contains(&format!("another program has port {port}")),
        "{refused}"
    );
}

#[test]
fn from_a_prediction_back_to_the_commit() {
    let project = champion_project();
    let up = Up::start(&project);
    assert_eq!(up.started["models"], json!({ "m": 1 }));

    let (status, answer) = up.post("/v2/models/m/infer", &infer("one"));
    assert_eq!((status, &answer["id"]), (200, &json!("one")), "{answer}");
    let (status, summary) = up.post(
        "/labels",
        &json!({ "labels": [{ "request_id": "one", "label": 1.0 }] }),
    );
    assert_eq!((status, &summary["joined"]), (200, &json!(1)), "{summary}");
    let (status, answer) = up.post("/v2/models/m/infer", &json!({ "inputs": [] }));
    assert_eq!(status, 400, "{answer}");

    // A change needs the token.
    let deploy = json!({ "version": 1, "actor": "somebody" });
    let (status, answer) = up.post("/api/control/models/m/deploy", &deploy);
    assert_eq!(status, 401, "{answer}");

    // One server for a project.
    let pid = up.child.id();
    let second = project.ketch(["up", "--port", "0"]).failure(3);
    assert!(
        second
            .stderr
            .contains(&format!("process {pid} serves this project already")),
        "{second}"
    );
    assert_eq!(up.end(Signal::TERM), Some(0));
    assert!(!project.path(".ketch/server.json").exists());

    let commit = project
        .git(["rev-parse", "HEAD"])
        .success()
        .stdout
        .trim()
        .to_owned();
    let chain = project.ketch(["why", "one", "--json"]).success();
    let chain: Value = serde_json::from_str(&chain.stdout).unwrap();
    assert_eq!(chain["prediction"]["version"], 1);
    assert_eq!(chain["label"], 1.0);
    assert_eq!(chain["version"]["champion"], true);
    assert_eq!(chain["run"]["lineage"]["commit"], commit);
    assert_eq!(chain["run"]["lineage"]["stage"], "train");
    assert_eq!(chain["events"][0]["event"], "released");
    let text = project.ketch(["why", "one"]).success();
    for part in [
        "predicted 1",
        "the truth was 1",
        "m version 1 (the champion now)",
        &commit,
    ] {
        assert!(text.stdout.contains(part), "{part}:\n{text}");
    }
    let unknown = project.ketch(["why", "two"]).failure(3);
    assert!(
        unknown
            .stderr
            .contains("no prediction with the request id `two`"),
        "{unknown}"
    );
}

#[test]
fn a_person_forces_a_version_past_the_gate_and_takes_it_back() {
    let project = champion_project();
    let _ = project
        .ketch(["retrain", "m", "--name", "second"])
        .success();
    let up = Up::start(&project);

    // No labelled rows: nothing to compare on.
    let refused = project.ketch(["deploy", "m", "2"]).failure(1);
    assert!(
        refused.stderr.contains("the gate refuses version 2"),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("--force --reason TEXT"),
        "{refused}"
    );
    let _ = project
        .ketch(["deploy", "m", "2", "--force", "--reason", "I know"])
        .success();
    let busy = project.ketch(["deploy", "m", "2"]).failure(1);
    assert!(
        busy.stderr.contains("trying version 2 at this moment"),
        "{busy}"
    );
    let back = project
        .ketch(["rollback", "m", "--reason", "it was a test", "--json"])
        .success();
    let back: Value = serde_json::from_str(&back.stdout).unwrap();
    assert_eq!(back, json!({ "rolled_back": "rollout-1", "champion": 1 }));
    let nothing = project
        .ketch(["rollback", "m", "--reason", "once more"])
        .success();
    assert!(nothing.stdout.contains("nothing to take back"), "{nothing}");
    let unknown = project.ketch(["deploy", "m", "9"]).failure(3);
    assert!(unknown.stderr.contains("has no version 9"), "{unknown}");
    let other = project.ketch(["deploy", "other", "1"]).failure(3);
    assert!(
        other.stderr.contains("no model is called `other`"),
        "{other}"
    );

    // The token is asked for where there is none, and refused where it is wrong.
    let token = project.read(".ketch/token");
    project.write(".ketch/token", "wrong\n");
    let wrong = project.ketch(["deploy", "m", "2"]).failure(3);
    assert!(
        wrong.stderr.contains("a change needs the project's token"),
        "{wrong}"
    );
    project.write(".ketch/token", &token);

    // Whoever dies leaves a file that nobody believes, and the next one starts.
    drop(up);
    let gone = project.ketch(["deploy", "m", "2"]).failure(3);
    assert!(gone.stderr.contains("hint: start it: `ketch up`"), "{gone}");
    let up = Up::start(&project);
    assert_eq!(up.started["models"], json!({ "m": 1 }));
    assert_eq!(up.end(Signal::INT), Some(0));

    // The champion of a model that serves is moved by releases alone.
    let late = project
        .ketch(["model", "register", "m", "--alias", "champion"])
        .failure(3);
    assert!(late.stderr.contains("has been served already"), "{late}");
}
