//! What a stage makes.

use crate::FormatError;
use crate::schema::Source;
use crate::yaml::{Entry, Node, Value};

/// What an output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    Data,
    Metric,
    Plot,
}

/// One output of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    /// Relative to the stage's working directory; or a URL.
    pub path: String,
    pub kind: OutputKind,
    /// Whether the content goes into the cache. Default true.
    pub cache: bool,
    /// Whether the output stays when the stage runs again.
    pub persist: bool,
    /// Whether `push` sends it. Default true.
    pub push: bool,
    /// The remote this output goes to instead of the default one.
    pub remote: Option<String>,
    pub desc: Option<String>,
    pub type_name: Option<String>,
    pub labels: Vec<String>,
    /// Free for any use: DVC does not look inside.
    pub meta: Option<Value>,
    /// How a plot is drawn: a mapping of DVC's plot properties, or a list of such.
    pub plot: Option<Value>,
    /// Where the output is declared, from 1; 0 if nowhere yet.
    pub line: usize,
}

const FLAG_KEYS: &[&str] = &[
    "cache",
    "persist",
    "remote",
    "push",
    "desc",
    "type",
    "labels",
    "meta",
    "checkpoint",
];
const PLOT_KEYS: &[&str] = &[
    "template", "x", "y", "x_label", "y_label", "title", "header",
];

impl OutputSpec {
    /// An output without flags, declared in this line.
    pub fn new(path: String, kind: OutputKind, line: usize) -> Self {
        Self {
            path,
            kind,
            cache: true,
            persist: false,
            push: true,
            remote: None,
            desc: None,
            type_name: None,
            labels: Vec::new(),
            meta: None,
            plot: None,
            line,
        }
    }

    /// Reads `outs`, `metrics` or `plots`: paths, or paths with flags.
    pub(super) fn read_list(
        source: Source<'_>,
        node: &Node,
        what: &str,
        kind: OutputKind,
    ) -> Result<Vec<Self>, FormatError> {
        let mut outs = Vec::new();
        for item in source.list(node, what)? {
            let Some(entries) = item.entries() else {
                let path = source.string(item, what)?;
                outs.push(Self::new(path, kind, item.span().line));
                continue;
            };
            for entry in entries {
                let path = entry.key.to_string();
                let mut out = Self::new(path, kind, entry.key_span.line);
                out.read_flags(source, entry)?;
                outs.push(out);
            }
        }
        Ok(outs)
    }

    fn read_flags(&mut self, source: Source<'_>, entry: &Entry) -> Result<(), FormatError> {
        let node = &entry.value;
        if self.kind == OutputKind::Plot
            && let Some(items) = node.items()
        {
            // Several drawings of one file.
            let mut plots = Vec::new();
            for item in items {
                self.read_flag_mapping(source, item, &entry.key)?;
                plots.extend(self.plot.take());
            }
            self.plot = Some(Value::Sequence(plots));
            return Ok(());
        }
        self.read_flag_mapping(source, node, &entry.key)
    }

    fn read_flag_mapping(
        &mut self,
        source: Source<'_>,
        node: &Node,
        path: &str,
    ) -> Result<(), FormatError> {
        let mut plot = indexmap::IndexMap::new();
        for flag in source.mapping(node, path)? {
            let (key, node) = (flag.key.as_str(), &flag.value);
            match key {
                "cache" => self.cache = source.boolean(node, key)?,
                "persist" => self.persist = source.boolean(node, key)?,
                "push" => self.push = source.boolean(node, key)?,
                "remote" => self.remote = Some(source.string(node, key)?),
                "desc" => self.desc = Some(source.string(node, key)?),
                "type" => self.type_name = Some(source.string(node, key)?),
                "labels" => self.labels = source.list_of_strings(node, key)?,
                "meta" => self.meta = Some(node.to_value()),
                // Of DVC 2; DVC 3 accepts and ignores it.
                "checkpoint" => _ = source.boolean(node, key)?,
                "header" if self.kind == OutputKind::Plot => {
                    plot.insert(flag.key.clone(), Value::Bool(source.boolean(node, key)?));
                }
                _ if self.kind == OutputKind::Plot && PLOT_KEYS.contains(&key) => {
                    let text = source.string(node, key)?;
                    plot.insert(flag.key.clone(), Value::String(text));
                }
                _ if self.kind == OutputKind::Plot => {
                    let allowed = [FLAG_KEYS, PLOT_KEYS].concat();
                    return Err(source.unknown_key(flag, "a plot", &allowed));
                }
                _ => return Err(source.unknown_key(flag, "an output", FLAG_KEYS)),
            }
        }
        self.plot = (!plot.is_empty()).then_some(Value::Mapping(plot));
        Ok(())
    }
}
