use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use serde::Serialize;
use toml::de::DeTable;

use super::reader::{Document, TableReader};
use super::{ExecutorConfig, ModelConfig, PipelineConfig, RemoteConfig, VerifyConfig};
use crate::ProjectError;

/// The content of `ketch.toml`. Every table is optional.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectConfig {
    /// `[lifecycle]`
    pub lifecycle: LifecycleConfig,
    /// `[environment]`
    pub environment: EnvironmentConfig,
    /// `[pipeline]`
    pub pipeline: PipelineConfig,
    /// `[executor]`
    pub executor: ExecutorConfig,
    /// `[verify]`
    pub verify: VerifyConfig,
    /// `[model.NAME]`, by name
    pub model: IndexMap<String, ModelConfig>,
    /// `[remote.NAME]`, by name
    pub remote: IndexMap<String, RemoteConfig>,
    /// Keys that mean nothing here, usually misspelt.
    #[serde(skip)]
    pub warnings: Vec<ConfigWarning>,
}

/// Which stages of the pipeline play which part of a model's life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LifecycleConfig {
    pub collect: Vec<String>,
    pub preprocess: Vec<String>,
    pub train: Vec<String>,
    pub evaluate: Vec<String>,
}

/// What stage commands run in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentConfig {
    /// A Python virtual environment relative to the project's root, used where it exists.
    pub virtualenv: Utf8PathBuf,
}

impl Default for EnvironmentConfig {
    fn default() -> Self {
        Self {
            virtualenv: ".venv".into(),
        }
    }
}

/// A key of `ketch.toml` that was not understood and is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigWarning {
    /// Dotted: `model.rain.gate.confidnce`.
    pub key: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The known key that was probably meant, dotted.
    pub suggestion: Option<String>,
}

