//! What was made again, held against what is recorded.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use ketch_dvc::{OutputEntry, OutputKind, OutputSpec, params};
use ketch_store::{Reporter, TemporaryFolder};
use serde::Serialize;

use super::{Verifier, VerifyOptions};
use crate::config::VerifyConfig;
use crate::content;
use crate::stage::{Index, Stage};
use crate::value_diff::flattened;
use crate::{
    CommitId, NoRemote, PlainValue, Project, ProjectError, RemoteChoice, TransferSelection, fetch,
};

/// How many files of a directory and how many values are named.
const NAMED: usize = 10;

/// One output, made again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedOutput {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub outcome: OutputOutcome,
    /// The MD5 that `dvc.lock` has.
    pub recorded: Option<String>,
    /// That of what was made again.
    pub rebuilt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<OutputDifference>,
}

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputOutcome {
    /// Byte for byte.
    Equal,
    /// Other bytes, but its numbers are within the tolerance, or its rows are the same.
    Equivalent,
    Different,
}

/// How it differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OutputDifference {
    /// Of a file of metrics, by dotted name.
    Values { values: Vec<DifferentValue> },
    /// Of a table.
    Rows(DifferentRows),
    /// Of a directory.
    Files {
        count: usize,
        /// The first of them, relative to the directory.
        first: Vec<String>,
    },
    /// More cannot be said: what is recorded cannot be had.
    Unavailable,
}

/// One value of a file of metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferentValue {
    pub name: String,
    pub recorded: Option<PlainValue>,
    pub rebuilt: Option<PlainValue>,
    /// How far it may be off.
    pub tolerance: Option<f64>,
    pub is_within: bool,
}

/// How the rows of two tables differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DifferentRows {
    pub recorded: u64,
    pub rebuilt: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    /// Whether columns were added, removed, or changed their type.
    pub columns_differ: bool,
}

impl DifferentRows {
    fn is_none(self) -> bool {
        self.added + self.removed + self.changed == 0 && !self.columns_differ
    }
}

/// Compares outputs of one clone with what is recorded in it.
pub(super) struct Comparison<'a> {
    pub(super) clone: &'a Project,
    pub(super) commit: &'a CommitId,
    pub(super) options: &'a VerifyOptions,
    pub(super) verifier: &'a dyn Verifier,
}

