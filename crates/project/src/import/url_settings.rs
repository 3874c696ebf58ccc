//! The settings that an import from a URL remembers.

use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value};

/// Which versions the data is of is recorded.
pub const VERSION_AWARE: &str = "version_aware";

/// `fs_config:`, if there are any.
pub(super) fn settings_value(settings: &[(String, String)]) -> Option<Value> {
    let fields: IndexMap<Key, Value> = settings
        .iter()
        .map(|(key, value)| {
            let value = match (key.as_str(), value.as_str()) {
                // DVC sets it itself.
                (VERSION_AWARE, "true") => Value::Bool(true),
                _ => Value::String(value.clone()),
            };
            (Key::from(key.as_str()), value)
        })
        .collect();
    (!fields.is_empty()).then_some(Value::Mapping(fields))
}

/// The settings of a `fs_config:`.
pub(super) fn settings_of(value: Option<&Value>) -> Vec<(String, String)> {
    let Some(fields) = value.and_then(Value::as_mapping) else {
        return Vec::new();
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        _ => None,
    };
    fields
        .iter()
        .filter_map(|(key, value)| Some((key.to_string(), text(value)?)))
        .collect()
}
