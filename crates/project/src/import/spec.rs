//! The `repo:` of an import: which repository, at which revision, with which settings.

use camino::Utf8Path;
use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value};

use super::ImportError;
use crate::paths::join;
use crate::{CommitId, ProjectError, SettingName};

/// Another repository, as a `.dvc` file records it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceSpec {
    /// A directory or whatever Git can clone, as it was given.
    pub url: String,
    /// A branch, a tag or a commit; the newest commit of the default branch if none.
    pub revision: Option<String>,
    /// The path of a configuration file, or a mapping of sections, that comes on top of the
    /// repository's own configuration.
    config: Option<Value>,
    /// The name of the remote to use there, or a mapping of options for its default one.
    remote: Option<Value>,
}

impl SourceSpec {
    /// A repository with its own settings.
    pub fn new(url: impl Into<String>, revision: Option<String>) -> Self {
        Self {
            url: url.into(),
            revision,
            config: None,
            remote: None,
        }
    }

    /// The same with settings of ours: a configuration file, the name of a remote, options for it.
    ///
    /// A name and options together are written as a configuration, as DVC does; a file cannot be
    /// had beside that, and is left out then.
    #[must_use]
    pub fn with_settings(
        mut self,
        config: Option<String>,
        remote: Option<String>,
        options: &[(String, String)],
    ) -> Self {
        self.config = config.map(Value::String);
        let options: IndexMap<Key, Value> = options
            .iter()
            .map(|(key, value)| (Key::from(key.as_str()), Value::String(value.clone())))
            .collect();
        match (remote, options.is_empty()) {
            (None, true) => {}
            (Some(name), true) => self.remote = Some(Value::String(name)),
            (None, false) => self.remote = Some(Value::Mapping(options)),
            (Some(name), false) => {
                let remotes = mapping(&name, Value::Mapping(options));
                let Value::Mapping(mut config) =
                    mapping("core", mapping("remote", Value::String(name)))
                else {
                    return self;
                };
                config.insert(Key::from("remote"), remotes);
                self.config = Some(Value::Mapping(config));
            }
        }
        self
    }

    /// Refuses what was given on top where it can mean nothing: a configuration file that is not
    /// there, and an option that no remote has. `bases` are where a relative path may begin.
    pub(super) fn check_given(&self, bases: &[&Utf8Path]) -> Result<(), ProjectError> {
        if let Some(path) = self.config_file()
            && !bases.iter().any(|base| join(base, path).exists())
        {
            return Err(ImportError::NoConfigFile {
                path: path.to_owned(),
            }
            .into());
        }
        let sections = self.config_sections();
        let remotes = sections
            .iter()
            .filter(|(section, _)| section.starts_with("remote \""));
        let in_place = remotes.flat_map(|(_, options)| options.clone());
        for (option, _) in self.remote_options().into_iter().chain(in_place) {
            if let Err(ProjectError::UnknownSetting { suggestion, .. }) =
                SettingName::of_remote("x", &option)
            {
                return Err(ImportError::RemoteOption { option, suggestion }.into());
            }
        }
        Ok(())
    }

    /// What a dependency's `repo:` says, and the commit it is locked to.
    pub(super) fn of_value(repo: &Value) -> Option<(Self, Option<String>)> {
        let fields = repo.as_mapping()?;
        let text = |key: &str| Some(fields.get(key)?.as_str()?.to_owned());
        let spec = Self {
            url: text("url")?,
            revision: text("rev").filter(|revision| !revision.is_empty()),
            config: fields.get("config").cloned(),
            remote: fields.get("remote").cloned(),
        };
        Some((spec, text("rev_lock").filter(|lock| !lock.is_empty())))
    }

    /// As a dependency's `repo:`, in DVC's order.
    pub(super) fn to_value(&self, lock: Option<&CommitId>) -> Value {
        let mut fields = IndexMap::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(Key::from(key), value);
            }
        };
        put("url", Some(self.url.as_str().into()));
        put("rev", self.revision.as_deref().map(Value::from));
        put("rev_lock", lock.map(|commit| commit.as_str().into()));
        put("config", self.config.clone());
        put("remote", self.remote.clone());
        Value::Mapping(fields)
    }

    pub(super) fn config_file(&self) -> Option<&str> {
        self.config
            .as_ref()?
            .as_str()
            .filter(|path| !path.is_empty())
    }

    /// The sections given in place, each with its keys; those of remotes have DVC's names
    /// (`remote "x"`).
    pub(super) fn config_sections(&self) -> Vec<(String, Vec<(String, String)>)> {
        let mut sections = Vec::new();
        let Some(config) = self.config.as_ref().and_then(Value::as_mapping) else {
            return sections;
        };
        for (name, fields) in config {
            let Some(fields) = fields.as_mapping() else {
                continue;
            };
            if &**name == "remote" {
                for (remote, options) in fields {
                    if let Some(options) = options.as_mapping() {
                        sections.push((format!("remote \"{}\"", &**remote), texts(options)));
                    }
                }
            } else {
                sections.push((name.to_string(), texts(fields)));
            }
        }
        sections
    }

    pub(super) fn remote_name(&self) -> Option<&str> {
        self.remote
            .as_ref()?
            .as_str()
            .filter(|name| !name.is_empty())
    }

    pub(super) fn remote_options(&self) -> Vec<(String, String)> {
        let options = self.remote.as_ref().and_then(Value::as_mapping);
        options.map(texts).unwrap_or_default()
    }
}

fn mapping(key: &str, value: Value) -> Value {
    Value::Mapping(IndexMap::from([(Key::from(key), value)]))
}

fn texts(fields: &IndexMap<Key, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        _ => None,
    };
    fields
        .iter()
        .filter_map(|(key, value)| Some((key.to_string(), text(value)?)))
        .collect()
}
