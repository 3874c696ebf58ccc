//! A small project whose pipeline copies a model, with two registered versions of it, and a server
//! in front.

use std::{collections::BTreeMap, net::SocketAddr, process::Command, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use ketch_control::{
    Clock, ControlError, Event, LoopOptions, LoopReporter, ModelHandle, RegisterOptions, register,
    start_model, tracking_path,
};
use ketch_project::{
    CommitOptions, CommitPaths, Existing, Identity, InitOptions, Project, ReproOptions,
    ReproReporter, commit, init, repro,
};
use ketch_server::{RunningServer, ServerOptions, bind, start};
use ketch_testkit::CommandOutput;
use ketch_tracking::{ChangeNote, TrackingStore};
use serde_json::{Value, json};

use crate::http::{Answer, Request, post};

/// Two classes, from 20 numbers in one matrix: the champion, version 1.
pub(crate) const LOGISTIC: &str = "logreg_bin";

/// The same, by another model: version 2.
const BOOSTING: &str = "hgb_bin";

pub(crate) const TOKEN: &str = "0123456789abcdef";

const PIPELINE: &str = "stages:
  train:
    cmd: cp source/model.onnx source/golden.json source/reference.csv source/metrics.json .
    deps:
    - source
    outs:
    - golden.json
    - model.onnx
    - reference.csv
    metrics:
    - metrics.json:
        cache: false
";

pub(crate) struct Fixture {
    _guard: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) handle: Arc<ModelHandle>,
    pub(crate) server: RunningServer,
}

struct Quiet;

impl ReproReporter for Quiet {}

impl LoopReporter for Quiet {
    fn event(&self, _model: &str, _event: &Event) {}

    fn failed(&self, model: &str, error: &ControlError) {
        panic!("{model}: {error}");
    }
}

/// Always the same moment.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_767_323_045).unwrap()
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(guard.path()).unwrap();
        let root = base.canonicalize_utf8().unwrap().join("project");
        fs_err::create_dir_all(root.join("source")).unwrap();
        make_project(&root);
        let project = Project::open(&root).unwrap();
        let tracking = tracking_path(&project.state_dir().unwrap());
        let handle = start_model(LoopOptions {
            project,
            model: "rain".to_owned(),
            tracking: tracking.clone(),
            seed: None,
            clock: Arc::new(Still),
            reporter: Arc::new(Quiet),
        })
        .unwrap();
        let handle = Arc::new(handle);
        let options = ServerOptions {
            models: BTreeMap::from([("rain".to_owned(), Arc::clone(&handle))]),
            tracking,
            token: TOKEN.to_owned(),
            clock: Arc::new(Still),
            version: "0.0.0-test",
        };
        let server = start(bind(0).unwrap(), options).unwrap();
        Self {
            _guard: guard,
            root,
            handle,
            server,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send(self.address())
    }

    pub(crate) fn infer(&self, body: &Value) -> Answer {
        self.send(&post("/v2/models/rain/infer", body))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A test that fails has its own message already.
        let stopped = self.server.stop().is_ok() && self.handle.stop().is_ok();
        assert!(stopped || std::thread::panicking(), "a clean end");
    }
}

fn make_project(root: &Utf8Path) {
    git(root, &["init", "--quiet", "--initial-branch=main"]);
    // The library's own calls would otherwise see the developer's configuration.
    for (key, value) in [
        ("commit.gpgSign", "false"),
        ("core.excludesFile", "/dev/null"),
        ("core.hooksPath", "/dev/null"),
        ("core.autocrlf", "false"),
    ] {
        git(root, &["config", key, value]);
    }
    init(&InitOptions {
        root: root.to_owned(),
        existing: Existing::Refuse,
    })
    .unwrap();
    let names: Vec<String> = (0..20).map(|index| format!("\"x{index}\"")).collect();
    let settings = format!(
        "[model.rain]\nartifact = \"model.onnx\"\ngolden = \"golden.json\"\nreference = \
         \"reference.csv\"\nmetric = {{ path = \"metrics.json\", key = \"accuracy\" }}\nlabel = \
         \"y\"\ntime = \"day\"\nfeatures = [{}]\n[model.rain.rollout]\nsteps = [50, 100]\n",
        names.join(", ")
    );
    fs_err::write(root.join("ketch.toml"), settings).unwrap();
    fs_err::write(root.join("dvc.yaml"), PIPELINE).unwrap();
    fs_err::write(root.join("source/reference.csv"), reference_csv()).unwrap();
    let tracking = Project::open(root).unwrap().state_dir().unwrap();
    fs_err::create_dir_all(&tracking).unwrap();
    let tracking = TrackingStore::open(&tracking_path(&tracking)).unwrap();
    for (version, model, accuracy) in [(1, LOGISTIC, 0.81), (2, BOOSTING, 0.84)] {
        let made = make_version(root, &tracking, model, accuracy);
        assert_eq!(made, version);
    }
    let note = ChangeNote {
        at_ms: 0,
        actor: "ana".to_owned(),
        reason: "the first one".to_owned(),
    };
    let (name, alias) = ("rain".parse().unwrap(), "champion".parse().unwrap());
    tracking.set_alias(&name, &alias, 1, &note).unwrap();
}

