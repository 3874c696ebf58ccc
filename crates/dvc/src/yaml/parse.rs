//! Reads one YAML document into nodes that know their place.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};

use super::node::{Entry, Node, NodeKind, Span, Style};
use super::resolve::{float_value, int_value, plain_value};
use super::{Key, Value};
use crate::FormatError;

/// Longest text that is read, in bytes.
pub(crate) const TEXT_LIMIT: usize = 64 << 20;
/// Deepest nesting that is read.
const DEPTH_LIMIT: usize = 128;
/// Most nodes in a document.
const NODE_LIMIT: usize = 4_000_000;
/// Most memory that aliases may add, in bytes: a few lines of YAML can name billions of nodes.
const ALIAS_LIMIT: usize = 16 << 20;

/// What separates tokens: other white space is text.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads a YAML document. An empty text is null.
///
/// `source_name` is what errors call the text, normally its path. Numbers, dates and the rest are
/// told apart as DVC's reader does (YAML 1.2 by ruamel.yaml's rules); aliases are expanded and
/// merge keys merged.
///
/// # Errors
///
/// On a syntax error, a duplicate key, a key that is a collection, a tag that is not one of
/// YAML's own, a second document, more than 64 MiB of text, 4 million nodes, 128 levels, or 16 MiB
/// of expanded aliases.
pub fn parse(text: &str, source_name: &str) -> Result<Node, FormatError> {
    check_length(text, source_name)?;
    let mut options = granit_parser::options! { emit_comments: false };
    options.flow_nesting_limit = DEPTH_LIMIT;
    options.block_nesting_limit = DEPTH_LIMIT;
    let mut reader = Reader {
        text,
        source_name,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        nodes_left: NODE_LIMIT,
        alias_bytes_left: ALIAS_LIMIT,
        last_end: Span::default(),
    };
    reader.document()
}

/// Refuses a text that is too long to be one of DVC's files.
pub(crate) fn check_length(text: &str, source_name: &str) -> Result<(), FormatError> {
    if text.len() <= TEXT_LIMIT {
        return Ok(());
    }
    let mebibytes = text.len() >> 20;
    Err(FormatError::new(
        source_name,
        format!("the text has {mebibytes} MiB, 64 MiB is the limit"),
    )
    .with_hint("check that this is the right file: data belongs in the cache, not in metadata"))
}

struct Reader<'t> {
    text: &'t str,
    source_name: &'t str,
    parser: Parser<'t, granit_parser::StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    nodes_left: usize,
    alias_bytes_left: usize,
    /// Where the last thing that has a text of its own ended.
    last_end: Span,
}

