//! JSON with the bytes of Python's `json.dumps`, because hashes are made of them.

use indexmap::IndexMap;

use crate::yaml::{self, Key, Value};

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

/// `json.dumps(value, sort_keys=True)`.
///
/// None where Python fails too: the value holds a date, or a mapping with keys of two kinds, which
/// have no order (`{1: a, b: c}`).
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

fn write_mapping(entries: &IndexMap<Key, Value>, out: &mut String) -> Option<()> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    if sorted
        .windows(2)
        .any(|pair| pair[0].0.python_cmp(pair[1].0).is_none())
    {
        return None;
    }
    out.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_key(key, out)?;
        out.push_str(": ");
        write_value(value, out)?;
    }
    out.push('}');
    Some(())
}

/// Keys are always text in JSON: `{0: 1, true: 2}` has the keys `"0"` and `"true"`.
fn write_key(key: &Key, out: &mut String) -> Option<()> {
    let Some(value) = key.scalar() else {
        write_string(key, out);
        return Some(());
    };
    out.push('"');
    write_value(value, out)?;
    out.push('"');
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
        for (text, json) in [
            ("{1: 2, 0: 3, 10: 4}", Some(r#"{"0": 3, "1": 2, "10": 4}"#)),
            (
                "{1.5: 1, 1: 2, true: 3, -1: 0}",
                None, // a duplicate key in YAML
            ),
            (
                "{1.5: 1, true: 3, -1: 0}",
                Some(r#"{"-1": 0, "true": 3, "1.5": 1}"#),
            ),
            ("{null: 1}", Some(r#"{"null": 1}"#)),
            ("{.inf: 1}", Some(r#"{"Infinity": 1}"#)),
            ("{1e+16: 1}", Some(r#"{"1e+16": 1}"#)),
            ("{null: 1, 1: 2}", None),
            ("{a: 1, 1: 2}", None),
            ("{2020-01-01: 1}", None),
        ] {
            let value = yaml::parse(text, "").map(|node| node.to_value());
            assert_eq!(value.ok().and_then(|v| to_sorted_json(&v)).as_deref(), json);
        }
        assert_eq!(to_sorted_json(&Value::Timestamp("2020-01-01".into())), None);
    }
}
