//! A mapping's key: text nearly always, but YAML has numbers, booleans, dates and null too.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use indexmap::{Equivalent, IndexMap};

use super::Value;
use super::float::python_repr;

/// A mapping's key.
///
/// It reads as text everywhere: `entries.get("name")`, `key == "name"`, `&*key`. A key that is no
/// text in YAML (`0: 1.0`) keeps its value, reads as what Python's `str` makes of it (`0`, `1.5`,
/// `True`, `None`: DVC's names for it in `params`), and is not equal to that text.
///
/// Keys are equal as in a Python dictionary: `1`, `1.0` and `true` are one key. Unlike there, a
/// float that is no number is equal to itself.
#[derive(Debug, Clone)]
pub struct Key {
    text: String,
    /// The value, if the key is not text. Never a collection or a string.
    value: Option<Box<Value>>,
}

impl Key {
    /// The key that a scalar makes; none for a sequence or a mapping.
    pub fn from_scalar(value: Value) -> Option<Self> {
        let text = match &value {
            Value::String(_) => String::new(),
            Value::Null => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::BigInt(text) | Value::Timestamp(text) => text.clone(),
            Value::Float(number) if number.is_nan() => "nan".to_owned(),
            Value::Float(number) if number.is_infinite() => {
                if *number > 0.0 { "inf" } else { "-inf" }.to_owned()
            }
            Value::Float(number) => python_repr(*number),
            Value::Sequence(_) | Value::Mapping(_) => return None,
        };
        Some(match value {
            Value::String(text) => Self::from(text),
            other => Self {
                text,
                value: Some(Box::new(other)),
            },
        })
    }

    /// The key as a value.
    pub fn to_value(&self) -> Value {
        self.value
            .as_deref()
            .cloned()
            .unwrap_or_else(|| Value::String(self.text.clone()))
    }

    /// The text, or what Python's `str` makes of a key that is not text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the key is text.
    pub fn is_text(&self) -> bool {
        self.value.is_none()
    }

    /// The value of a key that is not text.
    pub(crate) fn scalar(&self) -> Option<&Value> {
        self.value.as_deref()
    }

    /// Whether both are written alike up to the layout of numbers.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self.scalar(), other.scalar()) {
            (Some(left), Some(right)) => left.is_same(right),
            (None, None) => self.text == other.text,
            _ => false,
        }
    }

    /// How Python orders two keys. None where it cannot: of two kinds, or not a number.
    pub(crate) fn python_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.canonical(), other.canonical()) {
            (Canonical::Text(left), Canonical::Text(right)) => Some(left.cmp(right)),
            (Canonical::Timestamp(left), Canonical::Timestamp(right)) => Some(left.cmp(right)),
            (Canonical::Null | Canonical::Text(_) | Canonical::Timestamp(_), _)
            | (_, Canonical::Null | Canonical::Text(_) | Canonical::Timestamp(_)) => None,
            (left, right) => left.number_cmp(&right),
        }
    }

    fn canonical(&self) -> Canonical<'_> {
        match self.scalar() {
            None | Some(Value::String(_) | Value::Sequence(_) | Value::Mapping(_)) => {
                Canonical::Text(&self.text)
            }
            Some(Value::Null) => Canonical::Null,
            Some(Value::Bool(value)) => Canonical::Int(i64::from(*value)),
            Some(Value::Int(number)) => Canonical::Int(*number),
            Some(Value::BigInt(digits)) => Canonical::BigInt(Cow::Borrowed(digits)),
            Some(Value::Timestamp(text)) => Canonical::Timestamp(text),
            Some(Value::Float(number)) => Canonical::of_float(*number),
        }
    }
}

/// A key with one form for all that are equal.
#[derive(PartialEq, Eq, Hash)]
enum Canonical<'k> {
    Null,
    Int(i64),
    BigInt(Cow<'k, str>),
    /// The bits of a number that is not whole.
    Float(u64),
    Timestamp(&'k str),
    Text(&'k str),
}

impl Canonical<'_> {
    fn of_float(number: f64) -> Self {
        const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
        if number.is_nan() {
            return Self::Float(f64::NAN.to_bits());
        }
        if number.is_infinite() || number.fract() != 0.0 {
            return Self::Float(number.to_bits());
        }
        if (-TWO_TO_63..TWO_TO_63).contains(&number) {
            return Self::Int(number as i64);
        }
        // Rust writes a whole float with all its digits.
        Self::BigInt(Cow::Owned(format!("{number:.0}")))
    }

    fn as_f64(&self) -> f64 {
        match self {
            Self::Int(number) => *number as f64,
            Self::BigInt(digits) => digits.parse().unwrap_or(f64::NAN),
            Self::Float(bits) => f64::from_bits(*bits),
            Self::Null | Self::Timestamp(_) | Self::Text(_) => f64::NAN,
        }
    }

    fn number_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(right)),
            (Self::BigInt(left), Self::BigInt(right)) => Some(compare_digits(left, right)),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Int(_) | Self::BigInt(_) | Self::Float(_) => 1,
            Self::Timestamp(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

/// Orders two whole numbers by their decimal digits (without leading zeros).
fn compare_digits(left: &str, right: &str) -> Ordering {
    match (left.starts_with('-'), right.starts_with('-')) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (negative, _) => {
            let order = left.len().cmp(&right.len()).then_with(|| left.cmp(right));
            if negative { order.reverse() } else { order }
        }
    }
}

/// The key that is the text `name`, or else one that is not text and reads as `name`.
pub(crate) fn key_named<'e>(entries: &'e IndexMap<Key, Value>, name: &str) -> Option<&'e Key> {
    match entries.get_key_value(name) {
        Some((key, _)) => Some(key),
        None => entries.keys().find(|key| key.as_str() == name),
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.canonical() {
            // As `str` does, so that a map finds a key by its text.
            Canonical::Text(text) => text.hash(state),
            other => other.hash(state),
        }
    }
}

