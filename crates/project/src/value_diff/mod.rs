//! Parameters and metrics of two revisions, key by key.

pub(crate) mod state;

use camino::Utf8PathBuf;
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::params::{python_general, python_text};
use ketch_dvc::yaml::Value;
use serde::{Serialize, Serializer};

use crate::experiment::resolve_revision;
use crate::snapshot::Blobs;
use crate::{Project, ProjectError};
use state::State;

/// The revision that is the work tree.
const WORKSPACE: &str = "workspace";

/// Which values to compare.
#[derive(Debug, Clone, Default)]
pub struct ValueDiffOptions {
    /// The older revision; HEAD if not given.
    pub from: Option<String>,
    /// The newer revision; the work tree if not given, as is `workspace`.
    pub to: Option<String>,
    pub what: ComparedValues,
    /// Files and directories, relative to the root, whether a pipeline names them or not; if empty,
    /// all that pipelines name.
    pub targets: Vec<Utf8PathBuf>,
    pub unchanged: UnchangedValues,
}

/// Values of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComparedValues {
    /// Those of metrics files.
    #[default]
    Metrics,
    /// Those of `params.yaml`, of files under `params` and those that stages depend on.
    Params,
    /// Those that stages depend on.
    ParamsOfStages,
}

/// Whether values are reported that are what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnchangedValues {
    #[default]
    LeftOut,
    Included,
}

/// What differs.
#[derive(Debug, Default)]
pub struct ValueDiff {
    /// By file, relative to the root, and by dotted key, sorted; the key of a file that is nothing
    /// but one value is empty.
    pub files: IndexMap<Utf8PathBuf, IndexMap<String, ValueChange>>,
    /// What could not be read, older revision first; nothing is known of it there.
    pub unreadable: Vec<UnreadableValues>,
}

/// A value before and after.
#[derive(Debug, Clone, Serialize)]
pub struct ValueChange {
    pub old: PlainValue,
    pub new: PlainValue,
    /// The new number less the old one, where both are numbers.
    #[serde(rename = "diff", skip_serializing_if = "Option::is_none")]
    pub difference: Option<PlainValue>,
}

/// A value that is no mapping; a list is the text that Python makes of it. `Null` where there is
/// none.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainValue(Value);

/// How many digits of a fraction are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    All,
    /// So many behind the point.
    Places(usize),
    /// So many from the first that is not zero.
    Significant(usize),
}

/// Something that could not be read at a revision.
#[derive(Debug)]
pub struct UnreadableValues {
    /// As it was named.
    pub revision: String,
    /// Relative to the root; none where it is the pipelines of the revision.
    pub file: Option<Utf8PathBuf>,
    pub error: ProjectError,
}

/// Compares the values of two revisions. Takes no lock and changes nothing.
///
/// Before the first commit there is nothing to compare with, and nothing differs.
pub fn value_diff(
    project: &Project,
    options: &ValueDiffOptions,
) -> Result<ValueDiff, ProjectError> {
    if !project.git().is_declined() && project.git().head()?.is_none() {
        return Ok(ValueDiff::default());
    }
    let blobs = Blobs::default();
    let mut report = ValueDiff::default();
    let revisions = [
        options.from.as_deref().unwrap_or("HEAD"),
        options.to.as_deref().unwrap_or(WORKSPACE),
    ];
    // Unknown revisions first: nothing is read in vain.
    let commits = revisions.map(|revision| {
        (revision != WORKSPACE)
            .then(|| resolve_revision(project, revision))
            .transpose()
    });
    let mut sides = Vec::new();
    for (revision, commit) in revisions.into_iter().zip(commits) {
        let mut unreadable = |file, error| {
            report.unreadable.push(UnreadableValues {
                revision: revision.to_owned(),
                file,
                error,
            });
        };
        let state = State::open(project, commit?.as_ref(), &blobs);
        sides.push(match state {
            Ok(state) => state.values(options, &mut unreadable),
            Err(error) => {
                unreadable(None, error);
                IndexMap::new()
            }
        });
    }
    let empty = Value::Mapping(IndexMap::new());
    if let [old, new] = sides.as_slice() {
        let files: IndexSet<&Utf8PathBuf> = old.keys().chain(new.keys()).collect();
        for file in files {
            let before = old.get(file).unwrap_or(&empty);
            let changes = compare(before, new.get(file).unwrap_or(&empty), options.unchanged);
            if !changes.is_empty() {
                report.files.insert(file.clone(), changes);
            }
        }
    }
    Ok(report)
}

