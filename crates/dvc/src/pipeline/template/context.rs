//! The values that templates can name, and where each comes from.

use std::rc::Rc;

use indexmap::IndexMap;

use super::expression::Steps;
use crate::yaml::{Key, Value};

/// Names and their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    known: IndexMap<String, Known>,
    /// Parameter files that were read, with the keys taken; none for all.
    loaded: IndexMap<String, Option<Vec<String>>>,
    /// Names that `vars` of a stage must not have: those that `foreach` and `matrix` set.
    reserved: Vec<&'static str>,
}

/// A value, or a mapping of such: mappings of several places become one.
#[derive(Debug, Clone)]
enum Known {
    Mapping(IndexMap<String, Self>),
    Value(Value, Origin),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) source: Source,
    /// Dotted name inside of it.
    pub(super) path: String,
}

/// What values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A parameter file, relative to the folder of `dvc.yaml`.
    File(Rc<str>),
    /// A place in `dvc.yaml`, for messages.
    Inline(Rc<str>),
}

impl Source {
    fn shown(&self) -> &str {
        match self {
            Self::File(name) | Self::Inline(name) => name,
        }
    }
}

/// A value that was looked up.
pub(super) struct Found {
    pub(super) value: Value,
    /// None for a mapping, which may come from several places.
    pub(super) origin: Option<Origin>,
}

impl Context {
    /// Takes values in.
    ///
    /// # Errors
    ///
    /// A message, where a name that is no mapping in both is there already.
    pub(super) fn merge(
        &mut self,
        entries: &IndexMap<Key, Value>,
        source: &Source,
    ) -> Result<(), String> {
        if let Some(name) = self
            .reserved
            .iter()
            .find(|name| entries.contains_key(**name))
        {
            return Err(format!(
                "`{name}` is what the stage's own item is called, and cannot be set"
            ));
        }
        merge_into(&mut self.known, entries, source, "")
    }

    /// Sets a name that `foreach` or `matrix` makes, whatever it was before.
    pub(super) fn set_item(&mut self, name: &'static str, value: &Value) {
        let origin = Origin {
            source: Source::Inline(name.into()),
            path: String::new(),
        };
        self.known
            .insert(name.to_owned(), Known::new(value, &origin.source, ""));
        self.reserved.push(name);
    }

    /// Whether a parameter file has to be read: not where all of it is there. Remembers what is
    /// taken of it.
    ///
    /// # Errors
    ///
    /// A message: the same file cannot be read whole and in part, nor a key of it twice.
    pub(super) fn wants_file(
        &mut self,
        path: &str,
        keys: Option<&[String]>,
    ) -> Result<bool, String> {
        match (self.loaded.get_mut(path), keys) {
            (None, keys) => {
                self.loaded.insert(path.to_owned(), keys.map(<[_]>::to_vec));
                Ok(true)
            }
            (Some(None), None) => Ok(false),
            (Some(None), Some(_)) => Err(format!(
                "part of `{path}` cannot be taken: all of it is there already"
            )),
            (Some(Some(_)), None) => Err(format!(
                "`{path}` cannot be taken whole: part of it is there already"
            )),
            (Some(Some(taken)), Some(keys)) => {
                if let Some(twice) = keys.iter().find(|key| taken.contains(key)) {
                    return Err(format!("`{twice}` of `{path}` is there already"));
                }
                taken.extend_from_slice(keys);
                Ok(true)
            }
        }
    }

    /// The value that an expression names.
    ///
    /// # Errors
    ///
    /// A message.
    pub(super) fn look_up(&self, steps: &Steps<'_>) -> Result<Found, String> {
        let mut level = &self.known;
        let mut rest = steps.iter();
        let mut gone = Vec::new();
        while let Some(step) = rest.next() {
            gone.push(*step);
            let Some(found) = level.get(*step) else {
                return Err(self.missing(&gone, level));
            };
            match found {
                Known::Mapping(inner) if rest.len() > 0 => level = inner,
                Known::Mapping(_) => {
                    return Ok(Found {
                        value: found.to_value(),
                        origin: None,
                    });
                }
                Known::Value(value, origin) => return inside(value, origin, rest, &gone),
            }
        }
        Err("a name is missing".to_owned())
    }

