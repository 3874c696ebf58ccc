//! One stage of a pipeline.

use indexmap::IndexMap;

use super::output::{OutputKind, OutputSpec};
use crate::FormatError;
use crate::schema::Source;
use crate::yaml::{Entry, Node, Value};

/// A stage as `dvc.yaml` defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSpec {
    /// The commands as they are written: one for a text, several for a list.
    pub command: Vec<String>,
    /// Whether `cmd` is a list, which is what `dvc.lock` then has.
    pub command_is_list: bool,
    /// Relative to the file's directory. The stage's paths are relative to it.
    pub wdir: Option<String>,
    pub deps: Vec<String>,
    /// One for each file, in the order they are first named.
    pub params: Vec<ParamSpec>,
    /// Outputs, then metrics, then plots.
    pub outs: Vec<OutputSpec>,
    /// Whether the stage is taken as up to date.
    pub frozen: bool,
    /// Whether the stage always runs.
    pub always_changed: bool,
    pub desc: Option<String>,
    /// Free for any use: DVC does not look inside.
    pub meta: Option<Value>,
    /// Where the stage is defined, from 1; 0 if nowhere yet.
    pub line: usize,
    /// The `foreach` or `matrix` that makes the stage, if one does.
    pub group: Option<String>,
    /// What templates named in parameter files, relative to the folder of `dvc.yaml`.
    pub template_params: Vec<ParamSpec>,
}

/// The parameters a stage depends on, in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// Relative to the stage's working directory.
    pub file: String,
    /// Dotted names; none means every parameter of the file.
    pub keys: Option<Vec<String>>,
}

const KEYS: &[&str] = &[
    "cmd",
    "wdir",
    "deps",
    "params",
    "outs",
    "metrics",
    "plots",
    "frozen",
    "always_changed",
    "desc",
    "meta",
    "vars",
    "matrix",
    "foreach",
];
pub(super) const DEFAULT_PARAMS_FILE: &str = "params.yaml";

impl StageSpec {
    /// A stage that runs one command and needs and makes nothing.
    pub fn new(command: String) -> Self {
        Self {
            command: vec![command],
            command_is_list: false,
            wdir: None,
            deps: Vec::new(),
            params: Vec::new(),
            outs: Vec::new(),
            frozen: false,
            always_changed: false,
            desc: None,
            meta: None,
            line: 0,
            group: None,
            template_params: Vec::new(),
        }
    }

    /// `cmd` as it stands in `dvc.lock`: text, or a list.
    pub fn command_value(&self) -> Value {
        match self.command.as_slice() {
            [command] if !self.command_is_list => Value::from(command.as_str()),
            commands => Value::Sequence(commands.iter().map(|c| Value::from(c.as_str())).collect()),
        }
    }

    /// The commands in the order they run, each in a shell of its own: the items of a list, or the
    /// lines of a text.
    pub fn commands_to_run(&self) -> Vec<String> {
        if self.command_is_list {
            return self.command.clone();
        }
        let lines = self.command.iter().flat_map(|command| command.lines());
        lines.map(str::to_owned).collect()
    }

    pub(super) fn read(source: Source<'_>, entry: &Entry) -> Result<Self, FormatError> {
        let mut stage = Self {
            command: Vec::new(),
            line: entry.key_span.line,
            ..Self::new(String::new())
        };
        let what = format!("stage `{}`", entry.key);
        let mut outs: [Vec<OutputSpec>; 3] = Default::default();
        for item in source.mapping(&entry.value, &entry.key)? {
            let (key, node) = (item.key.as_str(), &item.value);
            match key {
                "cmd" => stage.read_command(source, node)?,
                "wdir" => stage.wdir = Some(source.string(node, key)?),
                "deps" => stage.deps = source.list_of_strings(node, key)?,
                "params" => stage.params = read_params(source, node)?,
                "outs" => outs[0] = OutputSpec::read_list(source, node, key, OutputKind::Data)?,
                "metrics" => {
                    outs[1] = OutputSpec::read_list(source, node, key, OutputKind::Metric)?;
                }
                "plots" => outs[2] = OutputSpec::read_list(source, node, key, OutputKind::Plot)?,
                "frozen" => stage.frozen = source.boolean(node, key)?,
                "always_changed" => stage.always_changed = source.boolean(node, key)?,
                "desc" => stage.desc = Some(source.string(node, key)?),
                "meta" => stage.meta = Some(node.to_value()),
                // Filled in by now, but for the look at the types before that.
                "vars" => _ = source.list(node, key)?,
                _ => return Err(source.unknown_key(item, &what, KEYS)),
            }
        }
        if stage.command.is_empty() {
            return Err(source
                .error(entry.key_span, format!("{what} has no `cmd`"))
                .with_hint("add `cmd: …`, the command that makes the outputs"));
        }
        stage.outs = outs.into_iter().flatten().collect();
        Ok(stage)
    }

    fn read_command(&mut self, source: Source<'_>, node: &Node) -> Result<(), FormatError> {
        self.command_is_list = node.items().is_some();
        self.command = if self.command_is_list {
            source.list_of_strings(node, "cmd")?
        } else {
            vec![source.string(node, "cmd")?]
        };
        if self.command.iter().all(|command| command.trim().is_empty()) {
            return Err(source.error(node.span(), "`cmd` is empty"));
        }
        Ok(())
    }
}

/// `params`: names in `params.yaml`, and mappings from a file to its names or to nothing.
fn read_params(source: Source<'_>, node: &Node) -> Result<Vec<ParamSpec>, FormatError> {
    let mut files: IndexMap<String, Vec<String>> = IndexMap::new();
    for item in source.list(node, "params")? {
        let Some(entries) = item.entries() else {
            let key = source.string(item, "params")?;
            files
                .entry(DEFAULT_PARAMS_FILE.to_owned())
                .or_default()
                .push(key);
            continue;
        };
        for entry in entries {
            let file = entry.key.to_string();
            let keys = files.entry(file).or_default();
            if !entry.value.is_null() {
                keys.extend(source.list_of_strings(&entry.value, &entry.key)?);
            }
        }
    }
    let params = files.into_iter().map(|(file, mut keys)| {
        // A file that is named twice, whole and in part, counts in part: as in DVC.
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        ParamSpec {
            file,
            keys: (!keys.is_empty()).then_some(keys),
        }
    });
    Ok(params.collect())
}
