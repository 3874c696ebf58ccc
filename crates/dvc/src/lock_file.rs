//! `dvc.lock`: what each stage was run with and what came out.

use indexmap::IndexMap;

use crate::FormatError;
use crate::schema::Source;
use crate::stage_lock::StageLock;
use crate::yaml::{self, Key, Value};

/// A `dvc.lock` file (schema 2.0).
///
/// Stages keep their place; a new one goes to the end. A stage that is not set again, or set to
/// what it was, keeps its text byte for byte: versions of DVC's writer fold long lines differently.
#[derive(Debug, Clone, PartialEq)]
pub struct LockFile {
    stages: IndexMap<String, StageLock>,
    /// The whole document as it is written.
    document: IndexMap<Key, Value>,
    /// What was read.
    text: Option<String>,
}

const KEYS: &[&str] = &["schema", "datasets", "stages"];
const SCHEMA: &str = "2.0";

impl LockFile {
    /// A lock file without stages.
    pub fn empty() -> Self {
        let document = IndexMap::from([(Key::from("schema"), Value::from(SCHEMA))]);
        Self {
            stages: IndexMap::new(),
            document,
            text: None,
        }
    }

    /// Reads a `dvc.lock`; `source_name` is what errors call it. An empty text is an empty file.
    ///
    /// # Errors
    ///
    /// On what is no YAML, another schema than 2.0, and anything DVC's closed schema does not have.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        let (source, root) = Source::parse(text, source_name)?;
        if root.is_null() {
            return Ok(Self::empty());
        }
        let mut file = Self {
            stages: IndexMap::new(),
            document: IndexMap::new(),
            text: Some(text.to_owned()),
        };
        for entry in source.entries(&root, "dvc.lock")? {
            match entry.key.as_str() {
                "schema" if entry.value.as_str() == Some(SCHEMA) => {}
                "schema" => {
                    return Err(source
                        .error(entry.value.span(), "the lock file's schema is not '2.0'")
                        .with_hint("write `schema: '2.0'`, with quotes; DVC 3 reads no other"));
                }
                "datasets" => {}
                "stages" => {
                    for stage in source.entries(&entry.value, "stages")? {
                        let lock = StageLock::read(source, &stage.value, &stage.key)?;
                        file.stages.insert(stage.key.to_string(), lock);
                    }
                }
                _ => return Err(source.unknown_key(entry, "dvc.lock", KEYS)),
            }
            file.document
                .insert(entry.key.clone(), entry.value.to_value());
        }
        if !file.document.contains_key("schema") {
            return Err(source
                .error(root.span(), "the lock file has no `schema`")
                .with_hint("a file of DVC 1: run `dvc repro` with DVC 2 once, or remove it"));
        }
        Ok(file)
    }

    /// The stages in the order of the file.
    pub fn stages(&self) -> &IndexMap<String, StageLock> {
        &self.stages
    }

    /// Records a stage: in its place if it has one, at the end otherwise.
    pub fn set_stage(&mut self, name: &str, stage: StageLock) {
        self.set_stage_before(name, stage, &[]);
    }

    /// [`set_stage`](Self::set_stage), where a new one stands before those of `later` that are
    /// there.
    pub fn set_stage_before(&mut self, name: &str, stage: StageLock, later: &[&str]) {
        let stages = self
            .document
            .entry(Key::from("stages"))
            .or_insert(Value::Null);
        if !matches!(stages, Value::Mapping(_)) {
            *stages = Value::Mapping(IndexMap::new());
        }
        if let Value::Mapping(stages) = stages {
            let place = |key: &Key| later.contains(&key.as_str());
            let before = stages.keys().position(place);
            match (yaml::key_named(stages, name).cloned(), before) {
                (None, Some(before)) => {
                    stages.shift_insert(before, name.into(), stage.to_value());
                    // An edit of the text adds at the end.
                    self.text = None;
                }
                (key, _) => {
                    stages.insert(key.unwrap_or_else(|| name.into()), stage.to_value());
                }
            }
        }
        let before = self
            .stages
            .keys()
            .position(|key| later.contains(&key.as_str()));
        match before {
            Some(before) if !self.stages.contains_key(name) => {
                self.stages.shift_insert(before, name.to_owned(), stage);
            }
            _ => _ = self.stages.insert(name.to_owned(), stage),
        }
    }

    /// Forgets a stage; what it was, if it was there.
    pub fn remove_stage(&mut self, name: &str) -> Option<StageLock> {
        if let Some(Value::Mapping(stages)) = self.document.get_mut("stages")
            && let Some(key) = yaml::key_named(stages, name).cloned()
        {
            stages.shift_remove(&key);
        }
        self.stages.shift_remove(name)
    }

    /// The file as DVC 3.67 writes it.
    pub fn to_text(&self) -> String {
        const STAGE_DEPTH: usize = 2;
        let document = Value::Mapping(self.document.clone());
        let edited = self
            .text
            .as_ref()
            .and_then(|t| yaml::update_to_depth(t, &document, STAGE_DEPTH));
        edited.unwrap_or_else(|| yaml::emit_readable(&document))
    }
}