    fn missing(&self, gone: &[&str], level: &IndexMap<String, Known>) -> String {
        let name = gone.join(".");
        if self.known.is_empty() {
            return format!("there is no `{name}`: there are no parameters at all");
        }
        let wanted = gone.last().copied().unwrap_or_default();
        match crate::schema::nearest(wanted, level.keys().map(String::as_str)) {
            Some(near) => format!("there is no `{name}`; did you mean `{near}`?"),
            None => format!("there is no `{name}`"),
        }
    }
}

/// What steps name inside of a value that has no mapping around it any more.
fn inside<'s>(
    value: &Value,
    origin: &Origin,
    steps: impl Iterator<Item = &'s &'s str>,
    before: &[&str],
) -> Result<Found, String> {
    let mut value = value;
    let mut origin = origin.clone();
    let mut gone: Vec<&str> = before.to_vec();
    for step in steps {
        let name = gone.join(".");
        gone.push(step);
        let next = match value {
            Value::Sequence(items) => {
                let place: i64 = step
                    .parse()
                    .map_err(|_| format!("`{name}` is a list, and `{step}` no place in it"))?;
                // As in Python, -1 is the last one.
                let from_end = if place < 0 { items.len() } else { 0 };
                usize::try_from(place.saturating_add_unsigned(from_end as u64))
                    .ok()
                    .and_then(|place| items.get(place))
                    .ok_or_else(|| format!("`{name}` has no item {step}: it has {}", items.len()))?
            }
            Value::Mapping(entries) => entries
                .get(*step)
                .ok_or_else(|| format!("there is no `{}`", gone.join(".")))?,
            other => {
                return Err(format!(
                    "`{name}` is {}, and has no `{step}`",
                    other.kind_name()
                ));
            }
        };
        value = next;
        origin.path = format!("{}.{step}", origin.path);
    }
    Ok(Found {
        value: value.clone(),
        origin: Some(origin),
    })
}

impl Known {
    fn new(value: &Value, source: &Source, path: &str) -> Self {
        match value {
            Value::Mapping(entries) => Self::Mapping(
                entries
                    .iter()
                    // What is no text cannot be named.
                    .filter(|(key, _)| key.is_text())
                    .map(|(key, value)| {
                        let known = Self::new(value, source, &joined(path, key));
                        (key.to_string(), known)
                    })
                    .collect(),
            ),
            other => Self::Value(
                other.clone(),
                Origin {
                    source: source.clone(),
                    path: path.to_owned(),
                },
            ),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Value(value, _) => value.clone(),
            Self::Mapping(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|(key, known)| (Key::from(key.as_str()), known.to_value()))
                    .collect(),
            ),
        }
    }

    fn source(&self) -> Option<&Source> {
        match self {
            Self::Value(_, origin) => Some(&origin.source),
            Self::Mapping(entries) => entries.values().find_map(Self::source),
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn merge_into(
    known: &mut IndexMap<String, Known>,
    entries: &IndexMap<Key, Value>,
    source: &Source,
    path: &str,
) -> Result<(), String> {
    for (key, value) in entries.iter().filter(|(key, _)| key.is_text()) {
        let path = joined(path, key);
        match (known.get_mut(key.as_str()), value) {
            (Some(Known::Mapping(inner)), Value::Mapping(more)) => {
                merge_into(inner, more, source, &path)?;
            }
            (Some(there), _) => {
                let there = there.source().map_or("an empty mapping", Source::shown);
                return Err(format!(
                    "`{path}` of `{}` is set already, in `{there}`",
                    source.shown()
                ));
            }
            (None, _) => {
                known.insert(key.to_string(), Known::new(value, source, &path));
            }
        }
    }
    Ok(())
}
