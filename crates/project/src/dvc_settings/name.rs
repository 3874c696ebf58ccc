//! Names of settings.

use std::fmt;

use crate::ProjectError;
use crate::known_settings::{KNOWN, PATHS};
use crate::suggest::nearest;

/// `core.remote`, or `remote.NAME.url`; lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingName {
    /// As the file has it: `core`, or `remote "NAME"`.
    pub(super) section: String,
    pub(super) key: String,
}

impl SettingName {
    /// Reads `section.key`, `remote.NAME.key` or `db.NAME.key`.
    pub fn parse(text: &str) -> Result<Self, ProjectError> {
        let unknown = |suggestion: Option<&str>| ProjectError::UnknownSetting {
            name: text.to_owned(),
            suggestion: suggestion.map(str::to_owned),
        };
        let lower = text.to_lowercase();
        let parts: Vec<&str> = lower.split('.').collect();
        let (kind, section, key) = match parts.as_slice() {
            [section, key] if !matches!(*section, "remote" | "db") => {
                (*section, (*section).to_owned(), *key)
            }
            [kind @ ("remote" | "db"), name, key] if !name.is_empty() => {
                (*kind, format!("{kind} \"{name}\""), *key)
            }
            _ => return Err(unknown(None)),
        };
        let Some((_, keys)) = KNOWN.iter().find(|(known, _)| *known == kind) else {
            let near = nearest(kind, KNOWN.iter().map(|(name, _)| *name));
            return Err(unknown(near));
        };
        if !keys.contains(&key) {
            return Err(unknown(nearest(key, keys.iter().copied())));
        }
        Ok(Self {
            section,
            key: key.to_owned(),
        })
    }

    /// A setting of one remote.
    pub fn of_remote(remote: &str, key: &str) -> Result<Self, ProjectError> {
        let section = remote_section(remote);
        match Self::parse(&format!("remote.x.{key}")) {
            Ok(name) => Ok(Self { section, ..name }),
            Err(ProjectError::UnknownSetting { suggestion, .. }) => {
                Err(ProjectError::UnknownSetting {
                    name: format!("remote.{remote}.{key}"),
                    suggestion,
                })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_path(&self) -> bool {
        let kind = self.section.split(' ').next().unwrap_or_default();
        PATHS
            .iter()
            .any(|(section, keys)| *section == kind && keys.contains(&self.key.as_str()))
    }
}

impl fmt::Display for SettingName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", shown_section(&self.section), self.key)
    }
}

pub(super) fn remote_section(name: &str) -> String {
    format!("remote \"{name}\"")
}

pub(super) fn remote_name(section: &str) -> Option<&str> {
    section.strip_prefix("remote \"")?.strip_suffix('"')
}

fn shown_section(section: &str) -> String {
    match section.split_once(" \"") {
        Some((kind, name)) => format!("{kind}.{}", name.trim_end_matches('"')),
        None => section.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (text, shown) in [
            ("core.Remote", "core.remote"),
            ("remote.st.URL", "remote.st.url"),
            ("cache.type", "cache.type"),
        ] {
            assert_eq!(SettingName::parse(text).unwrap().to_string(), shown);
        }
        let hint = |text| SettingName::parse(text).unwrap_err().hint();
        assert_eq!(
            hint("core.remot").as_deref(),
            Some("did you mean `remote`?")
        );
        assert_eq!(hint("cor.remote").as_deref(), Some("did you mean `core`?"));
        for text in ["core", "remote.url", "a.b.c", "core.zzz", "remote..url", ""] {
            assert_eq!(hint(text), None, "{text}");
        }
    }
}
