//! Why a stage runs.

use std::fmt;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value, emit};
use ketch_dvc::{ObjectId, OutputEntry, StageLock, params};
use ketch_store::Reporter;
use serde::Serialize;

use crate::content::{self, is_cached};
use crate::paths::read_if_there;
use crate::stage::{Index, Stage};
use crate::{Project, ProjectError};

/// One difference between a stage and what was recorded when it last ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// Nothing is recorded.
    NeverRun,
    /// The command is another one.
    Command,
    /// A parameter has another value, is new or is gone.
    Parameter {
        /// Relative to the root.
        file: Utf8PathBuf,
        /// Dotted.
        key: String,
        before: Option<String>,
        after: Option<String>,
    },
    /// A dependency differs; its path is relative to the root.
    Dependency { path: String, state: FileState },
    /// An output differs; its path is relative to the root.
    Output { path: String, state: FileState },
    /// A stage before this one will run; only in a dry run.
    Upstream { stage: String },
    /// It has `always_changed: true`, or neither dependencies nor outputs.
    AlwaysChanged,
    /// It was asked for.
    Forced,
}

/// How a file or directory differs from its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Other content.
    Modified,
    /// It is not there.
    Missing,
    /// It was not recorded.
    New,
}

impl fmt::Display for FileState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Modified => "modified",
            Self::Missing => "missing",
            Self::New => "new",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverRun => formatter.write_str("never run"),
            Self::Command => formatter.write_str("command changed"),
            Self::Parameter {
                file,
                key,
                before,
                after,
            } => {
                formatter.write_str("params ")?;
                if file != DEFAULT_PARAMS {
                    write!(formatter, "{file}:")?;
                }
                let absent = || "(none)".to_owned();
                write!(
                    formatter,
                    "{key} {} → {}",
                    before.clone().unwrap_or_else(absent),
                    after.clone().unwrap_or_else(absent)
                )
            }
            Self::Dependency { path, state } => write!(formatter, "dependency {path} {state}"),
            Self::Output { path, state } => write!(formatter, "output {path} {state}"),
            Self::Upstream { stage } => write!(formatter, "stage {stage} runs before"),
            Self::AlwaysChanged => formatter.write_str("always changed"),
            Self::Forced => formatter.write_str("forced"),
        }
    }
}

pub(crate) const DEFAULT_PARAMS: &str = "params.yaml";

type Parameters = IndexMap<String, IndexMap<Key, Value>>;

/// A stage held against its record.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Empty where nothing has to be done but `restorable`.
    pub(crate) changes: Vec<Change>,
    /// What `dvc.lock` would say now, but for the outputs; missing dependencies have no `md5`.
    pub(crate) now: StageLock,
    /// Outputs that are not there, but that the cache has.
    pub(crate) restorable: Vec<OutputEntry>,
    /// Outputs that are there as recorded, but that the cache has lost.
    pub(crate) unsaved: Vec<String>,
}

impl Inspection {
    /// Whether all is as it was, and nothing at all is to be done.
    pub(crate) fn is_settled(&self) -> bool {
        self.changes.is_empty() && self.restorable.is_empty() && self.unsaved.is_empty()
    }
}

/// Compares a stage with its record.
pub(crate) fn inspect(
    project: &Project,
    index: &Index,
    stage: &Stage,
    reporter: &dyn Reporter,
) -> Result<Inspection, ProjectError> {
    stage.refuse_urls()?;
    let recorded = index.recorded(stage);
    let spec = &stage.spec;
    let mut changes = Vec::new();

    let mut deps = Vec::new();
    for path in &spec.deps {
        let known = recorded.and_then(|recorded| known_id(&recorded.deps, path));
        let content = content::content_as(project, &stage.resolve(path), known, reporter)?;
        deps.push(content.map_or_else(|| OutputEntry::new(path), |content| content.entry(path)));
    }
    deps.sort_by(|left, right| left.path.cmp(&right.path));
    let mut outs: Vec<OutputEntry> = spec
        .outs
        .iter()
        .map(|out| OutputEntry::new(&out.path))
        .collect();
    outs.sort_by(|left, right| left.path.cmp(&right.path));
    let params = current_parameters(stage)?;
    let now = StageLock {
        command: spec.command_value(),
        deps,
        params,
        outs,
    };

    match recorded {
        None => changes.push(Change::NeverRun),
        Some(_) if spec.frozen => {}
        Some(recorded) => {
            if recorded.command != now.command {
                changes.push(Change::Command);
            }
            let file = |path: &str| shown(project, stage, path).into();
            let parameters = changes.len();
            compare_parameters(&recorded.params, &now.params, &file, &mut changes);
            if let Some(changed) = changes.get_mut(parameters..) {
                changed.sort_by_key(|change| as_written(project, stage, change));
            }
            for dependency in &now.deps {
                let before = recorded
                    .deps
                    .iter()
                    .find(|known| known.path == dependency.path);
                if let Some(state) = compare(before, dependency) {
                    let path = shown(project, stage, &dependency.path);
                    changes.push(Change::Dependency { path, state });
                }
            }
        }
    }
    let without_ends = spec.deps.is_empty() && spec.params.is_empty() && spec.outs.is_empty();
    if (spec.always_changed || without_ends) && !spec.frozen {
        changes.push(Change::AlwaysChanged);
    }

    let mut restorable = Vec::new();
    let mut unsaved = Vec::new();
    for out in &spec.outs {
        let Some(recorded) = recorded else { break };
        let known = recorded.outs.iter().find(|known| known.path == out.path);
        let known_id = known.and_then(|known| known.md5.as_ref());
        let content = content::content_as(project, &stage.resolve(&out.path), known_id, reporter)?;
        let entry = content.map_or_else(
            || OutputEntry::new(&out.path),
            |content| content.entry(&out.path),
        );
        match (compare(known, &entry), known) {
            (None, Some(known)) => {
                if out.cache && !is_cached(project, known) {
                    unsaved.push(out.path.clone());
                }
            }
            (Some(FileState::Missing), Some(known)) if is_cached(project, known) => {
                restorable.push(known.clone());
            }
            (Some(state), _) => changes.push(Change::Output {
                path: shown(project, stage, &out.path),
                state,
            }),
            (None, None) => {}
        }
    }
    Ok(Inspection {
        changes,
        now,
        restorable,
        unsaved,
    })
}

