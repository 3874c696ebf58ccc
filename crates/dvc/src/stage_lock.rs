//! One stage's record, in `dvc.lock` and in the run cache.

use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use crate::json::to_sorted_json;
use crate::output_entry::{EntryPlace, Fields};
use crate::schema::Source;
use crate::yaml::{self, Key, Node, Value};
use crate::{FormatError, OutputEntry};

/// What a stage was run with and what came out.
///
/// It is written sorted: dependencies and outputs by path, parameter files by name with
/// `params.yaml` first, parameters by name.
#[derive(Debug, Clone, PartialEq)]
pub struct StageLock {
    /// The command after substitution: text, or a list of texts.
    pub command: Value,
    pub deps: Vec<OutputEntry>,
    /// Parameter file → dotted name → value. A file that is tracked whole may have a key at its top
    /// that is not text.
    pub params: IndexMap<String, IndexMap<Key, Value>>,
    pub outs: Vec<OutputEntry>,
}

const KEYS: &[&str] = &["cmd", "deps", "params", "outs"];
const DEFAULT_PARAMS_FILE: &str = "params.yaml";
/// What does not count in a hash of the record: it follows from the content's own hash.
const NOT_HASHED: &[&str] = &["size", "nfiles"];

impl StageLock {
    /// Reads the content of a run cache file; `source_name` is what errors call it.
    ///
    /// # Errors
    ///
    /// On what is no YAML, and on anything DVC's closed schema does not have.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        let (source, root) = Source::parse(text, source_name)?;
        Self::read(source, &root, "")
    }

    pub(crate) fn read(source: Source<'_>, node: &Node, name: &str) -> Result<Self, FormatError> {
        let mut command = None;
        let mut stage = Self {
            command: Value::Null,
            deps: Vec::new(),
            params: IndexMap::new(),
            outs: Vec::new(),
        };
        for entry in source.entries(node, "a stage")? {
            let (key, node) = (entry.key.as_str(), &entry.value);
            match key {
                "cmd" => command = Some(read_command(source, node)?),
                "deps" => {
                    stage.deps = OutputEntry::read_list(source, node, key, EntryPlace::LockFile)?;
                }
                "outs" => {
                    stage.outs = OutputEntry::read_list(source, node, key, EntryPlace::LockFile)?;
                }
                "params" => {
                    for file in source.entries(node, key)? {
                        let values = source.entries(&file.value, &file.key)?;
                        let values = values.iter().map(|e| (e.key.clone(), e.value.to_value()));
                        stage.params.insert(file.key.to_string(), values.collect());
                    }
                }
                _ => return Err(source.unknown_key(entry, "a stage of dvc.lock", KEYS)),
            }
        }
        let Some(command) = command else {
            return Err(source.error(node.span(), format!("stage `{name}` has no `cmd`")));
        };
        Ok(Self { command, ..stage })
    }

    /// The content of the stage's run cache file.
    pub fn to_text(&self) -> String {
        yaml::emit_readable(&self.to_value())
    }

    /// The name of the stage's directory in the run cache: what it runs, on what, to which paths.
    ///
    /// None where DVC keeps no record: no command, nothing it depends on, no outputs, a dependency
    /// whose content is not known, anything outside the local file system, or a parameter that JSON
    /// cannot say: a date, a mapping whose keys have no common order (DVC fails there). The caller also
    /// leaves out stages that always run, have persistent outputs or uncached plain ones: those
    /// are not in the record.
    pub fn run_cache_key(&self) -> Option<String> {
        if !self.is_cacheable() {
            return None;
        }
        let Value::Mapping(mut record) = self.to_value() else {
            return None;
        };
        let mut paths: Vec<&str> = self.outs.iter().map(|out| out.path.as_str()).collect();
        paths.sort_unstable();
        let paths = paths.into_iter().map(Value::from).collect::<Vec<_>>();
        record.insert("outs".into(), Value::Sequence(paths));
        hash(Value::Mapping(record))
    }

    /// The name of the stage's file in its run cache directory: the key's parts and what came out.
    ///
    /// None where there is no [`Self::run_cache_key`], or an output has no hash.
    pub fn run_cache_value(&self) -> Option<String> {
        let complete = self
            .outs
            .iter()
            .all(|out| out.md5.is_some() || out.files.is_some());
        (complete && self.is_cacheable()).then(|| hash(self.to_value()))?
    }

    fn is_cacheable(&self) -> bool {
        let has_command = match &self.command {
            Value::String(text) => !text.is_empty(),
            Value::Sequence(items) => !items.is_empty(),
            _ => false,
        };
        let is_local = |entry: &OutputEntry| {
            !entry.path.is_empty() && !entry.path.contains("://") && entry.dataset.is_none()
        };
        has_command
            && !(self.deps.is_empty() && self.params.is_empty())
            && !self.outs.is_empty()
            && self
                .deps
                .iter()
                .all(|dep| is_local(dep) && dep.md5.is_some())
            && self.outs.iter().all(is_local)
    }

    pub(crate) fn to_value(&self) -> Value {
        let entries = |entries: &[OutputEntry]| {
            let mut sorted: Vec<&OutputEntry> = entries.iter().collect();
            sorted.sort_by(|left, right| left.path.cmp(&right.path));
            let values: Vec<_> = sorted.into_iter().map(OutputEntry::to_lock_value).collect();
            (!values.is_empty()).then_some(values)
        };
        let mut out = Fields::default();
        out.put("cmd", Some(self.command.clone()));
        out.put("deps", entries(&self.deps));
        out.put("params", self.params_value());
        out.put("outs", entries(&self.outs));
        Value::Mapping(out.fields)
    }

    fn params_value(&self) -> Option<Value> {
        let mut files: Vec<_> = self.params.iter().collect();
        files.sort_by_key(|(file, _)| (*file != DEFAULT_PARAMS_FILE, *file));
        let files: IndexMap<Key, Value> = files
            .into_iter()
            .map(|(file, values)| {
                let mut values = values.clone();
                values.sort_unstable_keys();
                (Key::from(file.as_str()), Value::Mapping(values))
            })
            .collect();
        (!files.is_empty()).then_some(Value::Mapping(files))
    }
}