type Item<'t> = (Event<'t>, granit_parser::Span);

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Node, FormatError> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self
                        .error("a second YAML document starts here", to_span(&span))
                        .with_hint("keep one document in the file, without a second `---`"));
                }
                Event::DocumentStart(_, version) => {
                    if let Some(version) = version
                        && (version.major, version.minor) == (1, 1)
                    {
                        return Err(self
                            .error("`%YAML 1.1` documents are not read", to_span(&span))
                            .with_hint("remove the directive: DVC's files are YAML 1.2"));
                    }
                }
                Event::StreamEnd => break,
                _ => root = Some(self.node((event, span), 0)?),
            }
        }
        Ok(root.unwrap_or(Node {
            kind: NodeKind::Scalar(Value::Null),
            span: Span {
                start: 0,
                end: 0,
                line: 1,
                column: 1,
            },
            style: Style::Plain,
            plain_text: Some(String::new()),
            decorated: false,
        }))
    }

    fn next(&mut self) -> Result<Item<'t>, FormatError> {
        match self.parser.next() {
            Some(Ok(item)) => Ok(item),
            Some(Err(error)) => {
                let marker = error.marker();
                Err(FormatError::new(
                    self.source_name,
                    format!("not valid YAML: {}", error.info()),
                )
                .at(self.text, marker.line().max(1), marker.col() + 1))
            }
            None => Err(FormatError::new(
                self.source_name,
                "not valid YAML: the text ends early",
            )),
        }
    }

    fn node(&mut self, (event, span): Item<'t>, depth: usize) -> Result<Node, FormatError> {
        // A block collection has no text where it starts; only a scalar can be absent.
        let place = match &event {
            Event::Scalar(..) => self.place(&span),
            _ => to_span(&span),
        };
        if depth > DEPTH_LIMIT {
            return Err(self.error("nested deeper than 128 levels", place));
        }
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| self.error("more than 4 million values", place))?;
        let (mut node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                let mut node = self.scalar(&text, style, tag.as_deref(), place)?;
                node.decorated = anchor != 0 || tag.is_some();
                (node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", place)?;
                let mut items: Vec<Node> = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, span) => break to_span(&span).end,
                        item => {
                            let mut node = self.node(item, depth + 1)?;
                            let from = items.last().map_or(place.start, |last| last.span.end);
                            if node.span.end == node.span.start
                                && let Some(at) = self.behind_dash(from)
                            {
                                node.span = Span {
                                    start: at,
                                    end: at,
                                    ..node.span
                                };
                            }
                            items.push(node);
                        }
                    }
                };
                let last = items.last().map(|item| item.span.end);
                let span = collection_span(place, style, last, end);
                (
                    collection(
                        NodeKind::Sequence(items),
                        span,
                        style,
                        anchor,
                        tag.is_some(),
                    ),
                    anchor,
                )
            }
            Event::MappingStart(style, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", place)?;
                let (entries, last, end) = self.entries(depth)?;
                let span = collection_span(place, style, last, end);
                (
                    collection(
                        NodeKind::Mapping(entries),
                        span,
                        style,
                        anchor,
                        tag.is_some(),
                    ),
                    anchor,
                )
            }
            _ => return Err(self.error("not valid YAML: a value is missing", place)),
        };
        if anchor != 0 {
            node.decorated = true;
            let copy = self.copy(&node, place)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    /// Where a value starts and ends. One that is not written (`key:`) stands behind its `:` or
    /// `-`, not where the parser noticed that there is nothing.
    fn place(&mut self, span: &granit_parser::Span) -> Span {
        let place = to_span(span);
        if place.end > place.start {
            self.last_end = Span {
                start: place.end,
                end: place.end,
                line: span.end.line().max(1),
                column: span.end.col() + 1,
            };
            return place;
        }
        let behind = self
            .text
            .get(..place.start)
            .map_or(place.start, |text| text.trim_end_matches(BLANKS).len());
        let at = behind.max(self.last_end.end);
        Span {
            start: at,
            end: at,
            ..self.last_end
        }
    }

    /// Moves the start of a sequence whose dashes stand in its key's column to the first dash: the
    /// parser gives the place behind it.
    fn settle_sequence(&self, key: &Node, value: &mut Node) {
        let NodeKind::Sequence(items) = &mut value.kind else {
            return;
        };
        if value.style != Style::Block || value.decorated {
            return;
        }
        let colon = self
            .text
            .get(key.span.end..)
            .and_then(|rest| rest.find(':'));
        let Some(behind) = colon.and_then(|at| self.behind_dash(key.span.end + at + 1)) else {
            return;
        };
        let dash = behind - 1;
        let between = &self.text[key.span.start..dash];
        let line = self.text[..dash].rfind('\n').map_or(0, |at| at + 1);
        value.span.start = dash;
        value.span.line = key.span.line + between.matches('\n').count();
        value.span.column = self.text[line..dash].chars().count() + 1;
        if let [first, ..] = items.as_mut_slice()
            && first.span.end == first.span.start
        {
            first.span.start = behind;
            first.span.end = behind;
        }
        value.span.end = items.last().map_or(behind, |item| item.span.end);
    }

    /// The offset behind the next `-`, where only blanks and comments are before it.
    fn behind_dash(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let rest = self.text.get(at..)?;
            at += rest.len() - rest.trim_start_matches(BLANKS).len();
            match self.text.as_bytes().get(at)? {
                b'#' => at += self.text[at..].find('\n')?,
                b'-' => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// A copy that counts against the limit for aliases.
    fn copy(&mut self, node: &Node, place: Span) -> Result<Node, FormatError> {
        let weight = node.weight(self.alias_bytes_left);
        self.alias_bytes_left = self.alias_bytes_left.checked_sub(weight).ok_or_else(|| {
            self.error("anchors and aliases expand to more than 16 MiB", place)
                .with_hint("write the values out, or use fewer aliases")
        })?;
        Ok(node.clone())
    }

    fn alias(&mut self, anchor: usize, place: Span) -> Result<Node, FormatError> {
        // An alias inside the node it names is not in the table yet.
        let Some(target) = self.anchors.remove(&anchor) else {
            return Err(self.error("the alias names a value that contains it", place));
        };
        let copy = self.copy(&target, place);
        self.anchors.insert(anchor, target);
        Ok(Node {
            span: place,
            style: Style::Alias,
            decorated: true,
            ..copy?
        })
    }

    /// The entries of a mapping, the end of the last one and the end of the mapping.
    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, Option<usize>, usize), FormatError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut seen = HashSet::new();
        let mut last = None;
        let end = loop {
            let (event, span) = match self.next()? {
                (Event::MappingEnd, span) => break to_span(&span).end,
                item => item,
            };
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node((event, span), depth + 1)?;
            let item = self.next()?;
            let mut value = self.node(item, depth + 1)?;
            if value.span.end == value.span.start
                && let Some(behind) = self.text.get(key.span.end..)
                && behind.trim_start_matches(BLANKS).starts_with(':')
            {
                let colon = key.span.end + behind.find(':').unwrap_or_default();
                let at = (colon + 1).max(value.span.start);
                value.span = Span {
                    start: at,
                    end: at,
                    ..value.span
                };
            }
            self.settle_sequence(&key, &mut value);
            last = Some(value.span.end.max(key.span.end));
            if is_merge {
                self.merge(&value, &mut merged)?;
                continue;
            }
            let Some(name) = key.scalar().cloned().and_then(Key::from_scalar) else {
                return Err(self
                    .error(format!("a key cannot be {}", key.kind_name()), key.span)
                    .with_hint("quote the key if it is meant as text"));
            };
            if !seen.insert(name.clone()) {
                return Err(self
                    .error(format!("duplicate key `{name}`"), key.span)
                    .with_hint("keep one of the two: DVC refuses a file with both"));
            }
            entries.push(Entry {
                key: name,
                key_span: key.span,
                value,
                merged: false,
            });
        };
        // What is written in the mapping itself wins, and merged keys come first.
        merged.retain(|entry| !seen.contains(&entry.key));
        merged.append(&mut entries);
        Ok((merged, last, end))
    }

    fn merge(&mut self, value: &Node, merged: &mut Vec<Entry>) -> Result<(), FormatError> {
        let sources = match &value.kind {
            NodeKind::Mapping(_) => std::slice::from_ref(value),
            NodeKind::Sequence(items) => items.as_slice(),
            NodeKind::Scalar(_) => &[],
        };
        if sources.iter().any(|source| source.entries().is_none())
            || matches!(value.kind, NodeKind::Scalar(_))
        {
            return Err(self
                .error("`<<` takes a mapping or a list of mappings", value.span)
                .with_hint("name one with an alias: `<<: *base`"));
        }
        for entry in sources.iter().filter_map(Node::entries).flatten() {
            if merged.iter().all(|other| other.key != entry.key) {
                merged.push(Entry {
                    merged: true,
                    ..entry.clone()
                });
            }
        }
        Ok(())
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<Node, FormatError> {
        let plain = style == ScalarStyle::Plain;
        let value = match tag.map(core_suffix) {
            None if plain => plain_value(text),
            None | Some(Some("str")) => Value::String(text.to_owned()),
            Some(Some(suffix)) => self.tagged(text, suffix, span)?,
            Some(None) => return Err(self.unknown_tag(span)),
        };
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::BlockText,
        };
        // What is not written at all is a `~` to the parser.
        let absent = span.start == span.end;
        let plain_text = plain.then(|| {
            if absent {
                String::new()
            } else {
                text.to_owned()
            }
        });
        Ok(Node {
            kind: NodeKind::Scalar(value),
            span,
            style,
            plain_text,
            decorated: false,
        })
    }

    fn tagged(&self, text: &str, suffix: &str, span: Span) -> Result<Value, FormatError> {
        let value = match suffix {
            "int" => int_value(text),
            "float" => float_value(text).map(Value::Float),
            "bool" => match plain_value(&text.to_ascii_lowercase()) {
                Value::Bool(value) => Some(Value::Bool(value)),
                _ => None,
            },
            "null" => Some(Value::Null),
            _ => return Err(self.unknown_tag(span)),
        };
        value
            .ok_or_else(|| self.error(format!("the value does not fit its tag `!!{suffix}`"), span))
    }

    fn check_tag(&self, tag: Option<&Tag>, suffix: &str, span: Span) -> Result<(), FormatError> {
        match tag.map(core_suffix) {
            None => Ok(()),
            Some(found) if found == Some(suffix) => Ok(()),
            Some(_) => Err(self.unknown_tag(span)),
        }
    }

    fn unknown_tag(&self, span: Span) -> FormatError {
        self.error("the value has a tag that DVC does not know", span)
            .with_hint("remove the tag (`!name` before the value), or quote the value")
    }

    fn error(&self, message: impl Into<String>, span: Span) -> FormatError {
        FormatError::new(self.source_name, message).at_span(self.text, span)
    }
}

fn core_suffix(tag: &Tag) -> Option<&str> {
    tag.core_suffix()
}

fn to_span(span: &granit_parser::Span) -> Span {
    Span {
        start: span.start.byte_offset().unwrap_or_default(),
        end: span.end.byte_offset().unwrap_or_default(),
        line: span.start.line().max(1),
        column: span.start.col() + 1,
    }
}

/// A block collection ends where its last value does; a flow collection with its bracket.
fn collection_span(start: Span, style: StructureStyle, last: Option<usize>, end: usize) -> Span {
    let end = match (style, last) {
        (StructureStyle::Block, Some(last)) => last,
        _ => end,
    };
    Span {
        end: end.max(start.start),
        ..start
    }
}

fn collection(
    kind: NodeKind,
    span: Span,
    style: StructureStyle,
    anchor: usize,
    tagged: bool,
) -> Node {
    let style = match style {
        StructureStyle::Block => Style::Block,
        StructureStyle::Flow => Style::Flow,
    };
    Node {
        kind,
        span,
        style,
        plain_text: None,
        decorated: anchor != 0 || tagged,
    }
}
