//! A stage as text: how DVC writes it into `dvc.yaml`.

use indexmap::IndexMap;

use super::stage::DEFAULT_PARAMS_FILE;
use super::{OutputKind, OutputSpec, PipelineFile, StageSpec};
use crate::yaml::{self, Key, Value};

impl PipelineFile {
    /// The text of a `dvc.yaml` with a stage of this name as it is given, in the place of one that
    /// is there already or else behind the last one; what it has in common with that one stays as
    /// it is written, as does every other byte. None where that cannot be done: the text is no
    /// pipeline, or an alias shares the place.
    pub fn with_stage(text: &str, name: &str, stage: &StageSpec) -> Option<String> {
        let root = yaml::parse(text, "").ok()?.to_value();
        let mut pipeline = match root {
            Value::Null => IndexMap::new(),
            Value::Mapping(entries) => entries,
            _ => return None,
        };
        let is_blank = pipeline.is_empty();
        let stages = pipeline.entry(Key::from("stages")).or_insert(Value::Null);
        if *stages == Value::Null {
            *stages = Value::Mapping(IndexMap::new());
        }
        let Value::Mapping(stages) = stages else {
            return None;
        };
        stages.insert(Key::from(name), stage.to_value());
        let target = Value::Mapping(pipeline);
        if !is_blank {
            return yaml::update_text(text, &target);
        }
        // What is there are comments, or `{}`.
        let comments: String = text
            .split_inclusive('\n')
            .filter(|line| line.trim_start().starts_with('#'))
            .collect();
        let end = if comments.is_empty() || comments.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        Some(comments + end + &yaml::emit_readable(&target))
    }
}

impl StageSpec {
    /// The stage as DVC writes it: keys in its order, what says nothing left out, lists sorted.
    pub fn to_value(&self) -> Value {
        let mut deps = self.deps.clone();
        deps.sort();
        let mut outs: Vec<&OutputSpec> = self.outs.iter().collect();
        outs.sort_by(|left, right| left.path.cmp(&right.path));
        let of_kind = |kind: OutputKind| {
            let outs = outs.iter().filter(|out| out.kind == kind);
            list(outs.map(|out| out.to_value()))
        };
        let yes = |said: bool| said.then_some(Value::Bool(true));
        mapping([
            ("desc", filled(self.desc.as_deref())),
            ("cmd", Some(self.command_value())),
            ("wdir", filled(self.wdir.as_deref())),
            ("deps", list(deps.into_iter().map(Value::from))),
            ("params", list(self.params_written().into_iter())),
            ("outs", of_kind(OutputKind::Data)),
            ("metrics", of_kind(OutputKind::Metric)),
            ("plots", of_kind(OutputKind::Plot)),
            ("frozen", yes(self.frozen)),
            ("always_changed", yes(self.always_changed)),
            ("meta", self.meta.clone()),
        ])
    }

    /// Names in `params.yaml` first, then the other files, or all of a file.
    fn params_written(&self) -> Vec<Value> {
        let mut files: Vec<_> = self.params.iter().collect();
        files.sort_by(|left, right| left.file.cmp(&right.file));
        let mut written = Vec::new();
        for params in files {
            let mut keys = params.keys.clone().unwrap_or_default();
            keys.sort();
            let keys: Vec<Value> = keys.into_iter().map(Value::from).collect();
            if params.file == DEFAULT_PARAMS_FILE && !keys.is_empty() {
                written.splice(0..0, keys);
            } else {
                let keys = list(keys.into_iter()).unwrap_or(Value::Null);
                let entry = [(Key::from(params.file.as_str()), keys)];
                written.push(Value::Mapping(entry.into()));
            }
        }
        written
    }
}

impl OutputSpec {
    /// A path, or a path with flags where it has any.
    fn to_value(&self) -> Value {
        let no = |said: bool| (!said).then_some(Value::Bool(false));
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let labels = self.labels.iter().map(|label| Value::from(label.as_str()));
        let Value::Mapping(mut flags) = mapping([
            ("desc", text(&self.desc)),
            ("type", text(&self.type_name)),
            ("labels", list(labels)),
            ("meta", self.meta.clone()),
            ("cache", no(self.cache)),
            ("persist", self.persist.then_some(Value::Bool(true))),
        ]) else {
            return Value::from(self.path.as_str());
        };
        if let Some(Value::Mapping(plot)) = &self.plot {
            flags.extend(plot.clone());
        }
        flags.extend(text(&self.remote).map(|remote| (Key::from("remote"), remote)));
        flags.extend(no(self.push).map(|push| (Key::from("push"), push)));
        if flags.is_empty() {
            return Value::from(self.path.as_str());
        }
        let entry = [(Key::from(self.path.as_str()), Value::Mapping(flags))];
        Value::Mapping(entry.into())
    }
}

