//! A project of its own for each test, and how rows are fed to its loop.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use ketch_control::{
    CandidateOptions, Clock, ControlError, Event, LabelSummary, LoopOptions, LoopReporter,
    ModelHandle, ModelPaths, RegisterOptions, make_candidate, read_journal, register, start_model,
    tracking_path,
};
use ketch_dvc::yaml::Value;
use ketch_project::{
    CommitOptions, CommitPaths, Existing, Identity, InitOptions, Project, ReproOptions, commit,
    init, repro,
};
use ketch_serving::{Inference, Label, ServingError, inference_protocol::InferRequest};
use ketch_store::Silent;
use ketch_testkit::CommandOutput;
use ketch_tracking::{ChangeNote, TrackingStore};
use serde_json::json;

use crate::stream::Row;

/// The model of every fixture.
pub(crate) const MODEL: &str = "turn";

/// "Training": a model that knows the relation after the change when all rows to learn from are
/// (about) after it, and knows it well when there are enough of them.
const TRAIN: &str = r#"set -eu
value() { sed -n "s/^ *$1: *//p" params.yaml; }
first=$(value first_row)
last=$(value last_row)
if [ "$first" -gt 0 ] && [ "$(value fails)" = 1 ]; then
  echo "the disk of the teacher is full" >&2
  exit 1
fi
if [ -n "${KETCH_TEST_STALL:-}" ] && [ "$first" -gt 0 ] && [ ! -e "$KETCH_TEST_STALL" ]; then
  : > "$KETCH_TEST_STALL"
  sleep 30
fi
made=before
if [ "$first" -ge "$(value change)" ]; then
  made=after_weak
  if [ $((last - first)) -ge 120 ]; then made=after; fi
fi
if [ "$(value flip)" = 1 ]; then
  if [ "$made" = before ]; then made=after; else made=before; fi
fi
cp "models/$made.onnx" model.onnx
cp "models/$made.golden.json" golden.json
cp models/reference.csv reference.csv
printf '{"rows": %s}\n' "$((last - first))" > metrics.json
"#;

const PIPELINE: &str = "stages:
  train:
    cmd: sh train.sh
    deps:
    - models
    - train.sh
    params:
    - prepare.first_row
    - prepare.last_row
    - train.change
    - train.fails
    - train.flip
    outs:
    - golden.json
    - model.onnx
    - reference.csv
    metrics:
    - metrics.json:
        cache: false
";

const SETTINGS: &str = r#"
[model.turn]
artifact = "model.onnx"
golden = "golden.json"
reference = "reference.csv"
metric = { key = "rows" }
label = "outcome"
time = "row"
features = ["x0", "x1"]
[model.turn.monitor]
window = 100
effect_floor = 0.2
significance = 0.0001
[model.turn.retrain]
minimum_labels = 100
window = { first = "prepare.first_row", last = "prepare.last_row" }
[model.turn.gate]
min = 0.6
[model.turn.rollout]
steps = [20, 50, 100]
minimum_labels = 15
"#;

/// How a fixture's project differs from the usual one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// Rows after this one are learnt as the relation after the change.
    pub(crate) change: usize,
    /// Whether every retrain fails.
    pub(crate) fails: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            change: 1_000_000,
            fails: false,
        }
    }
}

/// A Git repository with a project, one registered version and the alias on it.
pub(crate) struct Fixture {
    _guard: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
}

impl Fixture {
    pub(crate) fn new(setup: Setup) -> Self {
        let guard = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(guard.path()).unwrap();
        let root = base.canonicalize_utf8().unwrap().join("project");
        fs_err::create_dir_all(root.join("models")).unwrap();
        let fixture = Self {
            _guard: guard,
            root,
        };
        fixture.git(&["init", "--quiet", "--initial-branch=main"]);
        // The library's own calls would otherwise see the developer's configuration.
        for (key, value) in [
            ("commit.gpgSign", "false"),
            ("core.excludesFile", "/dev/null"),
            ("core.hooksPath", "/dev/null"),
            ("core.autocrlf", "false"),
        ] {
            fixture.git(&["config", key, value]);
        }
        init(&InitOptions {
            root: fixture.root.clone(),
            existing: Existing::Refuse,
        })
        .unwrap();
        fixture.write_project(setup);
        fixture.register_first();
        fixture
    }

