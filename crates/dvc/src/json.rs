//! JSON with the bytes of Python's `json.dumps`, because hashes are made of them.

use indexmap::IndexMap;

use crate::yaml::{self, Value};

/// Writes a string as `json.dumps` does: everything that is not printable ASCII is escaped.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(ch),
            _ => {
                let mut units = [0; 2];
                for unit in ch.encode_utf16(&mut units) {
                    push_escape(*unit, out);
                }
            }
        }
    }
    out.push('"');
}

fn push_escape(unit: u16, out: &mut String) {
    out.push_str("\\u");
    for shift in [12, 8, 4, 0] {
        let digit = u32::from(unit >> shift) & 15;
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

/// `json.dumps(value, sort_keys=True)`. None if the value holds a date, which JSON cannot say.
pub(crate) fn to_sorted_json(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_value(value, &mut out)?;
    Some(out)
}

fn write_value(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::BigInt(digits) => out.push_str(digits),
        Value::Float(number) if number.is_nan() => out.push_str("NaN"),
        Value::Float(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        Value::Float(number) => out.push_str(&yaml::python_repr(*number)),
        Value::String(text) => write_string(text, out),
        Value::Timestamp(_) => return None,
        Value::Sequence(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_value(item, out)?;
            }
            out.push(']');
        }
        Value::Mapping(entries) => write_mapping(entries, out)?,
    }
    Some(())
}

fn write_mapping(entries: &IndexMap<String, Value>, out: &mut String) -> Option<()> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_string(key, out);
        out.push_str(": ");
        write_value(value, out)?;
    }
    out.push('}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_bytes_of_python() {
        // CPython 3.11: json.dumps({...}, sort_keys=True).
        let value = yaml::parse(
            "{b: [1, 1e-05, .inf, null], a: \"ü😀\\x7f/\\e\\f\", z: {}}",
            "",
        )
        .unwrap();
        assert_eq!(
            to_sorted_json(&value.to_value()).unwrap(),
            r#"{"a": "\u00fc\ud83d\ude00\u007f/\u001b\f", "b": [1, 1e-05, Infinity, null], "z": {}}"#
        );
        assert_eq!(to_sorted_json(&Value::Timestamp("2020-01-01".into())), None);
    }
}