/// Null, numbers by size, dates, texts.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.canonical(), other.canonical());
        left.rank().cmp(&right.rank()).then_with(|| {
            self.python_cmp(other).unwrap_or_else(|| {
                // Null, or not a number: that comes first.
                let is_nan = |key: &Canonical<'_>| key.as_f64().is_nan();
                is_nan(&right).cmp(&is_nan(&left))
            })
        })
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Equivalent<Key> for str {
    fn equivalent(&self, key: &Key) -> bool {
        key == self
    }
}

impl Equivalent<Key> for String {
    fn equivalent(&self, key: &Key) -> bool {
        key == self.as_str()
    }
}

impl PartialEq<str> for Key {
    fn eq(&self, text: &str) -> bool {
        self.is_text() && self.text == text
    }
}

impl PartialEq<&str> for Key {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl PartialEq<String> for Key {
    fn eq(&self, text: &String) -> bool {
        self == text.as_str()
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self { text, value: None }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<i64> for Key {
    fn from(number: i64) -> Self {
        Self {
            text: number.to_string(),
            value: Some(Box::new(Value::Int(number))),
        }
    }
}

/// The text, or what Python's `str` makes of a key that is not text.
impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: impl Into<Value>) -> Key {
        Key::from_scalar(value.into()).unwrap()
    }

    #[test]
    fn text_is_found_by_text() {
        let entries = IndexMap::from([
            (Key::from("a"), Value::Int(1)),
            (Key::from(0), Value::Int(2)),
            (Key::from("1"), Value::Int(3)),
        ]);
        assert_eq!(entries.get("a"), Some(&Value::Int(1)));
        assert_eq!(entries.get(&"1".to_owned()), Some(&Value::Int(3)));
        assert_eq!(entries["1"], Value::Int(3));
        assert_eq!(entries.get("0"), None);
        assert_eq!(entries.get(&Key::from(0)), Some(&Value::Int(2)));
        assert_eq!(key_named(&entries, "0"), Some(&Key::from(0)));
        assert_eq!(key_named(&entries, "2"), None);
    }

    #[test]
    fn keys_are_equal_as_in_a_python_dictionary() {
        let one = IndexMap::from([(Key::from(1), ())]);
        for same in [key(1.0), key(true), Key::from(1)] {
            assert!(one.contains_key(&same), "{same:?}");
        }
        for other in [key("1"), key(1.5), key(Value::Null), key(f64::NAN)] {
            assert!(!one.contains_key(&other), "{other:?}");
        }
        assert_eq!(key(-0.0), Key::from(0));
        assert_eq!(
            key(1e20),
            key(Value::BigInt("100000000000000000000".into()))
        );
        assert_eq!(key(f64::NAN), key(f64::NAN));
    }

    #[test]
    fn orders_numbers_by_size_and_kinds_by_rank() {
        let big = |digits: &str| key(Value::BigInt(digits.to_owned()));
        let sorted = [
            key(Value::Null),
            key(f64::NAN),
            key(f64::NEG_INFINITY),
            big("-100000000000000000000"),
            Key::from(-1),
            key(false),
            key(0.5),
            key(true),
            Key::from(2),
            Key::from(10),
            big("100000000000000000000"),
            big("200000000000000000000"),
            key(Value::Timestamp("2020-01-01".into())),
            key("1"),
            key("a"),
        ];
        for (at, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(left.cmp(right), at.cmp(&other), "{left:?} {right:?}");
            }
        }
        assert_eq!(key("1").python_cmp(&Key::from(1)), None);
        assert_eq!(key(Value::Null).python_cmp(&key(Value::Null)), None);
    }

    #[test]
    fn reads_as_python_shows_it() {
        let texts: Vec<String> = [
            Key::from(0),
            key(1000.0),
            key(true),
            key(Value::Null),
            key("x"),
        ]
        .into_iter()
        .map(String::from)
        .collect();
        assert_eq!(texts, ["0", "1000.0", "True", "None", "x"]);
        assert_eq!(Key::from_scalar(Value::Sequence(Vec::new())), None);
    }
}
