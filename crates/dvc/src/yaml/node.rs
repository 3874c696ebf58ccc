//! A parsed YAML node that remembers where it stood.

use super::{Key, Value};

/// Where something stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset behind the last byte.
    pub end: usize,
    /// Line of the start, from 1.
    pub line: usize,
    /// Column of the start in characters, from 1.
    pub column: usize,
}

/// How a node was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    Plain,
    /// A scalar in single or double quotes.
    Quoted,
    /// A `|` or `>` scalar.
    BlockText,
    /// A `- item` sequence or a `key: value` mapping.
    Block,
    /// A `[…]` sequence or a `{…}` mapping.
    Flow,
    /// A `*name` that stands for a node written elsewhere.
    Alias,
}

/// A YAML node and its place in the text.
#[derive(Debug, Clone)]
pub struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Span,
    pub(super) style: Style,
    /// A plain scalar's text as it was written: what a hash that looks like a number is read from.
    pub(super) plain_text: Option<String>,
    /// Whether the node has an anchor or a tag before it, which a text edit must not touch.
    pub(super) decorated: bool,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Anything but a sequence or a mapping.
    Scalar(Value),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    pub key_span: Span,
    pub value: Node,
    /// Whether the entry came through a merge key (`<<: *base`).
    pub merged: bool,
}

impl Node {
    /// What the node holds.
    pub fn kind(&self) -> &NodeKind {
        &self.kind
    }

    /// Where the node stands. An alias' span is that of `*name`.
    pub fn span(&self) -> Span {
        self.span
    }

    /// How the node was written.
    pub fn style(&self) -> Style {
        self.style
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry whose key is the text `key`, or else one that is not text and reads as `key`.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        let entries = self.entries()?;
        let of_text = entries.iter().find(|entry| entry.key == key);
        of_text.or_else(|| entries.iter().find(|entry| entry.key.as_str() == key))
    }

    /// The entries, if this is a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a sequence.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value, if this is a scalar.
    pub fn scalar(&self) -> Option<&Value> {
        match &self.kind {
            NodeKind::Scalar(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        self.scalar().and_then(Value::as_str)
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar(Value::Null))
    }

    /// The text of a string, or of an unquoted scalar as it was written.
    pub(crate) fn text(&self) -> Option<&str> {
        self.plain_text.as_deref().or_else(|| self.as_str())
    }

    /// What the node is, for a message.
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            NodeKind::Scalar(value) => value.kind_name(),
            NodeKind::Sequence(_) => "a list",
            NodeKind::Mapping(_) => "a mapping",
        }
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::Sequence(items) => {
                Value::Sequence(items.iter().map(Self::to_value).collect())
            }
            NodeKind::Mapping(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_value()))
                    .collect(),
            ),
        }
    }

    /// A node that stands for a value which was written elsewhere, at the place it was asked for.
    pub(crate) fn of_value(value: &Value, span: Span) -> Self {
        match value {
            Value::Sequence(items) => {
                Self::sequence(items.iter().map(|item| Self::of_value(item, span)), span)
            }
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| Entry {
                    key: key.clone(),
                    key_span: span,
                    value: Self::of_value(value, span),
                    merged: false,
                });
                Self::mapping(entries.collect(), span)
            }
            scalar => Self::new(NodeKind::Scalar(scalar.clone()), Style::Plain, span),
        }
    }

    /// A sequence of nodes.
    pub(crate) fn sequence(items: impl IntoIterator<Item = Self>, span: Span) -> Self {
        let items = items.into_iter().collect();
        Self::new(NodeKind::Sequence(items), Style::Block, span)
    }

    /// A mapping of entries.
    pub(crate) fn mapping(entries: Vec<Entry>, span: Span) -> Self {
        Self::new(NodeKind::Mapping(entries), Style::Block, span)
    }

    fn new(kind: NodeKind, style: Style, span: Span) -> Self {
        Self {
            kind,
            span,
            style,
            plain_text: None,
            decorated: false,
        }
    }

    /// How much memory a copy takes, roughly, in bytes; counts no further than `limit`.
    pub(super) fn weight(&self, limit: usize) -> usize {
        let own = size_of::<Self>() + self.plain_text.as_ref().map_or(0, String::len);
        match &self.kind {
            NodeKind::Scalar(Value::String(text)) => own + text.len(),
            NodeKind::Scalar(_) => own,
            NodeKind::Sequence(items) => items.iter().fold(own, |sum, item| {
                if sum > limit {
                    sum
                } else {
                    sum + item.weight(limit)
                }
            }),
            NodeKind::Mapping(entries) => entries.iter().fold(own, |sum, entry| {
                if sum > limit {
                    sum
                } else {
                    sum + entry.key.len() + entry.value.weight(limit)
                }
            }),
        }
    }
}