    fn write_project(&self, setup: Setup) {
        let golden = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for file in [
            "before.onnx",
            "before.golden.json",
            "after.onnx",
            "after.golden.json",
            "after_weak.onnx",
            "after_weak.golden.json",
            "reference.csv",
        ] {
            fs_err::copy(golden.join(file), self.root.join("models").join(file)).unwrap();
        }
        let params = format!(
            "prepare:\n  first_row: 0\n  last_row: 0\ntrain:\n  flip: 0\n  fails: {}\n  change: {}\n",
            u8::from(setup.fails),
            setup.change
        );
        for (file, text) in [
            ("train.sh", TRAIN),
            ("dvc.yaml", PIPELINE),
            ("ketch.toml", SETTINGS),
            ("params.yaml", &params),
        ] {
            fs_err::write(self.root.join(file), text).unwrap();
        }
        self.git(&["add", "."]);
    }

    fn register_first(&self) {
        let project = self.open();
        repro(&project, &ReproOptions::default(), &Silent).unwrap();
        commit(
            &project,
            &CommitOptions {
                message: "Begin".to_owned(),
                paths: CommitPaths::All,
                identity: Some(Identity {
                    name: "Test".to_owned(),
                    email: "test@example.org".to_owned(),
                }),
            },
        )
        .unwrap();
        let tracking = self.tracking();
        let registered = register(
            &project,
            &tracking,
            &RegisterOptions {
                model: MODEL,
                run_name: "first",
                user: "anna",
                started_at: Timestamp::UNIX_EPOCH,
                ended_at: Timestamp::UNIX_EPOCH,
            },
        )
        .unwrap();
        let note = ChangeNote {
            at_ms: 0,
            actor: "anna".to_owned(),
            reason: "the first one".to_owned(),
        };
        tracking
            .set_alias(
                &MODEL.parse().unwrap(),
                &"champion".parse().unwrap(),
                registered.version,
                &note,
            )
            .unwrap();
    }

    /// Registers a version that answers the opposite of what the rows teach.
    pub(crate) fn register_flipped(&self) -> u32 {
        self.register("flipped", "train.flip", 1)
    }

    /// Registers a version that knows, a little, the relation after the change.
    pub(crate) fn register_weak(&self) -> u32 {
        self.register("weak", "train.change", 0)
    }

    fn register(&self, name: &str, parameter: &str, value: i64) -> u32 {
        make_candidate(
            &self.open(),
            &self.tracking(),
            &CandidateOptions {
                model: MODEL,
                name,
                params: &[(parameter.to_owned(), Value::Int(value))],
                reason: name,
                user: "mallory",
            },
            &TickingClock::default(),
            &Silent,
        )
        .unwrap()
        .version
    }

    /// As before the first request.
    pub(crate) fn forget_rows(&self) {
        for folder in ["journal", "labels", "predictions"] {
            let _ = fs_err::remove_dir_all(self.state_dir().join(folder));
        }
    }

    /// Takes the journal back to its last event of a kind, as if the process had died then.
    pub(crate) fn cut_journal_after(&self, name: &str) {
        let end = names(&self.journal())
            .iter()
            .rposition(|other| *other == name);
        self.cut_journal(end.unwrap() + 1);
    }

    /// Keeps the first events of the journal.
    pub(crate) fn cut_journal(&self, events: usize) {
        let path = self.paths().journal;
        let text = fs_err::read_to_string(&path).unwrap();
        let kept: String = text.split_inclusive('\n').take(events).collect();
        fs_err::write(&path, kept).unwrap();
    }

    pub(crate) fn open(&self) -> Project {
        Project::open(&self.root).unwrap()
    }

    pub(crate) fn state_dir(&self) -> Utf8PathBuf {
        self.open().state_dir().unwrap()
    }

    pub(crate) fn paths(&self) -> ModelPaths {
        ModelPaths::new(&self.state_dir(), MODEL)
    }

    pub(crate) fn journal(&self) -> Vec<Event> {
        read_journal(&self.paths().journal).unwrap()
    }

    pub(crate) fn tracking(&self) -> TrackingStore {
        TrackingStore::open(&tracking_path(&self.state_dir())).unwrap()
    }

    /// The version with the alias `champion`, and who moved it why, oldest first.
    pub(crate) fn alias(&self) -> (u32, Vec<(String, String)>) {
        let tracking = self.tracking();
        let (name, alias) = (MODEL.parse().unwrap(), "champion".parse().unwrap());
        let version = tracking.model_version_by_alias(&name, &alias).unwrap();
        let history = tracking.alias_history(&name, &alias).unwrap();
        let notes = history
            .into_iter()
            .map(|change| (change.actor, change.reason))
            .collect();
        (version.version, notes)
    }