/// Where `dvc.yaml` names a parameter; all that it does not name by themselves come first, as they
/// are.
fn as_written(project: &Project, stage: &Stage, change: &Change) -> Option<(usize, usize)> {
    let Change::Parameter { file, key, .. } = change else {
        return None;
    };
    let mut files = stage.spec.params.iter().enumerate();
    let (place, spec) = files.find(|(_, spec)| shown(project, stage, &spec.file) == *file)?;
    let named = spec.keys.as_ref()?.iter().position(|name| name == key)?;
    Some((place, named))
}

/// A path of a stage, for people: relative to the root.
pub(crate) fn shown(project: &Project, stage: &Stage, path: &str) -> String {
    project.shown(&stage.resolve(path)).into_string()
}

fn known_id<'e>(entries: &'e [OutputEntry], path: &str) -> Option<&'e ObjectId> {
    let entry = entries.iter().find(|known| known.path == path)?;
    entry.md5.as_ref()
}

/// How the present differs from the record, if it does.
fn compare(recorded: Option<&OutputEntry>, now: &OutputEntry) -> Option<FileState> {
    match (recorded.and_then(|entry| entry.md5.as_ref()), &now.md5) {
        (_, None) => Some(FileState::Missing),
        (None, Some(_)) => Some(FileState::New),
        (Some(before), Some(after)) if before == after => None,
        (Some(_), Some(_)) => Some(FileState::Modified),
    }
}

fn compare_parameters(
    before: &Parameters,
    now: &Parameters,
    shown: &dyn Fn(&str) -> Utf8PathBuf,
    changes: &mut Vec<Change>,
) {
    let empty = IndexMap::new();
    for (file, values) in now {
        let known = before.get(file).unwrap_or(&empty);
        let gone = known.keys().filter(|key| !values.contains_key(*key));
        for key in values.keys().chain(gone) {
            let (before, after) = (known.get(key), values.get(key));
            if before != after {
                changes.push(Change::Parameter {
                    file: shown(file),
                    key: key.to_string(),
                    before: before.map(show_value),
                    after: after.map(show_value),
                });
            }
        }
    }
}

/// The values of the parameters a stage names, in the order of `dvc.lock`: `params.yaml` first,
/// then by file; sorted by key.
fn current_parameters(stage: &Stage) -> Result<Parameters, ProjectError> {
    let mut wanted: IndexMap<&str, Option<Vec<&str>>> = IndexMap::new();
    for spec in &stage.spec.params {
        let keys = wanted.entry(&spec.file).or_insert_with(|| Some(Vec::new()));
        match (&spec.keys, keys) {
            (Some(more), Some(keys)) => keys.extend(more.iter().map(String::as_str)),
            (None, keys) => *keys = None,
            (Some(_), None) => {}
        }
    }
    wanted.sort_by(|left, _, right, _| {
        (*left != DEFAULT_PARAMS, left).cmp(&(*right != DEFAULT_PARAMS, right))
    });
    let mut parameters = Parameters::new();
    for (file, keys) in wanted {
        let path = stage.resolve(file);
        let text = read_if_there(&path)?.ok_or_else(|| ProjectError::MissingDependency {
            stage: stage.shown(),
            path: file.into(),
        })?;
        let document = params::parse(file, &text)?;
        let mut values = IndexMap::new();
        match keys {
            None => values.extend(document.as_mapping().cloned().unwrap_or_default()),
            Some(keys) => {
                for key in keys {
                    let value = params::lookup(&document, key).ok_or_else(|| {
                        ProjectError::MissingParameter {
                            stage: stage.shown(),
                            file: file.into(),
                            key: key.to_owned(),
                        }
                    })?;
                    values.insert(Key::from(key), value.clone());
                }
            }
        }
        values.sort_keys();
        parameters.insert(file.to_owned(), values);
    }
    Ok(parameters)
}

/// A value on one line, cut where it is long.
pub(crate) fn show_value(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(show_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{key}: {}", show_value(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => emit(scalar).trim().to_owned(),
    };
    if text.chars().count() <= LIMIT {
        return text;
    }
    let cut: String = text.chars().take(LIMIT - 1).collect();
    format!("{cut}…")
}