fn read_command(source: Source<'_>, node: &Node) -> Result<Value, FormatError> {
    let is_text = |node: &Node| node.as_str().is_some();
    if is_text(node) || node.items().is_some_and(|items| items.iter().all(is_text)) {
        return Ok(node.to_value());
    }
    Err(source.error(node.span(), "`cmd` must be text or a list of texts"))
}

fn hash(mut record: Value) -> Option<String> {
    drop_sizes(&mut record);
    let digest = Sha256::digest(to_sorted_json(&record)?.as_bytes());
    Some(
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(hex_digit)
            .collect(),
    )
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

/// Drops the keys at every depth, as DVC does: a parameter of that name goes too.
fn drop_sizes(value: &mut Value) {
    match value {
        Value::Sequence(items) => items.iter_mut().for_each(drop_sizes),
        Value::Mapping(entries) => {
            entries.retain(|key, _| !(key.is_text() && NOT_HASHED.contains(&key.as_str())));
            entries.values_mut().for_each(drop_sizes);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record behind the two hashes below, which are from DVC 3.67.1; the sizes do not count.
    const TEXT: &str = "cmd: mkdir d2; cp out.txt d2/x\ndeps:\n- path: out.txt\n  hash: md5\n  md5: bdd166af3a63f7be696dd17a218a6ffb\n  size: 3\nouts:\n- path: d2\n  hash: md5\n  md5: 1a6f4bbd0b372c1ada6e8df16a6a703c.dir\n  size: 3\n  nfiles: 1\n";

    #[test]
    fn has_the_names_dvc_gives() {
        let stage = StageLock::parse(TEXT, "run").unwrap();
        assert_eq!(stage.to_text(), TEXT);
        assert_eq!(
            stage.run_cache_key().unwrap(),
            "928768d226fe3ba1e72831dde06bace5f85e9df51a7746854d2b2032f96bdc15"
        );
        assert_eq!(
            stage.run_cache_value().unwrap(),
            "93855b408d09d5d619e29ad0c8c9e9002383b2a04653820ebfa341c4c0b96ddb"
        );
    }

    #[test]
    fn the_key_is_blind_to_outputs_and_sizes_and_the_value_only_to_sizes() {
        let stage = StageLock::parse(TEXT, "run").unwrap();
        let mut other = stage.clone();
        other.outs[0].nfiles = Some(7);
        other.deps[0].size = None;
        assert_eq!(other.run_cache_key(), stage.run_cache_key());
        assert_eq!(other.run_cache_value(), stage.run_cache_value());
        other.outs[0].md5 = other.deps[0].md5.clone();
        assert_eq!(other.run_cache_key(), stage.run_cache_key());
        assert_ne!(other.run_cache_value(), stage.run_cache_value());
    }

    #[test]
    fn some_stages_have_no_key() {
        let stage = StageLock::parse(TEXT, "run").unwrap();
        let change = |change: fn(&mut StageLock)| {
            let mut stage = stage.clone();
            change(&mut stage);
            stage.run_cache_key()
        };
        assert_eq!(change(|stage| stage.outs.clear()), None);
        assert_eq!(change(|stage| stage.deps.clear()), None);
        assert_eq!(change(|stage| stage.deps[0].md5 = None), None);
        assert_eq!(change(|stage| stage.deps[0].path = "s3://b/k".into()), None);
        assert_eq!(change(|stage| stage.command = "".into()), None);
        let mut incomplete = stage.clone();
        incomplete.outs[0].md5 = None;
        assert!(incomplete.run_cache_key().is_some());
        assert_eq!(incomplete.run_cache_value(), None);
    }
}