impl Default for LockFile {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, OutputEntry};

    /// Written by DVC 3.67.1.
    const TEXT: &str = "schema: '2.0'\nstages:\n  s1:\n    cmd: cp raw.txt out.txt; echo '{}' > m.json\n    deps:\n    - path: raw.txt\n      hash: md5\n      md5: bdd166af3a63f7be696dd17a218a6ffb\n      size: 3\n    params:\n      params.yaml:\n        lr: 0.1\n        x:\n          b: 1\n          a: ü\n    outs:\n    - path: m.json\n      hash: md5\n      md5: 8a80554c91d9fca8acb82f023de02f11\n      size: 3\n";

    fn entry(path: &str) -> OutputEntry {
        OutputEntry {
            md5: Some(ObjectId::file_from_digest([1; 16])),
            size: Some(1),
            hash: Some("md5".to_owned()),
            ..OutputEntry::new(path)
        }
    }

    #[test]
    fn writes_what_dvc_wrote() {
        let mut file = LockFile::parse(TEXT, "dvc.lock").unwrap();
        assert_eq!(file.to_text(), TEXT);
        let stage = file.stages()["s1"].clone();
        assert_eq!(stage.params["params.yaml"]["lr"], Value::Float(0.1));
        file.set_stage("s1", stage);
        assert_eq!(file.to_text(), TEXT);
    }

    #[test]
    fn sorts_a_new_stage_and_appends_it() {
        let mut file = LockFile::parse(TEXT, "dvc.lock").unwrap();
        let params = IndexMap::from([
            (
                "a.yaml".to_owned(),
                IndexMap::from([("k".into(), Value::Int(1))]),
            ),
            (
                "params.yaml".to_owned(),
                IndexMap::from([("z".into(), Value::Null), ("b.c".into(), Value::Int(2))]),
            ),
        ]);
        file.set_stage(
            "a",
            StageLock {
                command: Value::Sequence(vec!["true".into(), "x".into()]),
                deps: vec![entry("b"), entry("B")],
                params,
                outs: Vec::new(),
            },
        );
        let added = file.to_text().strip_prefix(TEXT).unwrap().to_owned();
        let id = "01".repeat(16);
        let dep = |path: &str| {
            format!("    - path: {path}\n      hash: md5\n      md5: '{id}'\n      size: 1\n")
        };
        assert_eq!(
            added,
            format!(
                "  a:\n    cmd:\n    - 'true'\n    - x\n    deps:\n{}{}    params:\n      params.yaml:\n        b.c: 2\n        z:\n      a.yaml:\n        k: 1\n",
                dep("B"),
                dep("b")
            )
        );
        assert_eq!(
            LockFile::parse(&file.to_text(), "dvc.lock")
                .unwrap()
                .to_text(),
            file.to_text()
        );
        assert!(file.remove_stage("a").is_some());
        assert_eq!(file.to_text(), TEXT);
    }

    #[test]
    fn leaves_the_text_of_other_stages_alone() {
        let other = "  other:\n    cmd:   x   # odd\n    params:\n      params.yaml:\n        w:\n          0: 1.0\n";
        let mut file = LockFile::parse(&format!("{TEXT}{other}"), "dvc.lock").unwrap();
        let mut stage = file.stages()["s1"].clone();
        stage.outs[0].size = Some(4);
        stage.outs[0].nfiles = Some(5);
        file.set_stage("s1", stage.clone());
        let changed =
            TEXT.strip_suffix("size: 3\n").unwrap().to_owned() + "size: 4\n      nfiles: 5\n";
        assert_eq!(file.to_text(), format!("{changed}{other}"));
        file.set_stage("new", stage);
        assert!(
            file.to_text()
                .starts_with(&format!("{changed}{other}  new:\n    cmd: cp "))
        );
        file.remove_stage("s1");
        assert!(
            file.to_text()
                .starts_with(&format!("schema: '2.0'\nstages:\n{other}  new:\n"))
        );
    }

    #[test]
    fn starts_empty() {
        assert_eq!(LockFile::empty().to_text(), "schema: '2.0'\n");
        assert_eq!(
            LockFile::parse("", "dvc.lock").unwrap(),
            LockFile::default()
        );
    }

    #[test]
    fn keeps_data_sets() {
        let text = "schema: '2.0'\ndatasets:\n- name: mydvc\n  url:\n  type: dvc\n  path: data\nstages:\n  s:\n    cmd: x\n";
        assert_eq!(LockFile::parse(text, "dvc.lock").unwrap().to_text(), text);
    }

    #[test]
    fn refuses_what_dvc_refuses() {
        for (text, message) in [
            (
                "schema: 2.0\nstages: {}",
                "dvc.lock:1:9: the lock file's schema is not '2.0'",
            ),
            (
                "stages:\n  s:\n    cmd: x",
                "dvc.lock:1:1: the lock file has no `schema`",
            ),
            (
                "schema: '2.0'\nstage: {}",
                "dvc.lock:2:1: unknown key `stage` in dvc.lock",
            ),
            (
                "schema: '2.0'\nstages:\n  s:\n    deps: []",
                "dvc.lock:4:5: stage `s` has no `cmd`",
            ),
            (
                "schema: '2.0'\nstages:\n  s:\n    cmd: 3",
                "dvc.lock:4:10: `cmd` must be text or a list of texts",
            ),
            (
                "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs: [{size: 1}]",
                "dvc.lock:5:12: a lock entry has no `path`",
            ),
            (
                "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    params: {p: 1}",
                "dvc.lock:5:17: `p` must be a mapping, not an integer",
            ),
        ] {
            assert_eq!(
                LockFile::parse(text, "dvc.lock").unwrap_err().to_string(),
                message
            );
        }
    }
}
