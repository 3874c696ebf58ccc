//! Experiments beside each other: what they were run with and what came out.

mod collect;
mod table;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use ketch_dvc::yaml::Value;
use serde::{Serialize, Serializer};

use super::queue::{Task, TaskState};
use crate::PlainValue;
use crate::value_diff::flattened;

pub use collect::show_experiments;
pub(crate) use collect::{file_values, told};
pub use table::{
    ColumnKind, ExperimentTable, FirstColumns, RowKind, SortOrder, TableColumn, TableOptions,
};

/// Which commits and which of their experiments to show.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is shown is chosen piece by piece"
)]
pub struct ShowOptions {
    /// Commits that experiments began from; HEAD if none of these four is given.
    pub revisions: Vec<String>,
    /// So many commits each revision leads to by first parents, itself included; all if none.
    pub commits: Option<usize>,
    pub all_branches: bool,
    pub all_tags: bool,
    pub all_commits: bool,
    pub hidden: HiddenExperiments,
    /// Only parameters that stages depend on.
    pub only_stage_params: bool,
    /// How a time, in seconds since 1970, is written for programs.
    pub written_time: fn(i64) -> String,
}

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is hidden is chosen piece by piece"
)]
pub struct HiddenExperiments {
    pub workspace: bool,
    pub queued: bool,
    pub failed: bool,
    /// The names of branches and tags.
    pub names: bool,
}

/// The work tree, a commit that experiments began from, or an experiment. As JSON it is what
/// `dvc exp show --json` prints (`dvc/repo/experiments/serialize.py` of DVC 3).
#[derive(Debug, Clone, Serialize)]
pub struct ExperimentState {
    /// A commit's id, or `workspace`.
    pub rev: String,
    /// Of the experiment, or the branch or tag of the commit.
    pub name: Option<String>,
    pub data: Option<StateData>,
    pub error: Option<StateError>,
    pub experiments: Option<Vec<ExperimentRange>>,
}

/// An experiment and, where DVC 2 made it, its checkpoints.
#[derive(Debug, Clone, Serialize)]
pub struct ExperimentRange {
    /// The newest first.
    pub revs: Vec<ExperimentState>,
    pub executor: Option<Executor>,
    pub name: Option<String>,
}

/// What runs an experiment, or is to.
#[derive(Debug, Clone, Serialize)]
pub struct Executor {
    pub state: TaskState,
    /// `dvc-task` for what is queued: what reads DVC's JSON tells it by that.
    pub name: Option<&'static str>,
    pub local: Option<LocalExecutor>,
}

/// The process that runs an experiment.
#[derive(Debug, Clone, Serialize)]
pub struct LocalExecutor {
    pub root: Option<Utf8PathBuf>,
    pub log: Option<Utf8PathBuf>,
    pub pid: Option<u32>,
    #[serde(rename = "returncode")]
    pub return_code: Option<i32>,
    pub task_id: Option<String>,
}

/// What is known of one state.
#[derive(Debug, Clone, Serialize)]
pub struct StateData {
    pub rev: String,
    /// When it was committed; none for the work tree.
    pub timestamp: Option<CommitTime>,
    /// By file, relative to the root.
    pub params: IndexMap<Utf8PathBuf, FileValues>,
    pub metrics: IndexMap<Utf8PathBuf, FileValues>,
    /// By path, relative to the root.
    pub deps: IndexMap<Utf8PathBuf, ShownDependency>,
    pub outs: IndexMap<Utf8PathBuf, ShownOutput>,
    pub meta: IndexMap<String, String>,
}

/// A moment, and how it is written for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitTime {
    /// Since 1970.
    pub seconds: i64,
    pub written: String,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq)]
pub enum FileValues {
    Read(Value),
    Unreadable(StateError),
}

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateError {
    pub msg: String,
    #[serde(rename = "type")]
    pub kind: String,
}

/// What a stage depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownDependency {
    pub hash: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    pub nfiles: Option<u64>,
}

/// What a stage makes or a `.dvc` file tracks, metrics and plots left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownOutput {
    pub hash: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    pub nfiles: Option<u64>,
    pub use_cache: bool,
    pub is_data_source: bool,
}

impl Executor {
    fn of(task: &Task, log: Option<Utf8PathBuf>) -> Self {
        Self {
            state: task.state,
            name: (task.state != TaskState::Failed).then_some("dvc-task"),
            local: Some(LocalExecutor {
                root: None,
                log,
                pid: task.process,
                return_code: None,
                task_id: Some(task.task.to_string()),
            }),
        }
    }
}

impl Serialize for CommitTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl FileValues {
    /// The values by their dotted keys, the key of one that is alone being empty; none of what is
    /// not known.
    pub fn flattened(&self) -> IndexMap<String, PlainValue> {
        match self {
            Self::Read(value) => flattened(value),
            Self::Unreadable(_) => IndexMap::new(),
        }
    }
}

impl Serialize for FileValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Read(value) => map.serialize_entry("data", &Plain(value))?,
            Self::Unreadable(error) => map.serialize_entry("error", error)?,
        }
        map.end()
    }
}

/// A value as JSON has it; a date is a text.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::BigInt(digits) => match digits.parse() {
                Ok(number) => serializer.serialize_i128(number),
                Err(_) => serializer.serialize_str(digits),
            },
            Value::String(text) | Value::Timestamp(text) => serializer.serialize_str(text),
            Value::Sequence(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Mapping(entries) => {
                let entries = entries.iter();
                serializer.collect_map(entries.map(|(key, value)| (key.to_string(), Plain(value))))
            }
        }
    }
}