fn mapping<const SIZE: usize>(entries: [(&str, Option<Value>); SIZE]) -> Value {
    let there = entries.into_iter();
    let there = there.filter_map(|(key, value)| Some((Key::from(key), value?)));
    Value::Mapping(there.collect())
}

fn filled(text: Option<&str>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(Value::from)
}

/// None where there is nothing in it.
fn list(items: impl Iterator<Item = Value>) -> Option<Value> {
    let items: Vec<Value> = items.collect();
    (!items.is_empty()).then_some(Value::Sequence(items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ParamSpec;

    fn stage(command: &str) -> StageSpec {
        StageSpec::new(command.to_owned())
    }

    /// Written by DVC 3.67.1 for the same stage.
    const FULL: &str = "stages:
  prep:
    desc: 'some text: yes'
    cmd: echo hi \"a b\"
    deps:
    - ./raw
    - raw
    params:
    - lr
    - train.x
    - other.json:
      - a
    - whole.toml:
    outs:
    - out1
    - out2:
        cache: false
    - out4:
        cache: false
        persist: true
    metrics:
    - m2:
        cache: false
    always_changed: true
";

    fn full() -> StageSpec {
        let params = |file: &str, keys: Option<&[&str]>| ParamSpec {
            file: file.to_owned(),
            keys: keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect()),
        };
        let out = |path: &str, kind| OutputSpec::new(path.to_owned(), kind, 0);
        let mut spec = stage("echo hi \"a b\"");
        spec.desc = Some("some text: yes".to_owned());
        spec.deps = vec!["raw".to_owned(), "./raw".to_owned()];
        spec.params = vec![
            params("whole.toml", None),
            params("params.yaml", Some(&["train.x", "lr"])),
            params("other.json", Some(&["a"])),
        ];
        let mut uncached = [
            out("out4", OutputKind::Data),
            out("m2", OutputKind::Metric),
            out("out2", OutputKind::Data),
        ];
        for out in &mut uncached {
            out.cache = false;
        }
        uncached[0].persist = true;
        spec.outs.extend(uncached);
        spec.outs.push(out("out1", OutputKind::Data));
        spec.always_changed = true;
        spec
    }

    #[test]
    fn a_first_stage_is_written_as_dvc_does() {
        let written = PipelineFile::with_stage("", "prep", &full()).unwrap();
        assert_eq!(written, FULL);
        let read = PipelineFile::parse(&written, "dvc.yaml").unwrap();
        assert_eq!(read.stages["prep"].to_value(), full().to_value());
        for (before, after) in [("# why", "# why\n"), ("# why\n\n", "# why\n"), ("{}\n", "")] {
            let written = PipelineFile::with_stage(before, "prep", &full()).unwrap();
            assert_eq!(written, format!("{after}{FULL}"), "{before:?}");
        }
    }

    #[test]
    fn other_text_stays() {
        let text = "# top\nstages:\n    one:   # first\n        cmd: a   # b\n        outs: [x]\n\nmetrics: [m]  # end\n";
        let written = PipelineFile::with_stage(text, "two", &stage("b")).unwrap();
        assert_eq!(
            written,
            text.replace("[x]\n", "[x]\n    two:\n      cmd: b\n")
        );
        let replaced = PipelineFile::with_stage(text, "one", &stage("c")).unwrap();
        assert_eq!(
            replaced,
            text.replace("cmd: a ", "cmd: c ")
                .replace("        outs: [x]\n", "")
        );
        let written = PipelineFile::with_stage("stages:\nmetrics: [m]\n", "s", &stage("b"));
        assert_eq!(
            written.unwrap(),
            "stages:\n  s:\n    cmd: b\nmetrics: [m]\n"
        );
        let written = PipelineFile::with_stage("metrics: [m]\n", "s", &stage("b"));
        assert_eq!(
            written.unwrap(),
            "metrics: [m]\nstages:\n  s:\n    cmd: b\n"
        );
    }

    #[test]
    fn what_is_no_pipeline_is_left_alone() {
        for text in ["- a\n", "5\n", "stages: 5\n", "stages: [\n"] {
            assert_eq!(PipelineFile::with_stage(text, "s", &stage("b")), None);
        }
        let shared = "stages:\n  a: &a\n    cmd: x\n  b: *a\n";
        assert_eq!(PipelineFile::with_stage(shared, "b", &stage("y")), None);
    }
}