fn make_version(root: &Utf8Path, tracking: &TrackingStore, model: &str, accuracy: f64) -> u32 {
    let source = root.join("source");
    fs_err::write(source.join("model.onnx"), golden_file(model, "model.onnx")).unwrap();
    fs_err::write(source.join("golden.json"), golden(model).to_string()).unwrap();
    fs_err::write(
        source.join("metrics.json"),
        json!({ "accuracy": accuracy }).to_string(),
    )
    .unwrap();
    git(root, &["add", "."]);
    let project = Project::open(root).unwrap();
    repro(&project, &ReproOptions::default(), &Quiet).unwrap();
    commit(
        &project,
        &CommitOptions {
            message: format!("Train {model}"),
            paths: CommitPaths::All,
            identity: Some(Identity {
                name: "Ana Test".to_owned(),
                email: "ana@example.org".to_owned(),
            }),
        },
    )
    .unwrap();
    let registered = register(
        &project,
        tracking,
        &RegisterOptions {
            model: "rain",
            run_name: model,
            user: "ana",
            started_at: Timestamp::UNIX_EPOCH,
            ended_at: Timestamp::UNIX_EPOCH,
        },
    )
    .unwrap();
    registered.version
}

fn git(root: &Utf8Path, arguments: &[&str]) {
    let _ = CommandOutput::of(
        Command::new("git")
            .args(arguments)
            .current_dir(root)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1"),
    )
    .success();
}

fn golden_file(model: &str, file: &str) -> Vec<u8> {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../onnx-ml/tests/golden")
        .join(model)
        .join(file);
    fs_err::read(path).unwrap()
}

/// Inputs and answers of a model's maker in the protocol's form.
pub(crate) fn golden(model: &str) -> Value {
    let golden: Value = serde_json::from_slice(&golden_file(model, "golden.json")).unwrap();
    let tensors = |key: &str| -> Vec<Value> {
        let list = golden[key].as_array().unwrap();
        list.iter()
            .map(|tensor| {
                let datatype = match tensor["type"].as_str().unwrap() {
                    "float32" => "FP32",
                    "float64" => "FP64",
                    "int64" => "INT64",
                    other => panic!("{other}"),
                };
                json!({
                    "name": tensor["name"],
                    "shape": tensor["shape"],
                    "datatype": datatype,
                    "data": tensor["values"],
                })
            })
            .collect()
    };
    json!({ "inputs": tensors("inputs"), "outputs": tensors("outputs") })
}

/// The first rows of the champion's golden inputs.
pub(crate) fn rows(count: usize) -> Vec<Vec<f64>> {
    let golden = golden(LOGISTIC);
    let values = golden["inputs"][0]["data"].as_array().unwrap();
    values
        .chunks(20)
        .take(count)
        .map(|row| row.iter().map(|value| value.as_f64().unwrap()).collect())
        .collect()
}

/// What the champion's maker answers for [`rows`]: the class and the probability of the second.
pub(crate) fn answers(count: usize) -> Vec<(f64, f64)> {
    let golden = golden(LOGISTIC);
    let number = |output: usize, index: usize| {
        let value = &golden["outputs"][output]["data"][index];
        value.as_f64().unwrap()
    };
    (0..count)
        .map(|row| (number(0, row), number(1, row * 2 + 1)))
        .collect()
}

fn reference_csv() -> String {
    let header: Vec<String> = (0..20).map(|index| format!("x{index}")).collect();
    let lines = rows(100)
        .into_iter()
        .zip(answers(100))
        .map(|(row, (label, _))| {
            let values: Vec<String> = row.iter().map(ToString::to_string).collect();
            format!("{},{label}", values.join(","))
        });
    let first = format!("{},y", header.join(","));
    let mut text: Vec<String> = [first].into_iter().chain(lines).collect();
    text.push(String::new());
    text.join("\n")
}

/// A request with the first rows.
pub(crate) fn request(count: usize) -> Value {
    json!({ "inputs": [
        { "name": "X", "shape": [count, 20], "datatype": "FP32", "data": rows(count) }
    ] })
}
