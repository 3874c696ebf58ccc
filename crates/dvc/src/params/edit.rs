//! Sets one parameter in the text of its file and touches nothing else.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::json::{text_key, to_json};
use super::python;
use super::read::{Format, lookup, parse};
use crate::FormatError;
use crate::schema::nearest;
use crate::yaml::{self, Node, Value};

/// The text of a parameter file with the value under `dotted` set to `value`. Comments, order and
/// layout stay. The parameter must be there.
///
/// # Errors
///
/// When the text cannot be read, has no such parameter (the hint names the nearest one), or the
/// value cannot be replaced without changing another (it is shared by a YAML alias, or is a TOML
/// section).
pub fn set_in_text(
    file_name: &str,
    text: &str,
    dotted: &str,
    value: &Value,
) -> Result<String, FormatError> {
    let before = parse(file_name, text)?;
    if lookup(&before, dotted).is_none() {
        return Err(missing(file_name, &before, dotted));
    }
    let path: Vec<&str> = dotted.split('.').collect();
    let changed = match Format::of(file_name) {
        Format::Yaml => yaml::set_at(text, &yaml::parse(text, file_name)?, &path, value),
        Format::Json => set_json(text, &path, value),
        Format::Toml => set_toml(text, &path, value),
        Format::Python => python::range_of(text, &path)
            .and_then(|range| splice(text, range, &python::literal(value)?)),
    };
    let mut expected = before;
    replace(&mut expected, &path, value.clone());
    changed
        .filter(|changed| parse(file_name, changed).is_ok_and(|read| read.is_same(&expected)))
        .ok_or_else(|| {
            FormatError::new(
                file_name,
                format!("`{dotted}` cannot be set without changing more"),
            )
            .with_hint(
                "its value is shared, or its format cannot hold the new one: edit the file by hand",
            )
        })
}

fn replace(root: &mut Value, path: &[&str], value: Value) {
    let place = path.iter().try_fold(root, |parent, step| match parent {
        Value::Mapping(entries) => {
            let key = yaml::key_named(entries, step)?.clone();
            entries.get_mut(&key)
        }
        Value::Sequence(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    });
    if let Some(place) = place {
        *place = value;
    }
}

fn missing(file_name: &str, root: &Value, dotted: &str) -> FormatError {
    let mut names = Vec::new();
    collect_names(root, "", &mut names);
    let error = FormatError::new(file_name, format!("there is no parameter `{dotted}`"));
    let last = dotted.rsplit('.').next().unwrap_or(dotted);
    let same_end = || {
        names
            .iter()
            .map(String::as_str)
            .find(|name| name.rsplit('.').next() == Some(last))
    };
    match nearest(dotted, names.iter().map(String::as_str)).or_else(same_end) {
        Some(name) => error.with_hint(format!("did you mean `{name}`?")),
        None => error.with_hint("add it to the file first"),
    }
}

fn collect_names(value: &Value, prefix: &str, names: &mut Vec<String>) {
    const ENOUGH: usize = 10_000;
    let Value::Mapping(entries) = value else {
        return;
    };
    for (key, value) in entries {
        if names.len() >= ENOUGH {
            return;
        }
        let name = if prefix.is_empty() {
            key.to_string()
        } else {
            format!("{prefix}.{key}")
        };
        collect_names(value, &name, names);
        names.push(name);
    }
}

/// JSON is YAML up to the escapes in its strings, so YAML's reader finds where a value stands.
fn set_json(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let root = yaml::parse(&without_escapes(text), "").ok()?;
    let node = path
        .iter()
        .try_fold(&root, |node: &Node, step| match node.items() {
            Some(items) => items.get(step.parse::<usize>().ok()?),
            None => node.get(step),
        })?;
    splice(
        text,
        node.span().start..node.span().end,
        &to_json(value)?.to_string(),
    )
}

/// The JSON text with its escapes overwritten, each by as many bytes as it has.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        if ch != '\\' {
            out.push(ch);
            continue;
        }
        let length = if chars.next() == Some('u') { 6 } else { 2 };
        chars.by_ref().take(length - 2).for_each(drop);
        out.extend(std::iter::repeat_n('x', length));
    }
    out
}

fn set_toml(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let (first, rest) = path.split_first()?;
    let found = table.get_ref().get(*first)?;
    let found = rest
        .iter()
        .try_fold(found, |value, step| match value.get_ref() {
            DeValue::Table(table) => table.get(*step),
            DeValue::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })?;
    splice(text, found.span(), &to_toml(value)?.to_string())
}