/// One file's values, as DVC compares them.
fn compare(old: &Value, new: &Value, unchanged: UnchangedValues) -> IndexMap<String, ValueChange> {
    let sides = if old.as_mapping().is_some() || new.as_mapping().is_some() {
        [flat(old), flat(new)]
    } else {
        [old, new].map(|value| IndexMap::from([(String::new(), plain(value))]))
    };
    let [before, after] = &sides;
    let mut changes = IndexMap::new();
    for key in before.keys().chain(after.keys()) {
        if changes.contains_key(key) {
            continue;
        }
        let value = |side: &IndexMap<String, Value>, whole: &Value| {
            let missing = || {
                let is_other = whole.as_mapping().is_none() && *whole != Value::Null;
                // DVC's words.
                is_other.then(|| Value::from("unable to parse"))
            };
            side.get(key)
                .cloned()
                .or_else(missing)
                .unwrap_or(Value::Null)
        };
        let (old, new) = (value(before, old), value(after, new));
        if old == new && unchanged == UnchangedValues::LeftOut {
            continue;
        }
        let difference = difference(&old, &new).map(PlainValue);
        let change = ValueChange {
            old: PlainValue(old),
            new: PlainValue(new),
            difference,
        };
        changes.insert(key.clone(), change);
    }
    changes.sort_keys();
    changes
}

/// The values by their dotted keys; empty mappings are nothing, and so is what is no mapping.
fn flat(value: &Value) -> IndexMap<String, Value> {
    fn collect(value: &Value, name: &str, found: &mut IndexMap<String, Value>) {
        match value {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let key = if name.is_empty() {
                        key.to_string()
                    } else {
                        format!("{name}.{key}")
                    };
                    collect(value, &key, found);
                }
            }
            other => _ = found.insert(name.to_owned(), plain(other)),
        }
    }
    let mut found = IndexMap::new();
    if value.as_mapping().is_some() {
        collect(value, "", &mut found);
    }
    found
}

/// As they are shown. A value that is no mapping has no key.
pub(crate) fn flattened(value: &Value) -> IndexMap<String, PlainValue> {
    let found = if value.as_mapping().is_some() {
        flat(value)
    } else {
        IndexMap::from([(String::new(), plain(value))])
    };
    let found = found.into_iter();
    found.map(|(key, value)| (key, PlainValue(value))).collect()
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Sequence(_) => Value::from(python_text(value)),
        other => other.clone(),
    }
}

/// As Python counts: `True` is 1.
fn difference(old: &Value, new: &Value) -> Option<Value> {
    let whole = |value: &Value| match value {
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Int(value) => Some(*value),
        _ => None,
    };
    if let (Some(old), Some(new)) = (whole(old), whole(new))
        && let Some(difference) = new.checked_sub(old)
    {
        return Some(Value::Int(difference));
    }
    let number = |value: &Value| match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        other => other.as_f64(),
    };
    Some(Value::Float(number(new)? - number(old)?))
}

impl PlainValue {
    /// As a number, none where it is no number.
    pub(crate) fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    /// As Python writes it, none where there is no value.
    pub fn shown(&self, rounding: Rounding) -> Option<String> {
        match (&self.0, rounding) {
            (Value::Null, _) => None,
            (Value::Float(number), Rounding::Significant(digits)) => {
                Some(python_general(*number, digits))
            }
            (Value::Float(number), Rounding::Places(digits)) => {
                let rounded = format!("{number:.digits$}").parse().unwrap_or(*number);
                Some(python_text(&Value::Float(rounded)))
            }
            (other, _) => Some(python_text(other)),
        }
    }
}

impl Serialize for PlainValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::BigInt(digits) => match digits.parse() {
                Ok(number) => serializer.serialize_i128(number),
                Err(_) => serializer.serialize_str(digits),
            },
            other => serializer.serialize_str(&python_text(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_dvc::yaml::parse;

    fn shown(old: &str, new: &str) -> Vec<String> {
        let [old, new] = [old, new].map(|text| parse(text, "").unwrap().to_value());
        let changes = compare(&old, &new, UnchangedValues::LeftOut);
        let shown = |value: &PlainValue| {
            value
                .shown(Rounding::Places(3))
                .unwrap_or_else(|| "-".to_owned())
        };
        changes
            .iter()
            .map(|(key, change)| {
                let difference = change.difference.as_ref().map(shown).unwrap_or_default();
                format!(
                    "{key}: {} {} {difference}",
                    shown(&change.old),
                    shown(&change.new)
                )
            })
            .collect()
    }

    #[test]
    fn values_are_compared_key_by_key_as_in_python() {
        assert_eq!(
            shown(
                "{a: {b: 1, c: x}, t: true, same: 1, gone: {}, l: [1, {a: b}]}",
                "{a: {b: 1.25, d: y}, t: false, same: 1.0, l: [1], z: {q: null}}"
            ),
            [
                "a.b: 1 1.25 0.25",
                "a.c: x - ",
                "a.d: - y ",
                "l: [1, {'a': 'b'}] [1] ",
                "t: True False -1"
            ]
        );
        assert_eq!(shown("0.5", "1"), [": 0.5 1 0.5"]);
        assert_eq!(shown("0.5", "{}"), [""; 0]);
        assert_eq!(shown("0.5", "{a: 1}"), ["a: unable to parse 1 "]);
    }
}