impl Comparison<'_> {
    /// Every output that is recorded of a stage, now that it has run again.
    pub(super) fn outputs(
        &self,
        stage: &Stage,
        before: &Index,
        after: &Index,
    ) -> Result<Vec<VerifiedOutput>, ProjectError> {
        let entries = |index: &Index| {
            let lock = index.recorded(stage);
            lock.map(|lock| lock.outs.clone()).unwrap_or_default()
        };
        let (recorded, rebuilt) = (entries(before), entries(after));
        let mut outputs = Vec::new();
        for (spec, path) in stage.outputs() {
            let find = |entries: &[OutputEntry]| {
                let mut entries = entries.iter();
                entries.find(|entry| entry.path == spec.path).cloned()
            };
            let (old, new) = (find(&recorded), find(&rebuilt));
            let id = |entry: &Option<OutputEntry>| {
                let md5 = entry.as_ref()?.md5.as_ref()?;
                Some(md5.to_string())
            };
            let mut output = VerifiedOutput {
                path: self.clone.shown(&path),
                outcome: OutputOutcome::Different,
                recorded: id(&old),
                rebuilt: id(&new),
                difference: None,
            };
            if output.recorded.is_some() && output.recorded == output.rebuilt {
                output.outcome = OutputOutcome::Equal;
            } else if let Some(old) = &old {
                output.difference = self.difference(spec, &path, old)?;
                if output.difference.as_ref().is_some_and(is_harmless) {
                    output.outcome = OutputOutcome::Equivalent;
                }
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// Looks into what differs, as far as it can be understood.
    fn difference(
        &self,
        spec: &OutputSpec,
        path: &Utf8Path,
        recorded: &OutputEntry,
    ) -> Result<Option<OutputDifference>, ProjectError> {
        let shown = self.clone.shown(path);
        let Some(before) = self.recorded_content(spec, path, recorded)? else {
            return Ok(Some(OutputDifference::Unavailable));
        };
        let Recorded::File(before) = before else {
            return self.files(path, &before).map(Some);
        };
        if !path.is_file() {
            return Ok(None);
        }
        if self.has_values(spec, &shown) {
            return Ok(self.values(&shown, before.path(), path));
        }
        let table = self.clone.config().verify.table.get(shown.as_str());
        let rows = self
            .verifier
            .compare_tables(&shown, before.path(), path, table);
        // What is no table, or a broken one, has other bytes: that is said already.
        Ok(rows.map(OutputDifference::Rows))
    }

    fn has_values(&self, spec: &OutputSpec, shown: &Utf8Path) -> bool {
        let config = &self.clone.config().verify;
        spec.kind == OutputKind::Metric || config.tolerance_of(shown, "").is_some()
    }

    /// What is recorded, out of Git, the cache or the remote; none if it cannot be had.
    fn recorded_content(
        &self,
        spec: &OutputSpec,
        path: &Utf8Path,
        recorded: &OutputEntry,
    ) -> Result<Option<Recorded>, ProjectError> {
        let shown = self.clone.shown(path);
        if !spec.cache {
            // A file that Git has no more, or not as text, is hashed and that is all.
            let Ok(text) = self.clone.git().show(self.commit, &shown) else {
                return Ok(None);
            };
            let folder = TemporaryFolder::make()?;
            let place = folder.path().join(path.file_name().unwrap_or("recorded"));
            fs_err::write(&place, text)?;
            return Ok(Some(Recorded::File(RecordedFile {
                place,
                _folder: Some(folder),
            })));
        }
        let Some(id) = &recorded.md5 else {
            return Ok(None);
        };
        let cache = self.clone.cache();
        if !cache.contains_all(id) {
            let from = TransferSelection {
                targets: vec![shown.into_string()],
                remote: RemoteChoice {
                    without: NoRemote::PassedOver,
                    ..self.options.remote.clone()
                },
                commits: Some(vec![self.commit.clone()]),
                ..TransferSelection::default()
            };
            fetch(self.clone, &from, self.reporter())?;
        }
        Ok(if !cache.contains_all(id) {
            None
        } else if id.is_directory() {
            let manifest = cache.manifest(id)?;
            let entries = manifest.entries().iter();
            let files = entries.map(|entry| (entry.relpath.clone(), entry.md5.to_string()));
            Some(Recorded::Directory(files.collect()))
        } else {
            Some(Recorded::File(RecordedFile {
                place: cache.object_path(id),
                _folder: None,
            }))
        })
    }

    /// Which files of a directory differ.
    fn files(
        &self,
        path: &Utf8Path,
        recorded: &Recorded,
    ) -> Result<OutputDifference, ProjectError> {
        let Recorded::Directory(recorded) = recorded else {
            return Ok(OutputDifference::Unavailable);
        };
        let mut different = Vec::new();
        for (file, id) in recorded {
            let now = content::content(self.clone, &path.join(file), self.reporter())?;
            if now.is_none_or(|now| now.id.to_string() != *id) {
                different.push(file.clone());
            }
        }
        for file in crate::snapshot::files_below(path, Utf8Path::new("")) {
            if !recorded.contains_key(file.as_str()) {
                different.push(file.into_string());
            }
        }
        different.sort();
        let count = different.len();
        different.truncate(NAMED);
        Ok(OutputDifference::Files {
            count,
            first: different,
        })
    }

    /// Compares two files of metrics; none where one of them cannot be read as such.
    fn values(
        &self,
        shown: &Utf8Path,
        before: &Utf8Path,
        after: &Utf8Path,
    ) -> Option<OutputDifference> {
        let read = |place: &Utf8Path| {
            let text = fs_err::read_to_string(place).ok()?;
            params::parse(shown.as_str(), &text).ok()
        };
        let (before, after) = (read(before)?, read(after)?);
        let config = &self.clone.config().verify;
        let tolerance = |name: &str| config.tolerance_of(shown, name).or(self.options.tolerance);
        let values = compare_values(&flattened(&before), &flattened(&after), &tolerance);
        Some(OutputDifference::Values { values })
    }

    fn reporter(&self) -> &dyn Reporter {
        self.verifier.repro().files()
    }
}

/// Content that is recorded.
enum Recorded {
    File(RecordedFile),
    /// MD5 by the path in it.
    Directory(IndexMap<String, String>),
}

/// Gone with the folder it is in, if that was made for it.
struct RecordedFile {
    place: Utf8PathBuf,
    _folder: Option<TemporaryFolder>,
}

impl RecordedFile {
    fn path(&self) -> &Utf8Path {
        &self.place
    }
}

/// Whether results count as the same nevertheless.
fn is_harmless(difference: &OutputDifference) -> bool {
    match difference {
        OutputDifference::Values { values } => values.iter().all(|value| value.is_within),
        OutputDifference::Rows(rows) => rows.is_none(),
        OutputDifference::Files { .. } | OutputDifference::Unavailable => false,
    }
}

/// The values that differ. Numbers are within a tolerance that is at least their distance; NaN is
/// as far from NaN as a number from itself.
fn compare_values(
    before: &IndexMap<String, PlainValue>,
    after: &IndexMap<String, PlainValue>,
    tolerance: &dyn Fn(&str) -> Option<f64>,
) -> Vec<DifferentValue> {
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let mut different = Vec::new();
    for name in before.keys().chain(new) {
        let (old, new) = (before.get(name), after.get(name));
        let numbers = || Some((old?.number()?, new?.number()?));
        let both_nan = numbers().is_some_and(|(old, new)| old.is_nan() && new.is_nan());
        if old == new || both_nan {
            continue;
        }
        let tolerance = tolerance(name);
        let is_within = match (numbers(), tolerance) {
            (Some((old, new)), Some(tolerance)) => (old - new).abs() <= tolerance,
            _ => false,
        };
        different.push(DifferentValue {
            name: name.clone(),
            recorded: old.cloned(),
            rebuilt: new.cloned(),
            tolerance,
            is_within,
        });
    }
    different
}

impl VerifyConfig {
    /// How far a value of a file may be off: what is said of the value, else of its file.
    fn tolerance_of(&self, file: &Utf8Path, name: &str) -> Option<f64> {
        let of_value = self.tolerance.get(&format!("{file}:{name}"));
        of_value
            .or_else(|| self.tolerance.get(file.as_str()))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> IndexMap<String, PlainValue> {
        flattened(&params::parse("m.json", text).unwrap())
    }

    fn different(before: &str, after: &str, tolerance: Option<f64>) -> Vec<(String, bool)> {
        compare_values(&values(before), &values(after), &|_| tolerance)
            .into_iter()
            .map(|value| (value.name, value.is_within))
            .collect()
    }

    #[test]
    fn numbers_may_be_off_by_the_tolerance_and_not_more() {
        let (before, after) = (
            r#"{"a": 1.0, "b": {"c": 2}}"#,
            r#"{"a": 1.5, "b": {"c": 2}}"#,
        );
        assert_eq!(different(before, after, None), [("a".to_owned(), false)]);
        assert_eq!(
            different(before, after, Some(0.5)),
            [("a".to_owned(), true)]
        );
        assert_eq!(
            different(before, after, Some(0.4)),
            [("a".to_owned(), false)]
        );
        assert!(different(before, before, None).is_empty());
    }

    #[test]
    fn what_is_missing_or_no_number_is_never_within() {
        let found = different(r#"{"a": 1, "k": "x"}"#, r#"{"b": 1, "k": "y"}"#, Some(9.0));
        let names = ["a", "k", "b"].map(|name| (name.to_owned(), false));
        assert_eq!(found, names);
    }
}
