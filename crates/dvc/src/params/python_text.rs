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

/// A number with so many significant digits, as Python's format `g` and C's `%g` write it.
pub fn python_general(number: f64, digits: usize) -> String {
    if !number.is_finite() {
        return python_repr(number);
    }
    let digits = digits.max(1);
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(most - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}"))
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

    #[test]
    fn fractions_are_rounded_as_c_does() {
        for (number, shown) in [
            (1.0, "1"),
            (0.1 + 0.2, "0.3"),
            (123_456.789, "1.2346e+05"),
            (12_345.678, "12346"),
            (0.000_012_345_6, "1.2346e-05"),
            (0.000_123_456, "0.00012346"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (1e100, "1e+100"),
            (99_999.9, "1e+05"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(python_general(number, 5), shown, "{number}");
        }
    }
}
