//! JSON values, from and to the text of a JSON file.

use crate::yaml::{Key, Value};

pub(super) fn from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(int)) => Value::from(int),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Sequence(items.into_iter().map(from_json).collect()),
        Json::Object(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), from_json(value)))
                .collect(),
        ),
    }
}

/// None for what JSON cannot say: `inf`, `nan`, a number beyond 64 bits, a key that is not text.
pub(super) fn to_json(value: &Value) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) => Json::from(*number),
        Value::BigInt(digits) => Json::from(digits.parse::<u64>().ok()?),
        Value::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Value::String(text) | Value::Timestamp(text) => Json::String(text.clone()),
        Value::Sequence(items) => Json::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Value::Mapping(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| Some((text_key(key)?, to_json(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

pub(super) fn text_key(key: &Key) -> Option<String> {
    key.is_text().then(|| key.to_string())
}