    /// The file of a version's artifact in the cache.
    pub(crate) fn artifact(&self, version: u32) -> Utf8PathBuf {
        let registered = self
            .tracking()
            .model_version(&MODEL.parse().unwrap(), version)
            .unwrap();
        let id = ketch_dvc::ObjectId::parse(registered.digest.as_str()).unwrap();
        self.open().cache().object_path(&id)
    }

    pub(crate) fn start(&self) -> Running {
        self.try_start().unwrap()
    }

    pub(crate) fn try_start(&self) -> Result<Running, ControlError> {
        let recorder = Arc::new(Recorder::default());
        let handle = start(&self.root, Arc::clone(&recorder) as Arc<dyn LoopReporter>)?;
        Ok(Running { handle, recorder })
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        CommandOutput::of(
            Command::new("git")
                .args(arguments)
                .current_dir(&self.root)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1"),
        )
        .success()
        .stdout
    }
}

/// Starts the loop of a fixture's project.
pub(crate) fn start(
    root: &Utf8Path,
    reporter: Arc<dyn LoopReporter>,
) -> Result<ModelHandle, ControlError> {
    let project = Project::open(root).unwrap();
    let tracking = tracking_path(&project.state_dir().unwrap());
    start_model(LoopOptions {
        project,
        model: MODEL.to_owned(),
        tracking,
        seed: None,
        clock: Arc::new(TickingClock::default()),
        reporter,
    })
}

/// A second later each time it is asked.
#[derive(Debug, Default)]
pub(crate) struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        let seconds = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }
}

/// Keeps what the loop tells.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) failures: Mutex<Vec<String>>,
}

impl LoopReporter for Recorder {
    fn event(&self, model: &str, event: &Event) {
        assert_eq!(model, MODEL);
        self.events.lock().unwrap().push(event.clone());
    }

    fn failed(&self, _: &str, error: &ControlError) {
        self.failures.lock().unwrap().push(error.to_string());
    }
}

/// A started loop and what it told.
pub(crate) struct Running {
    pub(crate) handle: ModelHandle,
    pub(crate) recorder: Arc<Recorder>,
}

impl Running {
    pub(crate) fn feed(&self, rows: &[Row]) {
        for row in rows {
            serve_and_label(&self.handle, row);
        }
    }

    pub(crate) fn no_failures(&self) {
        assert_eq!(*self.recorder.failures.lock().unwrap(), [""; 0]);
    }

    /// The champion's version and the canary's with its weight, as routed at this moment.
    pub(crate) fn routed(&self) -> (u32, Option<(u32, u8)>) {
        routed(&self.handle)
    }

    pub(crate) fn stop(self) {
        self.handle.stop().unwrap();
    }
}

pub(crate) fn routed(handle: &ModelHandle) -> (u32, Option<(u32, u8)>) {
    let table = handle.endpoint().routing();
    let canary = table
        .canary
        .as_ref()
        .map(|canary| (canary.model.version(), canary.weight));
    (table.champion.as_ref().unwrap().version(), canary)
}

/// A row's request: its features in one matrix, its place in time as a parameter.
pub(crate) fn request(rows: &[[f64; 2]], place: Option<f64>) -> InferRequest {
    let mut request = json!({
        "inputs": [{
            "name": "features",
            "shape": [rows.len(), 2],
            "datatype": "FP32",
            "data": rows,
        }],
    });
    if let Some(place) = place {
        request["parameters"] = json!({ "row": place });
    }
    serde_json::from_value(request).unwrap()
}

pub(crate) fn id(row: &Row) -> String {
    format!("row-{}", row.index)
}

pub(crate) fn infer(
    handle: &ModelHandle,
    id: &str,
    request: InferRequest,
) -> Result<Inference, ServingError> {
    handle
        .endpoint()
        .infer(id, request, None, Timestamp::UNIX_EPOCH)
}

pub(crate) fn serve(handle: &ModelHandle, row: &Row) -> Inference {
    let request = request(&[row.features], Some(row.index as f64));
    infer(handle, &id(row), request).unwrap()
}

pub(crate) fn label_of(row: &Row) -> Label {
    Label {
        request_id: id(row),
        row: 0,
        label: row.label,
    }
}

pub(crate) fn label(handle: &ModelHandle, row: &Row) -> LabelSummary {
    let summary = handle.label(&[label_of(row)]).unwrap();
    handle.settle().unwrap();
    summary
}

pub(crate) fn serve_and_label(handle: &ModelHandle, row: &Row) -> Inference {
    let answer = serve(handle, row);
    assert_eq!(label(handle, row).joined, 1, "row {}", row.index);
    answer
}

/// The events' names.
pub(crate) fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.kind.name()).collect()
}
