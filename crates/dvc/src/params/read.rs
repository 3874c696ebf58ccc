//! Reads a parameter file and looks names up in it.

use indexmap::IndexMap;

use super::json::from_json;
use super::python;
use crate::FormatError;
use crate::yaml::{self, Value, check_length};

/// How a parameter file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Yaml,
    Json,
    Toml,
    Python,
}

impl Format {
    /// By the extension; like DVC, anything unknown is YAML.
    pub(super) fn of(file_name: &str) -> Self {
        let extension = file_name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_lowercase());
        match extension.as_deref() {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            Some("py") => Self::Python,
            _ => Self::Yaml,
        }
    }
}

/// Reads a parameter file: YAML, JSON, TOML or Python by the extension of `file_name`, and YAML for
/// any other. An empty YAML file is an empty mapping; nothing of a Python file is run.
///
/// # Errors
///
/// When the text is not what the extension says.
pub fn parse(file_name: &str, text: &str) -> Result<Value, FormatError> {
    check_length(text, file_name)?;
    match Format::of(file_name) {
        Format::Yaml => {
            let node = yaml::parse(text, file_name)?;
            Ok(if node.is_null() {
                Value::Mapping(IndexMap::new())
            } else {
                node.to_value()
            })
        }
        Format::Json => serde_json::from_str(text).map(from_json).map_err(|error| {
            let message = error.to_string();
            // Its position has its own place.
            let message = message.split(" at line ").next().unwrap_or_default();
            FormatError::new(file_name, format!("not valid JSON: {message}")).at(
                text,
                error.line().max(1),
                error.column().max(1),
            )
        }),
        Format::Toml => {
            let table = toml::from_str::<toml::Table>(text).map_err(|error| {
                let (line, column) = position(text, error.span().map_or(0, |span| span.start));
                FormatError::new(file_name, format!("not valid TOML: {}", error.message()))
                    .at(text, line, column)
            })?;
            Ok(from_toml(toml::Value::Table(table)))
        }
        Format::Python => python::parse(file_name, text),
    }
}

/// The value under a dotted name (`train.lr`, `layers.0`), as DVC looks it up: a dot always goes
/// one level down, and a number picks from a list, or names a key that is this number.
pub fn lookup<'a>(value: &'a Value, dotted: &str) -> Option<&'a Value> {
    dotted
        .split('.')
        .try_fold(value, |value, step| match value {
            Value::Mapping(entries) => entries.get(yaml::key_named(entries, step)?),
            Value::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Int(number),
        toml::Value::Float(number) => Value::Float(number),
        toml::Value::Boolean(value) => Value::Bool(value),
        toml::Value::Datetime(time) => Value::Timestamp(time.to_string()),
        toml::Value::Array(items) => Value::Sequence(items.into_iter().map(from_toml).collect()),
        toml::Value::Table(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), from_toml(value)))
                .collect(),
        ),
    }
}

/// Line and column (from 1) of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_three_formats_alike() {
        let yaml = parse(
            "params.yaml",
            "lr: 0.1\ntrain: {layers: [64, 32], name: x, on: true}\n",
        );
        let json = parse(
            "p.json",
            r#"{"lr": 0.1, "train": {"layers": [64, 32], "name": "x", "on": true}}"#,
        );
        let toml = parse(
            "p.toml",
            "lr = 0.1\n[train]\nlayers = [64, 32]\nname = 'x'\non = true\n",
        );
        assert_eq!(yaml.as_ref().unwrap(), json.as_ref().unwrap());
        assert_eq!(yaml.as_ref().unwrap(), toml.as_ref().unwrap());
        let value = yaml.unwrap();
        assert_eq!(lookup(&value, "train.layers.1"), Some(&Value::Int(32)));
        assert_eq!(lookup(&value, "train.name"), Some(&Value::from("x")));
        for missing in [
            "",
            "train.",
            "train.x",
            "lr.x",
            "train.layers.2",
            "train.layers.-1",
        ] {
            assert_eq!(lookup(&value, missing), None, "{missing}");
        }
    }

    #[test]
    fn an_empty_file_has_no_parameters() {
        for name in ["params.yaml", "p.toml", "noext"] {
            assert_eq!(parse(name, "").unwrap(), Value::Mapping(IndexMap::new()));
        }
    }

    #[test]
    fn says_where_it_is_wrong() {
        let at = |name: &str, text: &str| {
            let error = parse(name, text).unwrap_err();
            (error.line(), error.column(), error.message().to_owned())
        };
        assert_eq!(at("p.json", "{\n  \"a\": }").0, Some(2));
        assert_eq!(at("p.toml", "a = 1\nb = = 2").0, Some(2));
        assert_eq!(at("p.yaml", "a: 1\na: 2").2, "duplicate key `a`");
        let deep = "[".repeat(100_000);
        for name in ["p.json", "p.yaml", "p.toml"] {
            assert!(parse(name, &deep).is_err());
        }
        assert!(parse("p.toml", &format!("a = {deep}")).is_err());
        assert!(parse("p.yaml", &"- ".repeat(100_000)).is_err());
        assert!(parse("p.yaml", &"? ".repeat(100_000)).is_err());
    }
}
