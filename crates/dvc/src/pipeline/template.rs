//! `${…}`: what DVC would substitute, and what a user escaped so that it is not.

use indexmap::IndexMap;

use crate::FormatError;
use crate::schema::Source;
use crate::yaml::{Key, Node, NodeKind, Span, Value};

/// The error for a part of `dvc.yaml` that is not read yet.
pub(super) fn not_read_yet(source: Source<'_>, span: Span, what: &str) -> FormatError {
    source
        .error(span, format!("{what} is not read yet"))
        .with_hint("write the value out; to keep `${` as it is for the shell, write `\\${`")
}

/// The text with `\${` turned into `${`.
///
/// # Errors
///
/// On a `${` that is not escaped: DVC would put a value there, so running it as it is would run
/// another command.
pub(super) fn literal(source: Source<'_>, span: Span, text: &str) -> Result<String, FormatError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(before) = rest[..at].strip_suffix('\\') else {
            let what: String = rest[at..]
                .chars()
                .take(40)
                .take_while(|ch| *ch != '\n')
                .collect();
            let end = what.find('}').map_or(what.len(), |end| end + 1);
            return Err(not_read_yet(
                source,
                span,
                &format!("the template `{}`", &what[..end]),
            ));
        };
        out.push_str(before);
        out.push_str("${");
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

/// A free-form value, with its texts and keys as [`literal`]s.
pub(super) fn literal_value(source: Source<'_>, node: &Node) -> Result<Value, FormatError> {
    Ok(match node.kind() {
        NodeKind::Scalar(Value::String(text)) => Value::String(literal(source, node.span(), text)?),
        NodeKind::Scalar(value) => value.clone(),
        NodeKind::Sequence(items) => Value::Sequence(
            items
                .iter()
                .map(|item| literal_value(source, item))
                .collect::<Result<_, _>>()?,
        ),
        NodeKind::Mapping(entries) => {
            let mut out = IndexMap::with_capacity(entries.len());
            for entry in entries {
                let key = if entry.key.is_text() {
                    Key::from(literal(source, entry.key_span, &entry.key)?)
                } else {
                    entry.key.clone()
                };
                out.insert(key, literal_value(source, &entry.value)?);
            }
            Value::Mapping(out)
        }
    })
}

pub(super) fn literal_string(
    source: Source<'_>,
    node: &Node,
    what: &str,
) -> Result<String, FormatError> {
    literal(source, node.span(), &source.string(node, what)?)
}

pub(super) fn literal_strings(
    source: Source<'_>,
    node: &Node,
    what: &str,
) -> Result<Vec<String>, FormatError> {
    source
        .list(node, what)?
        .iter()
        .map(|item| literal_string(source, item, what))
        .collect()
}