/// None for what TOML cannot say: nothing, a number beyond 64 bits, a key that is not text.
fn to_toml(value: &Value) -> Option<toml::Value> {
    Some(match value {
        Value::Null | Value::BigInt(_) => return None,
        Value::Bool(value) => toml::Value::Boolean(*value),
        Value::Int(number) => toml::Value::Integer(*number),
        Value::Float(number) => toml::Value::Float(*number),
        Value::Timestamp(text) => toml::Value::Datetime(text.parse().ok()?),
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Sequence(items) => {
            toml::Value::Array(items.iter().map(to_toml).collect::<Option<_>>()?)
        }
        Value::Mapping(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Some((text_key(key)?, to_toml(value)?)));
            toml::Value::Table(entries.collect::<Option<_>>()?)
        }
    })
}

fn splice(text: &str, range: Range<usize>, replacement: &str) -> Option<String> {
    let (before, after) = (text.get(..range.start)?, text.get(range.end..)?);
    Some([before, replacement, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_one_value_in_each_format() {
        let yaml =
            "# rates\ntrain:\n    lr: 0.1   # tuned\n    layers: [64, 32]\n    'name': \"x\"\n";
        let set =
            |dotted: &str, value: Value| set_in_text("params.yaml", yaml, dotted, &value).unwrap();
        assert_eq!(
            set("train.lr", Value::Float(1e-5)),
            yaml.replace("0.1", "1e-05")
        );
        assert_eq!(
            set("train.layers.1", Value::Int(8)),
            yaml.replace("32", "8")
        );
        assert_eq!(
            set("train.name", "it's: 1".into()),
            yaml.replace("\"x\"", "\"it's: 1\"")
        );
        assert_eq!(
            set("train.name", "true".into()),
            yaml.replace("\"x\"", "'true'")
        );
        assert_eq!(set("train.lr", Value::Int(1)), yaml.replace("0.1", "1"));

        let json =
            "{\n\t\"train\": {\"lr\": 0.1, \"on\": true},\n\t\"s\": \"\\ud83d\\ude00 \\/\"\n}\n";
        let out = set_in_text("p.json", json, "train.lr", &Value::from("a\"b")).unwrap();
        assert_eq!(out, json.replace("0.1", "\"a\\\"b\""));
        let out = set_in_text("p.json", json, "s", &Value::Null).unwrap();
        assert_eq!(out, json.replace("\"\\ud83d\\ude00 \\/\"", "null"));

        let toml = "# rates\nseed = 1 # fixed\n[train]\nlr = 0.1\nlayers = [ 64, 32 ]\n";
        let out = set_in_text("p.toml", toml, "train.layers.0", &Value::Int(9)).unwrap();
        assert_eq!(out, toml.replace("64", "9"));
        let out = set_in_text("p.toml", toml, "seed", &Value::from("x")).unwrap();
        assert_eq!(out, toml.replace("seed = 1", "seed = \"x\""));
    }

    #[test]
    fn keeps_the_type_that_is_asked_for() {
        let out = set_in_text("p.yaml", "a: 1\n", "a", &Value::Float(1.0)).unwrap();
        assert_eq!(out, "a: 1.0\n");
        let out = set_in_text("p.yaml", "a: 1\n", "a", &Value::Float(f64::NAN)).unwrap();
        assert_eq!(out, "a: .nan\n");
    }

    #[test]
    fn names_the_nearest_parameter() {
        let text = "train:\n  lr: 0.1\n  epochs: 3\n";
        let hint = |dotted: &str| {
            let error = set_in_text("params.yaml", text, dotted, &Value::Null).unwrap_err();
            error.hint().unwrap().to_owned()
        };
        assert_eq!(hint("train.epoch"), "did you mean `train.epochs`?");
        assert_eq!(hint("lr"), "did you mean `train.lr`?");
        assert_eq!(hint("zzz"), "add it to the file first");
    }

    #[test]
    fn refuses_what_would_change_more() {
        let shared = "base: &b {lr: 1}\nx: *b\n";
        assert!(set_in_text("p.yaml", shared, "x.lr", &Value::Int(2)).is_err());
        assert!(set_in_text("p.toml", "[train]\nlr = 1\n", "train", &Value::Int(2)).is_err());
        assert!(set_in_text("p.toml", "a = 1\n", "a", &Value::Null).is_err());
        assert!(set_in_text("p.json", "{\"a\": 1}", "a", &Value::Float(f64::NAN)).is_err());
    }
}
