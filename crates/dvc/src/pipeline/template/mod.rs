//! `vars`, `${…}`, `foreach` and `matrix`: `dvc.yaml` before DVC fills it in.
//!
//! Names come from `params.yaml` beside the file, from what `vars` names, and from the item that a
//! stage is made for (<https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#templating>).
//! What is filled in keeps its place in the text, so that an error points there.

mod context;
mod expression;
mod generate;
mod text;

use std::cell::{Cell, RefCell};
use std::io;

use indexmap::IndexMap;

use self::context::{Context, Source as ValueSource};
use self::expression::{Match, is_template, matches};
pub use self::text::{BooleanOptions, ListOptions, OptionStyle};
use self::text::{options, scalar_text};
use super::stage::ParamSpec;
use crate::FormatError;
use crate::params;
use crate::schema::Source;
use crate::yaml::{Entry, Key, Node, NodeKind, Span, Value};

pub(super) use self::generate::stages;

/// What templates are filled in from.
#[derive(Clone, Copy)]
pub struct TemplateFiles<'f> {
    /// The text of a parameter file, by its path relative to the folder of `dvc.yaml`; none where
    /// there is no such file.
    pub read: &'f dyn Fn(&str) -> io::Result<Option<String>>,
    /// How mappings in commands become options.
    pub options: OptionStyle,
}

impl TemplateFiles<'_> {
    /// No parameter files at all.
    pub const NONE: Self = TemplateFiles {
        read: &|_| Ok(None),
        options: OptionStyle {
            booleans: BooleanOptions::StoreTrue,
            lists: ListOptions::Nargs,
        },
    };
}

const DEFAULT_PARAMS_FILE: &str = "params.yaml";
/// How much text templates may become in one file, in bytes: values that hold each other would
/// fill the memory.
const TEXT_LIMIT: usize = 64 << 20;

/// Fills in one file.
pub(super) struct Resolver<'s> {
    source: Source<'s>,
    files: TemplateFiles<'s>,
    /// What the whole file can name.
    context: Context,
    /// Parameter files that were read.
    read: RefCell<IndexMap<String, Option<IndexMap<Key, Value>>>>,
    /// Bytes filled in so far.
    written: Cell<usize>,
    /// What nobody asks for: parameters named outside of stages.
    unused: RefCell<IndexMap<String, Vec<String>>>,
}

/// What can be named at one place, and where a mapping may stand.
#[derive(Clone, Copy)]
struct Place<'c> {
    context: &'c Context,
    allowed: Allowed,
    /// Parameters of files that were named.
    used: &'c RefCell<IndexMap<String, Vec<String>>>,
}

/// What a `${…}` may stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Scalars; they become text.
    Text,
    /// Scalars, and mappings that become options.
    Command,
    /// Scalars, which keep their type.
    Scalars,
    /// Anything, as it is.
    Anything,
}

impl<'s> Resolver<'s> {
    /// Reads `params.yaml` and the file's `vars`.
    pub(super) fn new(
        source: Source<'s>,
        vars: Option<&Node>,
        files: TemplateFiles<'s>,
    ) -> Result<Self, FormatError> {
        let mut resolver = Self {
            source,
            files,
            context: Context::default(),
            read: RefCell::default(),
            written: Cell::new(0),
            unused: RefCell::default(),
        };
        let mut context = Context::default();
        // Most pipelines need no file.
        if ["${", "vars"].iter().any(|word| source.text.contains(word)) {
            resolver.load_defaults(&mut context)?;
        }
        if let Some(vars) = vars {
            resolver.load_vars(&mut context, vars, "", "")?;
        }
        resolver.context = context;
        Ok(resolver)
    }

    fn load_defaults(&self, context: &mut Context) -> Result<(), FormatError> {
        if let Some(values) = self.file(DEFAULT_PARAMS_FILE, None)? {
            let problem = |message: String| FormatError::new(self.source.name, message);
            context
                .wants_file(DEFAULT_PARAMS_FILE, None)
                .map_err(problem)?;
            let from = ValueSource::File(DEFAULT_PARAMS_FILE.into());
            context.merge(&values, &from).map_err(problem)?;
        }
        Ok(())
    }

