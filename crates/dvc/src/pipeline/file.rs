//! The file as a whole.

use indexmap::IndexMap;

use super::stage::StageSpec;
use super::template::{self, Resolver, TemplateFiles};
use crate::FormatError;
use crate::schema::Source;
use crate::yaml::{Node, Value};

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
    /// Reads a `dvc.yaml` whose templates name nothing but what stands in it.
    ///
    /// # Errors
    ///
    /// As [`parse_with`](Self::parse_with).
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        Self::parse_with(text, source_name, TemplateFiles::NONE)
    }

    /// Reads a `dvc.yaml` and fills in its templates; `source_name` is what errors call it.
    ///
    /// # Errors
    ///
    /// On what is no YAML, on anything DVC's closed schema does not have, and on a template that
    /// names what is not there.
    pub fn parse_with(
        text: &str,
        source_name: &str,
        files: TemplateFiles<'_>,
    ) -> Result<Self, FormatError> {
        let (source, root) = Source::parse(text, source_name)?;
        let entries = source.entries(&root, "dvc.yaml")?;
        if let Some(entry) = entries.iter().find(|entry| !KEYS.contains(&&*entry.key)) {
            return Err(source.unknown_key(entry, "dvc.yaml", KEYS));
        }
        let resolver = Resolver::new(source, root.get("vars"), files)?;
        let mut file = Self::default();
        for entry in entries {
            let (key, node) = (entry.key.as_str(), &entry.value);
            match key {
                "stages" => file.stages = read_stages(source, &resolver, node)?,
                "metrics" => file.metrics = read_paths(source, &resolver, node, key)?,
                "params" => file.params = read_paths(source, &resolver, node, key)?,
                "plots" => {
                    for item in source.list(node, key)? {
                        file.plots.push(read_plot(source, &resolver, item)?);
                    }
                }
                "artifacts" => {
                    check_artifacts(source, node)?;
                    file.artifacts = Some(resolver.resolve_top(node)?.to_value());
                }
                "datasets" => file.datasets = Some(resolver.resolve_top(node)?.to_value()),
                // The resolver has them.
                _ => {}
            }
        }
        Ok(file)
    }
}

fn read_stages(
    source: Source<'_>,
    resolver: &Resolver<'_>,
    node: &Node,
) -> Result<IndexMap<String, StageSpec>, FormatError> {
    let mut read = IndexMap::new();
    for entry in source.mapping(node, "stages")? {
        for generated in template::stages(resolver, entry)? {
            let mut stage = StageSpec::read(source, &generated.entry)?;
            stage.group = generated.group;
            stage.template_params = generated.params;
            read.insert(generated.entry.key.to_string(), stage);
        }
    }
    Ok(read)
}

fn read_paths(
    source: Source<'_>,
    resolver: &Resolver<'_>,
    node: &Node,
    what: &str,
) -> Result<Vec<String>, FormatError> {
    source.list_of_strings(node, what)?;
    source.list_of_strings(&resolver.resolve_top(node)?, what)
}

fn read_plot(
    source: Source<'_>,
    resolver: &Resolver<'_>,
    item: &Node,
) -> Result<Value, FormatError> {
    for plot in item.entries().unwrap_or_default() {
        for property in source.entries(&plot.value, &plot.key)? {
            if !PLOT_KEYS.contains(&property.key.as_str()) {
                return Err(source.unknown_key(property, "a plot", PLOT_KEYS));
            }
        }
    }
    if item.entries().is_none() {
        source.string(item, "plots")?;
    }
    Ok(resolver.resolve_top(item)?.to_value())
}

fn check_artifacts(source: Source<'_>, node: &Node) -> Result<(), FormatError> {
    for artifact in source.mapping(node, "artifacts")? {
        let what = format!("artifact `{}`", artifact.key);
        for property in source.mapping(&artifact.value, &artifact.key)? {
            if !ARTIFACT_KEYS.contains(&property.key.as_str()) {
                return Err(source.unknown_key(property, &what, ARTIFACT_KEYS));
            }
            match property.key.as_str() {
                "labels" => _ = source.list_of_strings(&property.value, "labels")?,
                "path" | "desc" | "type" => _ = source.string(&property.value, &property.key)?,
                _ => {}
            }
        }
        if artifact.value.get("path").is_none() {
            let message = format!("{what} has no `path`");
            return Err(source.error(artifact.key_span, message));
        }
    }
    Ok(())
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
            (
                "stages:\n  s:\n    cmd: echo ${lr} x",
                "dvc.yaml:3:15: there is no `lr`: there are no parameters at all (in `${lr}`)",
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
