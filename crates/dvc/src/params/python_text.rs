//! Values as Python writes them.

use std::fmt::Write as _;

use crate::yaml::{Value, python_repr};

/// What Python's `str` makes of a value: DVC shows lists so. Dates are shown as they are written.
pub fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(text) | Value::Timestamp(text) => text.clone(),
        Value::Float(number) => python_repr(*number),
        Value::String(text) => quoted(text),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", repr(&key.to_value()), repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// In single quotes, unless only those are in it.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut written = String::from(quote);
    for ch in text.chars() {
        match ch {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            _ if ch == quote => written.extend(['\\', ch]),
            _ if ch.is_control() => {
                let _ = write!(written, "\\x{:02x}", ch as u32);
            }
            _ => written.push(ch),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn is_what_python_writes() {
        // CPython 3.11: str(x).
        for (yaml, expected) in [
            ("it's", "it's"),
            (
                "[it's, \"a\\\"b'\", \"\\n\\x01\"]",
                "[\"it's\", 'a\"b\\'', '\\n\\x01']",
            ),
            ("[1, 2.0, 1e-9, true, null]", "[1, 2.0, 1e-09, True, None]"),
            ("[{a: 1, 2: {}}, []]", "[{'a': 1, 2: {}}, []]"),
        ] {
            let value = parse(yaml, "").unwrap().to_value();
            assert_eq!(python_text(&value), expected, "{yaml}");
        }
    }
}