impl std::fmt::Display for ConfigWarning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "ketch.toml:{}:{}: unknown key `{}`",
            self.line, self.column, self.key
        )?;
        match &self.suggestion {
            Some(near) => write!(formatter, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

impl Default for ProjectConfig {
    fn default() -> Self {
        Self {
            lifecycle: LifecycleConfig::default(),
            environment: EnvironmentConfig::default(),
            pipeline: PipelineConfig::default(),
            executor: ExecutorConfig::default(),
            verify: VerifyConfig::default(),
            model: IndexMap::new(),
            remote: IndexMap::new(),
            warnings: Vec::new(),
        }
    }
}

impl ProjectConfig {
    /// Reads the text of a `ketch.toml`; `path` is for messages.
    pub fn parse(text: &str, path: &Utf8Path) -> Result<Self, ProjectError> {
        let mut document = Document {
            path,
            text,
            warnings: Vec::new(),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            document.error(offset, error.message().replace('\n', ", "), None)
        })?;
        let mut top = TableReader::new(Some(table.get_ref()), String::new(), 0);

        let mut reader = top.table(&document, "lifecycle")?;
        let lifecycle = LifecycleConfig {
            collect: reader.strings(&document, "collect")?,
            preprocess: reader.strings(&document, "preprocess")?,
            train: reader.strings(&document, "train")?,
            evaluate: reader.strings(&document, "evaluate")?,
        };
        reader.finish(&mut document);

        let mut reader = top.table(&document, "environment")?;
        let environment = reader.string(&document, "virtualenv")?.map_or_else(
            EnvironmentConfig::default,
            |path| EnvironmentConfig {
                virtualenv: path.into(),
            },
        );
        reader.finish(&mut document);

        let reader = top.table(&document, "pipeline")?;
        let pipeline = PipelineConfig::read(reader, &mut document)?;

        let reader = top.table(&document, "executor")?;
        let executor = ExecutorConfig::read(reader, &mut document)?;

        let reader = top.table(&document, "verify")?;
        let verify = VerifyConfig::read(reader, &mut document)?;

        let mut model = IndexMap::new();
        for (name, reader) in top.tables(&document, "model")? {
            model.insert(name, ModelConfig::read(reader, &mut document)?);
        }
        let mut remote = IndexMap::new();
        for (name, reader) in top.tables(&document, "remote")? {
            remote.insert(name, RemoteConfig::read(reader, &mut document)?);
        }
        top.finish(&mut document);
        Ok(Self {
            lifecycle,
            environment,
            pipeline,
            executor,
            verify,
            model,
            remote,
            warnings: document.warnings,
        })
    }

    /// Reads `ketch.toml` in `root`; without one, everything has its default.
    pub fn load(root: &Utf8Path) -> Result<Self, ProjectError> {
        match fs_err::read_to_string(root.join("ketch.toml")) {
            Ok(text) => Self::parse(&text, Utf8Path::new("ketch.toml")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Beats, Goal, RemoteLayout};
    use super::*;
    use crate::ExecutorKind;

    const FULL: &str = r#"
[lifecycle]
collect = ["fetch"]
train = ["train"]

[model.rain]
artifact = "model.onnx"
metric = { path = "metrics.json", key = "accuracy", goal = "min" }
reference = "data/reference.csv"
label = "rain"
features = ["a", "b"]
golden = "golden.csv"
[model.rain.gate]
min = 0.7
beats = "none"
[model.rain.rollout]
steps = [10, 100]
[model.rain.retrain]
window = { first = "prepare.first_row", last = "prepare.last_row" }

[remote.big]
layout = "chunked"
[remote.plain]
"#;

    fn parse(text: &str) -> Result<ProjectConfig, ProjectError> {
        ProjectConfig::parse(text, Utf8Path::new("ketch.toml"))
    }

    fn complaint(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn empty_is_the_default() {
        assert_eq!(parse("").unwrap(), ProjectConfig::default());
    }

    #[test]
    fn reads_a_model() {
        let config = parse(FULL).unwrap();
        assert_eq!(config.warnings, []);
        assert_eq!(config.lifecycle.collect, ["fetch"]);
        let model = &config.model["rain"];
        assert_eq!(model.metric.goal, Goal::Minimise);
        assert_eq!(model.gate.min, Some(0.7));
        assert_eq!(model.gate.beats, Beats::Nothing);
        assert_eq!(model.gate.confidence, 0.95);
        assert_eq!(model.rollout.steps, [10, 100]);
        assert_eq!(model.rollout.minimum_labels, 30);
        assert_eq!(model.monitor.window, 365);
        assert_eq!(config.remote["big"].layout, RemoteLayout::Chunked);
        assert_eq!(config.remote["plain"].layout, RemoteLayout::Dvc);
        assert_eq!(model.retrain.minimum_labels, 400);
        let window = model.retrain.window.as_ref().unwrap();
        assert_eq!(
            (window.first.as_str(), window.last.as_str()),
            ("prepare.first_row", "prepare.last_row")
        );
    }

    #[test]
    fn reads_where_stages_run() {
        let text = "[executor]\nuse = \"slurm\"\n[executor.slurm]\npartition = \"long\"\ncpus = 2\nattempts = 5\n[executor.slurm.stage.fit]\ntime = \"2:00:00\"\nmemory = \"8G\"\ngpus = 1\narguments = [\"--qos=high\"]\n";
        let config = parse(text).unwrap();
        assert_eq!(config.warnings, []);
        let executor = config.executor;
        assert_eq!(executor.kind, ExecutorKind::Slurm);
        assert_eq!(executor.slurm.attempts.get(), 5);
        assert_eq!(executor.slurm.call_timeout.get(), 20);
        assert_eq!(executor.slurm.every.partition.as_deref(), Some("long"));
        let fit = &executor.slurm.stage["fit"];
        assert_eq!((fit.gpus, fit.memory.as_deref()), (Some(1), Some("8G")));
        assert_eq!(fit.arguments, ["--qos=high"]);
    }

    #[test]
    fn unknown_keys_warn_with_their_place() {
        let text = format!("{FULL}\n[model.rain.monitr]\nx = 1\n[enviroment]\n");
        let config = parse(&text).unwrap();
        let shown: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "ketch.toml:25:13: unknown key `model.rain.monitr`; did you mean `model.rain.monitor`?",
                "ketch.toml:27:2: unknown key `enviroment`; did you mean `environment`?",
            ]
        );
    }

    #[test]
    fn wrong_values_are_errors_with_their_place() {
        let model = "[model.m]\nartifact = \"m\"\nreference = \"r\"\nlabel = \"l\"\nmetric = { key = \"k\" }\n";
        parse(model).unwrap();
        for (text, expected) in [
            (
                "[lifecycle]\ntrain = \"x\"\n".to_owned(),
                "ketch.toml:2:9: `lifecycle.train` must be a list, but is of type string",
            ),
            (
                "lifecycle = 3".to_owned(),
                "ketch.toml:1:13: `lifecycle` must be a table, but is of type integer",
            ),
            (
                "[model.m]\nlabel = \"x\"\n".to_owned(),
                "ketch.toml:1:1: `model.m` has no `artifact`",
            ),
            (
                format!("{model}[model.m.rollout]\nsteps = [50, 5, 100]\n"),
                "ketch.toml:7:9: `model.m.rollout.steps` must rise and end with 100",
            ),
            (
                format!("{model}[model.m.rollout]\nsteps = []\n"),
                "ketch.toml:7:9: `model.m.rollout.steps` must rise and end with 100",
            ),
            (
                format!("{model}[model.m.gate]\nmin = nan\n"),
                "ketch.toml:7:7: `model.m.gate.min` must be a finite number",
            ),
            (
                format!("{model}[model.m.gate]\nconfidence = 1\n"),
                "ketch.toml:7:14: `model.m.gate.confidence` must be between 0.5 and 1",
            ),
            (
                format!("{model}[model.m.gate]\nbeats = \"chmpion\"\n"),
                "ketch.toml:7:9: `model.m.gate.beats` is `chmpion`, but can only be `champion` or `none`",
            ),
            (
                "[remote.big]\nlayout = \"chunk\"\n".to_owned(),
                "ketch.toml:2:10: `remote.big.layout` is `chunk`, but can only be `dvc` or `chunked`",
            ),
            (
                "[remote]\nlayout = \"chunked\"\n".to_owned(),
                "ketch.toml:2:10: `remote.layout` must be a table, but is of type string",
            ),
            (
                "[executor]\nuse = \"slrum\"\n".to_owned(),
                "ketch.toml:2:7: `executor.use` is `slrum`, but can only be `local` or `slurm`",
            ),
            (
                "[executor.slurm]\nattempts = 0\n".to_owned(),
                "ketch.toml:2:12: `executor.slurm.attempts` must be a whole number from 1 up",
            ),
            (
                "[executor.slurm.stage.fit]\nmemory = 8\n".to_owned(),
                "ketch.toml:2:10: `executor.slurm.stage.fit.memory` must be text, but is of type integer",
            ),
            (
                "[model.m]\nartifact = \"../m\"\n".to_owned(),
                "ketch.toml:2:12: `model.m.artifact` is `../m`, which is not in the project",
            ),
        ] {
            assert_eq!(complaint(&text), expected, "{text}");
        }
        let broken = complaint("[lifecycle\n");
        assert!(broken.starts_with("ketch.toml:1:"), "{broken}");
    }
}
