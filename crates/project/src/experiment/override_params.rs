//! Parameters that an experiment changes.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use ketch_dvc::params;
use ketch_dvc::yaml::{self, Key, Value};
use ketch_store::write_atomically;

use super::ExperimentError;
use crate::change::DEFAULT_PARAMS;
use crate::{Project, ProjectError, paths};

/// One change of a parameter, written as Hydra and DVC have it: `NAME=VALUE`, `+NAME=VALUE` for one
/// that is not there yet, `~NAME` to take one away, each after `FILE:` where the file is not
/// `params.yaml`. The value is YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterOverride {
    /// The file, relative to the root.
    pub file: Utf8PathBuf,
    /// Its dotted name.
    pub name: String,
    change: Change,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    Set(Value),
    Add(Value),
    Remove,
}

impl ParameterOverride {
    /// Reads one from the text of a command line.
    ///
    /// # Errors
    ///
    /// When there is no name, or a value is missing or no YAML.
    pub fn parse(text: &str) -> Result<Self, ProjectError> {
        let wrong = || ExperimentError::Override {
            text: text.to_owned(),
        };
        let before_value = text.split_once('=').map_or(text, |(before, _)| before);
        let (file, rest) = match before_value.rsplit_once(':') {
            Some((file, _)) => (file, text.get(file.len() + 1..).unwrap_or_default()),
            None => (DEFAULT_PARAMS, text),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let value = || -> Result<Value, ProjectError> {
            let node = yaml::parse(value.ok_or_else(wrong)?, "").map_err(|_| wrong())?;
            Ok(node.to_value())
        };
        let (name, change) = if let Some(name) = name.strip_prefix('~') {
            (name, Change::Remove)
        } else if name.starts_with('+') {
            (name.trim_start_matches('+'), Change::Add(value()?))
        } else {
            (name, Change::Set(value()?))
        };
        if name.is_empty() || file.is_empty() {
            return Err(wrong().into());
        }
        Ok(Self {
            file: Utf8PathBuf::from(file),
            name: name.to_owned(),
            change,
        })
    }
}

/// Makes the changes, each file written once and only if all of them can be made.
pub(super) fn apply(
    project: &Project,
    overrides: &[ParameterOverride],
) -> Result<(), ProjectError> {
    if overrides.is_empty() {
        return Ok(());
    }
    let _lock = project.lock()?;
    for (file, text) in changed_texts(project, overrides)? {
        write_atomically(&project.root().join(file), text.as_bytes())?;
    }
    Ok(())
}

/// What the files of the work tree say with the changes, by path relative to the root; those that
/// do not change are left out.
pub(super) fn changed_texts(
    project: &Project,
    overrides: &[ParameterOverride],
) -> Result<IndexMap<Utf8PathBuf, String>, ProjectError> {
    let mut texts: IndexMap<Utf8PathBuf, (String, String)> = IndexMap::new();
    for one in overrides {
        let file = paths::relative(project.root(), &one.file)?;
        if !texts.contains_key(&file) {
            let text = paths::read_if_there(&project.root().join(&file))?.ok_or_else(|| {
                ExperimentError::NoParameterFile {
                    path: one.file.clone(),
                }
            })?;
            texts.insert(file.clone(), (text.clone(), text));
        }
        if let Some((_, text)) = texts.get_mut(&file) {
            *text = changed(&file, text, one)?;
        }
    }
    let changed = texts.into_iter().filter(|(_, (old, new))| old != new);
    Ok(changed.map(|(file, (_, new))| (file, new)).collect())
}

fn changed(file: &Utf8Path, text: &str, one: &ParameterOverride) -> Result<String, ProjectError> {
    let name = one.name.as_str();
    let value = match &one.change {
        Change::Set(value) => return Ok(params::set_in_text(file.as_str(), text, name, value)?),
        Change::Add(value) => Some(value),
        Change::Remove => None,
    };
    let mut document = params::parse(file.as_str(), text)?;
    if let (Some(value), Some(_)) = (value, params::lookup(&document, name)) {
        return Ok(params::set_in_text(file.as_str(), text, name, value)?);
    }
    let is_yaml = matches!(file.extension(), Some("yaml" | "yml"));
    let placed = place(&mut document, &name.split('.').collect::<Vec<_>>(), value);
    let text = (is_yaml && placed)
        .then(|| yaml::update_text(text, &document))
        .flatten();
    text.ok_or_else(|| {
        ExperimentError::NotPlaced {
            name: name.to_owned(),
            file: file.to_owned(),
        }
        .into()
    })
}

/// Puts a value at a path that leads through mappings, which are made, or takes away what is there.
/// False where it does not lead there.
fn place(document: &mut Value, path: &[&str], value: Option<&Value>) -> bool {
    let (Some((step, rest)), Value::Mapping(entries)) = (path.split_first(), document) else {
        return false;
    };
    let key = entries
        .keys()
        .find(|key| key.as_str() == *step)
        .cloned()
        .unwrap_or_else(|| Key::from(*step));
    match (rest.is_empty(), value) {
        (true, Some(value)) => {
            entries.insert(key, value.clone());
            true
        }
        (true, None) => entries.shift_remove(&key).is_some(),
        (false, Some(_)) => {
            let below = entries
                .entry(key)
                .or_insert_with(|| Value::from(IndexMap::<Key, Value>::new()));
            place(below, rest, value)
        }
        (false, None) => entries
            .get_mut(&key)
            .is_some_and(|below| place(below, rest, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str, before: &str) -> Result<String, ProjectError> {
        let one = ParameterOverride::parse(text)?;
        changed(&one.file, before, &one)
    }

    #[test]
    fn a_parameter_is_set_added_or_taken_away_and_comments_stay() {
        let before = "lr: 0.1 # rate\ntrain:\n  epochs: 3\n  name: a\n";
        let set = made("train.epochs=5", before).unwrap();
        assert_eq!(set, "lr: 0.1 # rate\ntrain:\n  epochs: 5\n  name: a\n");
        let added = made("+train.depth=7", before).unwrap();
        assert_eq!(
            added,
            "lr: 0.1 # rate\ntrain:\n  epochs: 3\n  name: a\n  depth: 7\n"
        );
        let removed = made("~train.name", before).unwrap();
        assert_eq!(removed, "lr: 0.1 # rate\ntrain:\n  epochs: 3\n");
        assert!(made("train.depth=7", before).is_err(), "only `+` adds");
    }

    #[test]
    fn the_file_comes_before_the_name_and_a_value_may_hold_anything() {
        let one = ParameterOverride::parse("conf/a.yaml:url=http://x:1/?a=b").unwrap();
        assert_eq!(one.file, "conf/a.yaml");
        assert_eq!(one.name, "url");
        assert_eq!(one.change, Change::Set(Value::from("http://x:1/?a=b")));
    }

    #[test]
    fn what_sets_nothing_is_refused() {
        for text in ["lr", "=1", ":lr=1", "~", "+lr", "lr=[1"] {
            assert!(ParameterOverride::parse(text).is_err(), "{text}");
        }
    }
}
