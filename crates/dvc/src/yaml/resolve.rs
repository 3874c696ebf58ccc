//! Which plain scalars are not text.
//!
//! The rules are ruamel.yaml's for YAML 1.2: the core schema, and beyond it underscores in
//! numbers, `0b`, dates, `<<` and `=`. `yes`, `on` and `1:30` are text.

use super::Value;

/// What an unquoted scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainTag {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    /// `<<`
    Merge,
    /// `=`
    Default,
    Text,
}

/// What an unquoted scalar with this text means.
pub(super) fn plain_tag(text: &str) -> PlainTag {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return PlainTag::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return PlainTag::Bool,
        "<<" => return PlainTag::Merge,
        "=" => return PlainTag::Default,
        _ => {}
    }
    // Every other rule is for texts that start like a number.
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return PlainTag::Text;
    }
    if is_float(text) {
        PlainTag::Float
    } else if is_int(text) {
        PlainTag::Int
    } else if is_timestamp(text.as_bytes()) {
        PlainTag::Timestamp
    } else {
        PlainTag::Text
    }
}

/// The value of an unquoted scalar.
pub(super) fn plain_value(text: &str) -> Value {
    let text_value = || Value::String(text.to_owned());
    match plain_tag(text) {
        PlainTag::Null => Value::Null,
        PlainTag::Bool => Value::Bool(matches!(text.as_bytes().first(), Some(b't' | b'T'))),
        // `-_` and `._` look like numbers and are none: DVC fails on them, we read text.
        PlainTag::Int => int_value(text).unwrap_or_else(text_value),
        PlainTag::Float => float_value(text).map_or_else(text_value, Value::Float),
        PlainTag::Timestamp => Value::Timestamp(text.to_owned()),
        PlainTag::Merge | PlainTag::Default | PlainTag::Text => text_value(),
    }
}

pub(super) fn int_value(text: &str) -> Option<Value> {
    let (negative, digits) = split_sign(text);
    let digits = digits.replace('_', "");
    let (radix, digits) = match digits.get(..2) {
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0x") => (16, &digits[2..]),
        _ => (10, digits.as_str()),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if let Ok(value) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Value::Int(value));
    }
    let decimal = if radix == 10 {
        digits.trim_start_matches('0').to_owned()
    } else {
        decimal_digits(digits, radix)?
    };
    Some(Value::BigInt(format!("{sign}{decimal}")))
}

/// Rewrites a long number with another base in decimal digits.
fn decimal_digits(digits: &str, radix: u32) -> Option<String> {
    // Quadratic in the length, so bounded; Python refuses decimals of more than 4300 digits too.
    if digits.len() > 4096 {
        return None;
    }
    let mut decimal: Vec<u32> = vec![0]; // least significant digit first
    for digit in digits.chars() {
        let mut carry = digit.to_digit(radix)?;
        for place in &mut decimal {
            let sum = *place * radix + carry;
            *place = sum % 10;
            carry = sum / 10;
        }
        while carry > 0 {
            decimal.push(carry % 10);
            carry /= 10;
        }
    }
    decimal
        .iter()
        .rev()
        .map(|digit| char::from_digit(*digit, 10))
        .collect()
}

pub(super) fn float_value(text: &str) -> Option<f64> {
    let (negative, digits) = split_sign(text);
    let lowered = digits.replace('_', "").to_ascii_lowercase();
    let magnitude = match lowered.as_str() {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        // Rust reads `inf` and `nan`, YAML does not.
        other if other.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            other.parse().ok()?
        }
        _ => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn is_int(text: &str) -> bool {
    let rest = split_sign(text).1;
    let all = |digits: &str, allowed: fn(&u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|byte| byte == b'_' || allowed(&byte))
    };
    match rest.get(..2) {
        Some("0b") => all(&rest[2..], |byte| matches!(byte, b'0' | b'1')),
        Some("0o") => all(&rest[2..], |byte| matches!(byte, b'0'..=b'7')),
        Some("0x") => all(&rest[2..], u8::is_ascii_hexdigit),
        _ => all(rest, u8::is_ascii_digit),
    }
}

