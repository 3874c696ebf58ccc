//! How a value reads where it stands in a longer text.

use std::fmt::Write as _;

use crate::yaml::{Key, Value};

/// How a mapping in a command becomes options (`parsing` in DVC's configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OptionStyle {
    pub booleans: BooleanOptions,
    pub lists: ListOptions,
}

/// `parsing.bool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BooleanOptions {
    /// `--name` for true and nothing for false.
    #[default]
    StoreTrue,
    /// `--no-name` for false.
    BooleanOptional,
}

/// `parsing.list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOptions {
    /// `--name a b`.
    #[default]
    Nargs,
    /// `--name a --name b`.
    Append,
}

/// A scalar as Python's `str` has it, but `true` and `false` as YAML has them. None for a list or
/// a mapping.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        other => python_text(other),
    }
}

/// A scalar as Python's `str` has it. None for a list or a mapping.
pub(super) fn python_text(value: &Value) -> Option<String> {
    Key::from_scalar(value.clone()).map(|key| key.as_str().to_owned())
}

/// The options that a mapping stands for in a command: names of nested mappings joined by dots.
///
/// # Errors
///
/// The name of an option that has a list or a mapping in its list.
pub(super) fn options(value: &Value, style: OptionStyle) -> Result<String, String> {
    let mut out = String::new();
    write_options(value, "", style, &mut out)?;
    Ok(out.trim_end().to_owned())
}

fn write_options(
    value: &Value,
    name: &str,
    style: OptionStyle,
    out: &mut String,
) -> Result<(), String> {
    match value {
        // DVC has nothing for an empty one inside of another either.
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let inner = if name.is_empty() {
                    key.to_string()
                } else {
                    format!("{name}.{key}")
                };
                write_options(value, &inner, style, out)?;
            }
        }
        Value::Bool(true) => _ = write!(out, "--{name} "),
        Value::Bool(false) => {
            if style.booleans == BooleanOptions::BooleanOptional {
                _ = write!(out, "--no-{name} ");
            }
        }
        Value::Sequence(items) => {
            for (place, item) in items.iter().enumerate() {
                let item = option_value(item).ok_or_else(|| name.to_owned())?;
                if place == 0 || style.lists == ListOptions::Append {
                    _ = write!(out, "--{name} ");
                }
                _ = write!(out, "{item} ");
            }
        }
        scalar => {
            let value = option_value(scalar).ok_or_else(|| name.to_owned())?;
            _ = write!(out, "--{name} {value} ");
        }
    }
    Ok(())
}

fn option_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(quoted(text)),
        other => python_text(other),
    }
}

/// A text as one word of a shell's command: as it is where nothing in it means anything to a
/// shell, else in single quotes.
fn quoted(text: &str) -> String {
    let is_plain = |ch: char| ch.is_ascii_alphanumeric() || "@%+=:,./-_".contains(ch);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn value(text: &str) -> Value {
        yaml::parse(text, "").unwrap().to_value()
    }

    #[test]
    fn scalars_read_as_in_python() {
        let texts: Vec<String> = ["1", "1e-5", "true", "null", "'x y'", "1.0", "2020-01-01"]
            .iter()
            .map(|text| scalar_text(&value(text)).unwrap())
            .collect();
        assert_eq!(
            texts,
            ["1", "1e-05", "true", "None", "x y", "1.0", "2020-01-01"]
        );
        assert_eq!(scalar_text(&value("[1]")), None);
        assert_eq!(python_text(&value("true")).unwrap(), "True");
    }

    #[test]
    fn a_mapping_becomes_options() {
        let mapping = value(
            "{lr: 0.1, name: a b, flag: true, off: false, lst: [1, 2, x y], nest: {d: 1}, nul: null, q: \"it's\"}",
        );
        assert_eq!(
            options(&mapping, OptionStyle::default()).unwrap(),
            r#"--lr 0.1 --name 'a b' --flag --lst 1 2 'x y' --nest.d 1 --nul None --q 'it'"'"'s'"#
        );
        let style = OptionStyle {
            booleans: BooleanOptions::BooleanOptional,
            lists: ListOptions::Append,
        };
        assert_eq!(
            options(&value("{flag: true, off: false, lst: [1, 2]}"), style).unwrap(),
            "--flag --no-off --lst 1 --lst 2"
        );
        assert_eq!(options(&value("{a: {b: [[1]]}}"), style), Err("a.b".into()));
    }
}