    /// Takes in a list of files and mappings; `folder` is what files are relative to, below that
    /// of `dvc.yaml`.
    fn load_vars(
        &self,
        context: &mut Context,
        vars: &Node,
        folder: &str,
        stage: &str,
    ) -> Result<(), FormatError> {
        for (place, item) in self.source.list(vars, "vars")?.iter().enumerate() {
            refuse_templates(self.source, item)?;
            let at = |message: String| self.source.error(item.span(), message);
            if let Some(text) = item.as_str() {
                let (path, keys) = match text.split_once(':') {
                    Some((path, keys)) => {
                        let keys: Vec<String> = keys
                            .split(',')
                            .filter(|key| !key.is_empty())
                            .map(str::to_owned)
                            .collect();
                        (path, (!keys.is_empty()).then_some(keys))
                    }
                    None => (text, None),
                };
                let path = join(folder, path);
                if !context.wants_file(&path, keys.as_deref()).map_err(at)? {
                    continue;
                }
                let mut values = self.file(&path, Some(item.span()))?.ok_or_else(|| {
                    at(format!("there is no file `{path}`"))
                        .with_hint("paths in `vars` are relative to the folder of dvc.yaml, those of a stage to its `wdir`")
                })?;
                if let Some(keys) = keys {
                    if let Some(gone) = keys.iter().find(|key| !values.contains_key(key.as_str())) {
                        return Err(at(format!("`{path}` has no `{gone}`")));
                    }
                    values.retain(|key, _| keys.iter().any(|wanted| key == wanted));
                }
                let from = ValueSource::File(path.as_str().into());
                context.merge(&values, &from).map_err(at)?;
            } else if let Some(values) = item.to_value().as_mapping() {
                let joiner = if stage.is_empty() { "" } else { "." };
                let name = format!("{stage}{joiner}vars[{place}]");
                let from = ValueSource::Inline(name.as_str().into());
                context.merge(values, &from).map_err(at)?;
            } else {
                return Err(at(format!(
                    "an item of `vars` must be a path or a mapping, not {}",
                    item.kind_name()
                )));
            }
        }
        Ok(())
    }

    /// The parameters in a file; none where it is not there.
    fn file(
        &self,
        path: &str,
        asked: Option<Span>,
    ) -> Result<Option<IndexMap<Key, Value>>, FormatError> {
        if let Some(known) = self.read.borrow().get(path) {
            return Ok(known.clone());
        }
        let values = match (self.files.read)(path) {
            Ok(None) => None,
            Ok(Some(text)) => match params::parse(path, &text)? {
                Value::Mapping(values) => Some(values),
                other => {
                    return Err(FormatError::new(
                        path,
                        format!("parameters must be a mapping, not {}", other.kind_name()),
                    ));
                }
            },
            Err(error) => {
                let message = format!("cannot read `{path}`: {error}");
                return Err(match asked {
                    Some(span) => self.source.error(span, message),
                    None => FormatError::new(self.source.name, message),
                });
            }
        };
        self.read
            .borrow_mut()
            .insert(path.to_owned(), values.clone());
        Ok(values)
    }

    /// A part of the file that is no stage, where a template may stand for anything.
    pub(super) fn resolve_top(&self, node: &Node) -> Result<Node, FormatError> {
        self.node(node, self.anything())
    }

