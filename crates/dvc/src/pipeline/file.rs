//! The file as a whole.

use indexmap::IndexMap;

use super::stage::StageSpec;
use super::template::{literal_strings, literal_value, not_read_yet};
use crate::FormatError;
use crate::schema::Source;
use crate::yaml::Value;

/// A `dvc.yaml` file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PipelineFile {
    /// In the order of the file.
    pub stages: IndexMap<String, StageSpec>,
    /// Metric files that are no stage's outputs.
    pub metrics: Vec<String>,
    /// Parameter files that no stage names.
    pub params: Vec<String>,
    /// Each a path, or a mapping from a name to how it is drawn.
    pub plots: Vec<Value>,
    pub artifacts: Option<Value>,
    pub datasets: Option<Value>,
}

const KEYS: &[&str] = &[
    "vars",
    "stages",
    "metrics",
    "plots",
    "params",
    "artifacts",
    "datasets",
];
const PLOT_KEYS: &[&str] = &["x", "y", "x_label", "y_label", "title", "template"];
const ARTIFACT_KEYS: &[&str] = &["path", "desc", "type", "labels", "meta"];

impl PipelineFile {
    /// Reads a `dvc.yaml`; `source_name` is what errors call it.
    ///
    /// `\${` in a value becomes `${`. Templates (`vars`, `foreach`, `matrix` and `${…}`) are not
    /// read yet and are an error where they stand, so that no half-read command runs.
    ///
    /// # Errors
    ///
    /// On what is no YAML, and on anything DVC's closed schema does not have.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        let (source, root) = Source::parse(text, source_name)?;
        let mut file = Self::default();
        for entry in source.entries(&root, "dvc.yaml")? {
            let (key, node) = (entry.key.as_str(), &entry.value);
            match key {
                "stages" => {
                    for stage in source.mapping(node, key)? {
                        file.stages
                            .insert(stage.key.to_string(), StageSpec::read(source, stage)?);
                    }
                }
                "metrics" => file.metrics = literal_strings(source, node, key)?,
                "params" => file.params = literal_strings(source, node, key)?,
                "plots" => {
                    for item in source.list(node, key)? {
                        for plot in item.entries().unwrap_or_default() {
                            for property in source.entries(&plot.value, &plot.key)? {
                                if !PLOT_KEYS.contains(&property.key.as_str()) {
                                    return Err(source.unknown_key(property, "a plot", PLOT_KEYS));
                                }
                            }
                        }
                        if item.entries().is_none() {
                            source.string(item, key)?;
                        }
                        file.plots.push(literal_value(source, item)?);
                    }
                }
                "artifacts" => {
                    for artifact in source.mapping(node, key)? {
                        let what = format!("artifact `{}`", artifact.key);
                        let properties = source.mapping(&artifact.value, &artifact.key)?;
                        for property in properties {
                            if !ARTIFACT_KEYS.contains(&property.key.as_str()) {
                                return Err(source.unknown_key(property, &what, ARTIFACT_KEYS));
                            }
                        }
                        if artifact.value.get("path").is_none() {
                            let message = format!("{what} has no `path`");
                            return Err(source.error(artifact.key_span, message));
                        }
                    }
                    file.artifacts = Some(literal_value(source, node)?);
                }
                "datasets" => file.datasets = Some(literal_value(source, node)?),
                "vars" => return Err(not_read_yet(source, entry.key_span, "`vars`")),
                _ => return Err(source.unknown_key(entry, "dvc.yaml", KEYS)),
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutputKind, ParamSpec};

    const TEXT: &str = r"stages:
  prep:
    desc: prepare
    cmd: mkdir -p prepped && cp raw.txt
      prepped/a
    wdir: sub
    deps: [raw.txt]
    params:
    - seed
    - other.toml:
      - model.act
    - train.lr
    - whole.yaml:
    outs:
    - cfg.out:
        cache: false
        persist: true
        meta: {owner: [a]}
    - prepped
    metrics: [m.json]
    plots:
    - p.csv: {x: step, header: false, push: false}
    frozen: true
  many:
    cmd:
    - echo \${HOME}
    - 'true'
";

    #[test]
    fn reads_stages() {
        let file = PipelineFile::parse(TEXT, "dvc.yaml").unwrap();
        let prep = &file.stages["prep"];
        assert_eq!(prep.command, ["mkdir -p prepped && cp raw.txt prepped/a"]);
        assert_eq!(
            prep.command_value(),
            Value::from("mkdir -p prepped && cp raw.txt prepped/a")
        );
        assert_eq!(
            (prep.line, prep.frozen, prep.wdir.as_deref()),
            (2, true, Some("sub"))
        );
        let spec = |file: &str, keys: &[&str]| ParamSpec {
            file: file.to_owned(),
            keys: (!keys.is_empty()).then(|| keys.iter().map(|key| (*key).to_owned()).collect()),
        };
        assert_eq!(
            prep.params,
            [
                spec("params.yaml", &["seed", "train.lr"]),
                spec("other.toml", &["model.act"]),
                spec("whole.yaml", &[])
            ]
        );
        let outs: Vec<_> = prep
            .outs
            .iter()
            .map(|out| (out.path.as_str(), out.kind, out.cache, out.line))
            .collect();
        assert_eq!(
            outs,
            [
                ("cfg.out", OutputKind::Data, false, 15),
                ("prepped", OutputKind::Data, true, 19),
                ("m.json", OutputKind::Metric, true, 20),
                ("p.csv", OutputKind::Plot, true, 22)
            ]
        );
        assert!(prep.outs[0].persist && !prep.outs[3].push);
        assert_eq!(
            prep.outs[3]
                .plot
                .as_ref()
                .unwrap()
                .as_mapping()
                .unwrap()
                .len(),
            2
        );

        let many = &file.stages["many"];
        assert_eq!(many.commands_to_run(), ["echo ${HOME}", "true"]);
        assert!(matches!(many.command_value(), Value::Sequence(items) if items.len() == 2));
    }

    #[test]
    fn runs_the_lines_of_a_text_one_by_one() {
        let file = PipelineFile::parse("stages:\n  s:\n    cmd: |\n      a\n      b\n", "dvc.yaml")
            .unwrap();
        assert_eq!(file.stages["s"].commands_to_run(), ["a", "b"]);
        assert_eq!(file.stages["s"].command_value(), Value::from("a\nb\n"));
    }

    #[test]
    fn points_at_what_is_wrong() {
        let error = |text: &str| {
            let error = PipelineFile::parse(text, "dvc.yaml").unwrap_err();
            (
                error.to_string(),
                error.hint().unwrap_or_default().to_owned(),
            )
        };
        let (message, hint) = error("stages:\n  train:\n    cmd: x\n    dpes: [a]\n");
        assert_eq!(message, "dvc.yaml:4:5: unknown key `dpes` in stage `train`");
        assert_eq!(hint, "did you mean `deps`?");
        for (text, message) in [
            ("stage: {}", "dvc.yaml:1:1: unknown key `stage` in dvc.yaml"),
            ("vars: [a]", "dvc.yaml:1:1: `vars` is not read yet"),
            (
                "stages:\n  s:\n    foreach: [1]\n    do: {cmd: x}",
                "dvc.yaml:3:5: `foreach` in stage `s` is not read yet",
            ),
            (
                "stages:\n  s:\n    matrix: {a: [1]}\n    cmd: x",
                "dvc.yaml:3:5: `matrix` in stage `s` is not read yet",
            ),
            (
                "stages:\n  s:\n    cmd: echo ${lr} x",
                "dvc.yaml:3:10: the template `${lr}` is not read yet",
            ),
            (
                "stages:\n  s:\n    cmd: x\n    outs:\n    - ${o}:\n        cache: false",
                "dvc.yaml:5:7: the template `${o}` is not read yet",
            ),
            (
                "stages:\n  s:\n    cmd: x\n    meta: {a: ['${b}']}",
                "dvc.yaml:4:16: the template `${b}` is not read yet",
            ),
            (
                "stages:\n  s:\n    deps: [a]",
                "dvc.yaml:2:3: stage `s` has no `cmd`",
            ),
            (
                "stages:\n  s:\n    cmd: x\n    deps: a",
                "dvc.yaml:4:11: `deps` must be a list, not text",
            ),
            (
                "stages:\n  s:\n    cmd: 12",
                "dvc.yaml:3:10: `cmd` must be text, not an integer",
            ),
            (
                "stages:\n  s:\n    cmd: ' '",
                "dvc.yaml:3:10: `cmd` is empty",
            ),
            (
                "stages:\n  s:\n    cmd: x\n    frozen: yes",
                "dvc.yaml:4:13: `frozen` must be `true` or `false`, not text",
            ),
            (
                "stages:\n  s:\n    cmd: x\n    cmd: y",
                "dvc.yaml:4:5: duplicate key `cmd`",
            ),
            (
                "stages: [s]",
                "dvc.yaml:1:9: `stages` must be a mapping, not a list",
            ),
            (
                "artifacts:\n  m:\n    type: model",
                "dvc.yaml:2:3: artifact `m` has no `path`",
            ),
        ] {
            assert_eq!(error(text).0, message);
        }
    }

    #[test]
    fn reads_the_rest_of_the_file() {
        let text = "metrics: [m.json]\nparams: [p.toml]\nplots: [a.csv, {b.csv: {x: step, y: {a.csv: [l1, l2]}}}, c:]\nartifacts:\n  m:\n    path: model.onnx\n    labels: [x]\ndatasets:\n- name: d\n  type: dvc\n";
        let file = PipelineFile::parse(text, "dvc.yaml").unwrap();
        assert_eq!(
            (file.metrics.len(), file.params.len(), file.plots.len()),
            (1, 1, 3)
        );
        assert!(file.artifacts.is_some() && file.datasets.is_some());
        assert_eq!(
            PipelineFile::parse("", "dvc.yaml").unwrap(),
            PipelineFile::default()
        );
    }
}