fn is_float(text: &str) -> bool {
    let (negative, rest) = split_sign(text);
    let signed = negative || text.starts_with('+');
    match rest {
        ".inf" | ".Inf" | ".INF" => return true,
        ".nan" | ".NaN" | ".NAN" => return !signed,
        _ => {}
    }
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        from + bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'_')
            .count()
    };
    match bytes.first() {
        Some(b'.') => {
            // `.5e+3` is a number, `.5e3` is text.
            let end = digits(1);
            end > 1 && (end == bytes.len() || is_exponent(&bytes[end..], true))
        }
        Some(byte) if byte.is_ascii_digit() => {
            let end = digits(0);
            if bytes.get(end) == Some(&b'.') {
                let end = digits(end + 1);
                end == bytes.len() || is_exponent(&bytes[end..], false)
            } else {
                is_exponent(&bytes[end..], false)
            }
        }
        _ => false,
    }
}

fn is_exponent(bytes: &[u8], sign_required: bool) -> bool {
    let [b'e' | b'E', rest @ ..] = bytes else {
        return false;
    };
    let digits = match rest {
        [b'+' | b'-', digits @ ..] => digits,
        _ if sign_required => return false,
        digits => digits,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// `2020-01-01`, or a date with one or two digit parts and a time.
fn is_timestamp(bytes: &[u8]) -> bool {
    let mut reader = Reader { bytes, at: 0 };
    if bytes.len() == 10
        && reader.digits(4, 4)
        && reader.one(b'-')
        && reader.digits(2, 2)
        && reader.one(b'-')
        && reader.digits(2, 2)
    {
        return true;
    }
    let mut reader = Reader { bytes, at: 0 };
    let date = reader.digits(4, 4)
        && reader.one(b'-')
        && reader.digits(1, 2)
        && reader.one(b'-')
        && reader.digits(1, 2)
        && (reader.one(b'T') || reader.one(b't') || reader.blanks() > 0)
        && reader.digits(1, 2)
        && reader.one(b':')
        && reader.digits(2, 2)
        && reader.one(b':')
        && reader.digits(2, 2);
    if !date {
        return false;
    }
    if reader.one(b'.') {
        while reader.digits(1, 1) {}
    }
    if reader.is_done() {
        return true;
    }
    reader.blanks();
    if reader.one(b'Z') {
        return reader.is_done();
    }
    (reader.one(b'-') || reader.one(b'+'))
        && reader.digits(1, 2)
        && (reader.is_done() || (reader.one(b':') && reader.digits(2, 2) && reader.is_done()))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn one(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    /// Takes as many digits as there are, at most `most`; whether there were at least `least`.
    fn digits(&mut self, least: usize, most: usize) -> bool {
        let rest = &self.bytes[self.at..];
        let count = rest
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        count >= least
    }

    fn blanks(&mut self) -> usize {
        let rest = &self.bytes[self.at..];
        let count = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        self.at += count;
        count
    }

    fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_ruamel_does() {
        // ruamel.yaml 0.19.1: YAML(typ="safe").load(text).
        for (text, value) in [
            ("017", Value::Int(17)),
            ("0o17", Value::Int(15)),
            ("-0x1F", Value::Int(-31)),
            ("0b101", Value::Int(5)),
            ("1_000", Value::Int(1000)),
            ("+1", Value::Int(1)),
            ("1e3", Value::Float(1000.0)),
            ("1.", Value::Float(1.0)),
            (".5", Value::Float(0.5)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            (
                "9223372036854775808",
                Value::BigInt("9223372036854775808".into()),
            ),
            (
                "-0x10000000000000000",
                Value::BigInt("-18446744073709551616".into()),
            ),
            ("-9223372036854775808", Value::Int(i64::MIN)),
        ] {
            assert_eq!(plain_value(text), value, "{text}");
        }
        for text in [
            "yes", "on", "1:30", "inf", "nan", "-.nan", ".5e3", "12e", "_1", "1a", "0.1.2", "-_",
        ] {
            assert_eq!(plain_value(text), Value::String(text.to_owned()));
        }
        assert!(matches!(plain_value(".5e+3"), Value::Float(500.0)));
    }

    #[test]
    fn knows_dates() {
        for text in [
            "2020-01-01",
            "2020-1-1 1:02:03",
            "2020-01-01T10:00:00Z",
            "2020-01-01 10:00:00.5 +01:00",
        ] {
            assert_eq!(plain_tag(text), PlainTag::Timestamp, "{text}");
        }
        for text in [
            "2020-1-1",
            "2020-01-01 10:00",
            "2020-01-01x",
            "2020-01-01 10:00:00 ",
            "20-01-01",
        ] {
            assert_eq!(plain_tag(text), PlainTag::Text, "{text}");
        }
    }
}