    /// A place where a template may stand for anything.
    fn anything(&self) -> Place<'_> {
        Place {
            context: &self.context,
            allowed: Allowed::Anything,
            used: &self.unused,
        }
    }

    /// A stage as its entry defines it, with what `context` knows and the stage's own `vars`; and
    /// the parameters that it named.
    fn resolve_stage(
        &self,
        name: &str,
        entry: &Entry,
        context: &Context,
    ) -> Result<(Entry, Vec<ParamSpec>), FormatError> {
        let used = RefCell::default();
        let entries = self.source.mapping(&entry.value, name)?;
        let own;
        let mut context = context;
        if let Some(vars) = entry.value.get("vars") {
            let place = Place {
                context,
                allowed: Allowed::Text,
                used: &used,
            };
            let folder = match entry.value.get("wdir") {
                Some(wdir) => {
                    let wdir = self.node(wdir, place)?;
                    self.source.string(&wdir, "wdir")?
                }
                None => String::new(),
            };
            let mut more = context.clone();
            self.load_vars(&mut more, vars, &folder, name)?;
            own = more;
            context = &own;
        }
        let mut resolved = Vec::with_capacity(entries.len());
        for entry in entries.iter().filter(|entry| entry.key != "vars") {
            let allowed = match entry.key.as_str() {
                "cmd" => Allowed::Command,
                "meta" => Allowed::Scalars,
                _ => Allowed::Text,
            };
            let place = Place {
                context,
                allowed,
                used: &used,
            };
            resolved.push(Entry {
                value: self.node(&entry.value, place)?,
                ..entry.clone()
            });
        }
        let params = used.into_inner().into_iter().map(|(file, keys)| ParamSpec {
            file,
            keys: Some(keys),
        });
        let resolved = Entry {
            key: Key::from(name),
            key_span: entry.key_span,
            value: Node::mapping(resolved, entry.value.span()),
            merged: entry.merged,
        };
        Ok((resolved, params.collect()))
    }

    fn node(&self, node: &Node, place: Place<'_>) -> Result<Node, FormatError> {
        match node.kind() {
            NodeKind::Scalar(Value::String(text)) => {
                let value = self.fill_in(text, node.span(), place)?;
                Ok(match value {
                    // What was not filled in keeps how it was written.
                    Value::String(same) if same == *text => node.clone(),
                    value => Node::of_value(&value, node.span()),
                })
            }
            NodeKind::Scalar(_) => Ok(node.clone()),
            NodeKind::Sequence(items) => {
                let items: Vec<Node> = items
                    .iter()
                    .map(|item| self.node(item, place))
                    .collect::<Result<_, _>>()?;
                Ok(Node::sequence(items, node.span()))
            }
            NodeKind::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|entry| self.entry(entry, place))
                    .collect::<Result<_, _>>()?;
                Ok(Node::mapping(entries, node.span()))
            }
        }
    }

    fn entry(&self, entry: &Entry, place: Place<'_>) -> Result<Entry, FormatError> {
        let key = if entry.key.is_text() {
            let text = Place {
                allowed: Allowed::Text,
                ..place
            };
            let value = self.fill_in(&entry.key, entry.key_span, text)?;
            Key::from_scalar(value).unwrap_or_else(|| entry.key.clone())
        } else {
            entry.key.clone()
        };
        // An output's `meta` is free for any use.
        let inner = if entry.key == "meta" && place.allowed == Allowed::Text {
            Place {
                allowed: Allowed::Scalars,
                ..place
            }
        } else {
            place
        };
        Ok(Entry {
            key,
            key_span: entry.key_span,
            value: self.node(&entry.value, inner)?,
            merged: entry.merged,
        })
    }

    /// A text with every `${…}` replaced, and `\${` turned into `${`. A text that is one template
    /// is the value itself.
    fn fill_in(&self, text: &str, span: Span, place: Place<'_>) -> Result<Value, FormatError> {
        let found = matches(text);
        if let [only] = found.as_slice()
            && only.start == 0
            && only.end == text.len()
        {
            let value = self.value_of(*only, span, place)?;
            self.count(&value, span)?;
            return match (place.allowed, &value) {
                (Allowed::Anything | Allowed::Scalars, _) => Ok(value),
                (Allowed::Text | Allowed::Command, _) => scalar_text(&value)
                    .map(Value::String)
                    .ok_or_else(|| self.not_here(*only, span, &value)),
            };
        }
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for one in found {
            let value = self.value_of(one, span, place)?;
            let filled = match (&value, place.allowed) {
                (Value::Mapping(_), Allowed::Command | Allowed::Anything) => {
                    options(&value, self.files.options).map_err(|name| {
                        self.at(one, span, format!("the list `{name}` has a list in it"))
                    })?
                }
                _ => scalar_text(&value).ok_or_else(|| self.not_here(one, span, &value))?,
            };
            self.add(filled.len(), span)?;
            out.push_str(&text[end..one.start]);
            out.push_str(&filled);
            end = one.end;
        }
        out.push_str(&text[end..]);
        Ok(Value::String(out.replace("\\${", "${")))
    }

    fn value_of(&self, one: Match<'_>, span: Span, place: Place<'_>) -> Result<Value, FormatError> {
        let steps = expression::parse(one.inner).map_err(|(offset, message)| {
            let inner: String = one.inner.chars().take(60).collect();
            let error = self.at(one, span, format!("in `${{{inner}}}` {message}"));
            let before: String = one.inner.chars().take(offset).collect();
            error.with_hint(format!(
                "behind `${{{before}`; a template is a name like `train.layers[0]`, and `\\${{` keeps `${{` for the shell"
            ))
        })?;
        let found = place.context.look_up(&steps).map_err(|message| {
            self.at(one, span, format!("{message} (in `${{{}}}`)", one.inner))
                .with_hint("names come from params.yaml beside dvc.yaml, and from `vars`; to keep `${` as it is for the shell, write `\\${`")
        })?;
        if let Some(origin) = &found.origin
            && let ValueSource::File(file) = &origin.source
        {
            let mut used = place.used.borrow_mut();
            let keys = used.entry(file.to_string()).or_default();
            if !keys.contains(&origin.path) {
                keys.push(origin.path.clone());
            }
        }
        if place.allowed == Allowed::Scalars
            && matches!(found.value, Value::Mapping(_) | Value::Sequence(_))
        {
            return Err(self.not_here(one, span, &found.value));
        }
        Ok(found.value)
    }

    fn not_here(&self, one: Match<'_>, span: Span, value: &Value) -> FormatError {
        let message = format!(
            "`${{{}}}` is {}, which cannot stand here",
            one.inner,
            value.kind_name()
        );
        self.at(one, span, message)
            .with_hint("a mapping can stand in a `cmd`, beside other text; a list only in `foreach` and `matrix`")
    }

    /// An error at a template: where it is written, if the text shows it, else where its scalar
    /// begins.
    fn at(&self, one: Match<'_>, span: Span, message: String) -> FormatError {
        let written = self.source.text.get(span.start..span.end);
        let template = format!("${{{}}}", one.inner);
        let Some(offset) = written.and_then(|written| written.find(&template)) else {
            return self.source.error(span, message);
        };
        let before = &self.source.text[span.start..span.start + offset];
        let place = match before.rsplit_once('\n') {
            None => Span {
                column: span.column + before.chars().count(),
                ..span
            },
            Some((lines, last)) => Span {
                line: span.line + lines.matches('\n').count() + 1,
                column: last.chars().count() + 1,
                ..span
            },
        };
        self.source.error(place, message)
    }

    fn count(&self, value: &Value, span: Span) -> Result<(), FormatError> {
        fn size(value: &Value) -> usize {
            match value {
                Value::String(text) | Value::BigInt(text) | Value::Timestamp(text) => text.len(),
                Value::Sequence(items) => items.iter().map(|item| 32 + size(item)).sum(),
                Value::Mapping(entries) => entries
                    .iter()
                    .map(|(key, value)| 32 + key.len() + size(value))
                    .sum(),
                _ => 8,
            }
        }
        self.add(size(value), span)
    }

    fn add(&self, more: usize, span: Span) -> Result<(), FormatError> {
        self.written.set(self.written.get().saturating_add(more));
        if self.written.get() > TEXT_LIMIT {
            return Err(self.source.error(
                span,
                format!("the templates of this file become more than {TEXT_LIMIT} bytes"),
            ));
        }
        Ok(())
    }
}

/// `vars` are what templates are filled in from; they have none.
fn refuse_templates(source: Source<'_>, node: &Node) -> Result<(), FormatError> {
    let refused = |span: Span, text: &str| {
        if is_template(text) {
            return Err(source.error(span, "there can be no templates in `vars`"));
        }
        Ok(())
    };
    match node.kind() {
        NodeKind::Scalar(value) => value
            .as_str()
            .map_or(Ok(()), |text| refused(node.span(), text)),
        NodeKind::Sequence(items) => items
            .iter()
            .try_for_each(|item| refuse_templates(source, item)),
        NodeKind::Mapping(entries) => entries.iter().try_for_each(|entry| {
            refused(entry.key_span, &entry.key)?;
            refuse_templates(source, &entry.value)
        }),
    }
}

/// A path below a folder, without `.` and with `..` taken back where it can be.
fn join(folder: &str, path: &str) -> String {
    let whole = if folder.is_empty() || path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let root = if whole.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}
