//! A YAML value, compared as Python compares it.

use indexmap::IndexMap;

use super::Key;

/// A YAML value.
///
/// Numbers compare as in Python: `Int(1) == Float(1.0) == Bool(true)`. Mappings compare without
/// regard to order.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    Bool(bool),
    Int(i64),
    /// An integer that does not fit 64 bits: its decimal digits, with `-` where negative.
    BigInt(String),
    Float(f64),
    /// A date or a date and time, as it was written. DVC reads these as dates, not as text.
    Timestamp(String),
    String(String),
    Sequence(Vec<Self>),
    Mapping(IndexMap<Key, Self>),
}

impl Value {
    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if this is one, as the nearest 64-bit float.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::BigInt(digits) => digits.parse().ok(),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The entries, if this is a mapping.
    pub fn as_mapping(&self) -> Option<&IndexMap<Key, Self>> {
        match self {
            Self::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if this is a sequence.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match self {
            Self::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// Whether both are written alike up to the layout of numbers: as `==`, but a float that is no
    /// number is the same as another one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) if left.is_nan() => right.is_nan(),
            (Self::Sequence(left), Self::Sequence(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(l, r)| l.is_same(r))
            }
            (Self::Mapping(left), Self::Mapping(right)) => {
                left.len() == right.len()
                    && left.iter().all(|(key, l)| {
                        right
                            .get_key_value(key)
                            .is_some_and(|(k, r)| key.is_same(k) && l.is_same(r))
                    })
            }
            // Equal in Python, but not the same text.
            (Self::Bool(_), _) | (_, Self::Bool(_)) => {
                matches!((self, other), (Self::Bool(left), Self::Bool(right)) if left == right)
            }
            _ => self == other,
        }
    }

    /// The JSON that Python's `json.dumps(…, sort_keys=True)` makes of it, of which DVC makes
    /// hashes. None where Python fails: there is a date in it, or keys of two kinds.
    pub fn to_sorted_json(&self) -> Option<String> {
        crate::json::to_sorted_json(self)
    }

    /// What the value is, for a message.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Timestamp(_) => "a date",
            Self::String(_) => "text",
            Self::Sequence(_) => "a list",
            Self::Mapping(_) => "a mapping",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::BigInt(left), Self::BigInt(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left == right,
            (Self::Bool(value), Self::Int(int)) | (Self::Int(int), Self::Bool(value)) => {
                *int == i64::from(*value)
            }
            (Self::Bool(value), Self::Float(float)) | (Self::Float(float), Self::Bool(value)) => {
                *float == f64::from(u8::from(*value))
            }
            (Self::Int(int), Self::Float(float)) | (Self::Float(float), Self::Int(int)) => {
                int_equals_float(*int, *float)
            }
            (Self::BigInt(digits), Self::Float(float))
            | (Self::Float(float), Self::BigInt(digits)) => {
                // Rust writes a whole float with all its digits, so this compares exactly.
                float.is_finite() && float.fract() == 0.0 && format!("{float:.0}") == *digits
            }
            (Self::Timestamp(left), Self::Timestamp(right)) => left == right,
            (Self::String(left), Self::String(right)) => left == right,
            (Self::Sequence(left), Self::Sequence(right)) => left == right,
            (Self::Mapping(left), Self::Mapping(right)) => left == right,
            _ => false,
        }
    }
}

/// Whether both are the same number, without rounding the integer first.
fn int_equals_float(int: i64, float: f64) -> bool {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    float.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&float) && float as i64 == int
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or_else(|_| Self::BigInt(value.to_string()), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::Sequence(items)
    }
}

impl From<IndexMap<Key, Self>> for Value {
    fn from(entries: IndexMap<Key, Self>) -> Self {
        Self::Mapping(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_in_python() {
        assert_eq!(Value::Int(1), Value::Float(1.0));
        assert_ne!(Value::Int(1), Value::Float(1.5));
        assert_ne!(
            Value::Int(i64::MAX),
            Value::Float(9_223_372_036_854_775_808.0)
        );
        assert_ne!(
            Value::Int((1 << 53) + 1),
            Value::Float(9_007_199_254_740_992.0)
        );
        assert_eq!(
            Value::BigInt("100000000000000000000".into()),
            Value::Float(1e20)
        );
        assert_ne!(
            Value::BigInt("100000000000000000001".into()),
            Value::Float(1e20)
        );
        assert_ne!(Value::Float(f64::NAN), Value::Float(f64::NAN));
        assert_ne!(Value::String("1".into()), Value::Int(1));
        assert_eq!(Value::Bool(true), Value::Int(1));
        assert_eq!(Value::Float(0.0), Value::Bool(false));
        assert_ne!(Value::Bool(true), Value::Int(2));
        assert!(!Value::Bool(true).is_same(&Value::Int(1)));
    }

    #[test]
    fn mappings_compare_without_order() {
        let left = Value::Mapping([("a".into(), Value::Int(1)), ("b".into(), Value::Null)].into());
        let right = Value::Mapping([("b".into(), Value::Null), ("a".into(), Value::Int(1))].into());
        assert_eq!(left, right);
    }
}
