//! The four files of settings, and what a path in one of them means.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use ketch_dvc::Config;
use ketch_store::{RepoLock, write_atomically};
use serde::Serialize;

use super::SettingName;
use crate::paths::{is_url, join, read_if_there};
use crate::{Project, ProjectError};

/// Which file a setting is in. The later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingLevel {
    /// Of everybody on this machine.
    System,
    /// Of this account.
    Global,
    /// `.dvc/config`, which Git tracks.
    #[default]
    Project,
    /// `.dvc/config.local`, of this machine only.
    Local,
}

/// Files of settings outside of the project, which need not exist. Whoever calls knows where they
/// are: it takes the environment to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SharedSettings {
    pub system: Option<Utf8PathBuf>,
    pub global: Option<Utf8PathBuf>,
}

impl SharedSettings {
    /// Those there may be, the one that wins last.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        self.system.iter().chain(&self.global)
    }
}

/// The files of settings that count in one place.
#[derive(Debug, Clone, Copy)]
pub struct SettingFiles<'a> {
    shared: &'a SharedSettings,
    project: Option<&'a Project>,
}

impl<'a> SettingFiles<'a> {
    /// All four.
    pub fn of(project: &'a Project) -> Self {
        Self {
            shared: project.shared_settings(),
            project: Some(project),
        }
    }

    /// Those outside of any project.
    pub fn outside(shared: &'a SharedSettings) -> Self {
        Self {
            shared,
            project: None,
        }
    }

    /// The project's lock, where its files are changed.
    pub(super) fn lock(&self, level: SettingLevel) -> Result<Option<RepoLock>, ProjectError> {
        match self.project {
            Some(project) if level >= SettingLevel::Project => Ok(Some(project.lock()?)),
            _ => Ok(None),
        }
    }

    /// This level, or all there are.
    pub(super) fn levels(&self, level: Option<SettingLevel>) -> Vec<SettingLevel> {
        match level {
            Some(level) => vec![level],
            None => [
                SettingLevel::System,
                SettingLevel::Global,
                SettingLevel::Project,
                SettingLevel::Local,
            ]
            .into_iter()
            .filter(|level| self.path(*level).is_ok())
            .collect(),
        }
    }

    fn path(&self, level: SettingLevel) -> Result<Utf8PathBuf, ProjectError> {
        let below = |name: &str| match self.project {
            Some(project) => Ok(project.root().join(".dvc").join(name)),
            None => Err(ProjectError::NotAProject { start: ".".into() }),
        };
        let known = |file: &Option<Utf8PathBuf>| file.clone().ok_or(ProjectError::NoSettingFile);
        match level {
            SettingLevel::System => known(&self.shared.system),
            SettingLevel::Global => known(&self.shared.global),
            SettingLevel::Project => below("config"),
            SettingLevel::Local => below("config.local"),
        }
    }

    /// The file as people know it.
    pub(super) fn shown(&self, level: SettingLevel) -> Result<Utf8PathBuf, ProjectError> {
        let path = self.path(level)?;
        Ok(match self.project {
            Some(project) => project.shown(&path),
            None => path,
        })
    }

    pub(super) fn load(&self, level: SettingLevel) -> Result<Config, ProjectError> {
        match read_if_there(&self.path(level)?)? {
            Some(text) => Ok(Config::parse(&text, self.shown(level)?.as_str())?),
            None => Ok(Config::default()),
        }
    }

    /// Named sections go behind the others, as DVC writes them.
    pub(super) fn save(&self, level: SettingLevel, config: &Config) -> Result<(), ProjectError> {
        let mut ordered = config.clone();
        let named = |name: &&String| name.contains('"');
        for section in config.sections().keys().filter(named) {
            ordered.remove_section(section);
        }
        for (section, keys) in config.sections() {
            if section.contains('"') {
                for (key, value) in keys {
                    ordered.set(section, key, value)?;
                }
            }
        }
        let mut text = ordered.to_text();
        if text.is_empty() {
            // What DVC leaves of a file that it took the last setting out of.
            text.push('\n');
        }
        Ok(write_atomically(&self.path(level)?, text.as_bytes())?)
    }

    /// A path that somebody typed at `here`, as the file has it.
    pub(super) fn stored(
        &self,
        level: SettingLevel,
        name: &SettingName,
        value: &str,
        here: &Utf8Path,
    ) -> Result<String, ProjectError> {
        if !is_relative_path(name, value) {
            return Ok(value.to_owned());
        }
        Ok(from(&self.directory(level)?, &join(here, value)).into_string())
    }

    /// A path in the file, as it is called from anywhere.
    pub(super) fn absolute(
        &self,
        level: SettingLevel,
        name: &SettingName,
        value: &str,
    ) -> Result<String, ProjectError> {
        if !is_relative_path(name, value) {
            return Ok(value.to_owned());
        }
        Ok(join(&self.directory(level)?, value).into_string())
    }

    /// Where the file's relative paths begin.
    fn directory(&self, level: SettingLevel) -> Result<Utf8PathBuf, ProjectError> {
        let path = self.path(level)?;
        Ok(path.parent().unwrap_or(&path).to_owned())
    }
}

fn is_relative_path(name: &SettingName, value: &str) -> bool {
    name.is_path() && !is_url(value) && !value.starts_with('/') && !value.starts_with('~')
}

/// `path` relative to `base`, both absolute and tidy.
fn from(base: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let common = base
        .components()
        .zip(path.components())
        .take_while(|(left, right)| left == right)
        .count();
    let up = base
        .components()
        .skip(common)
        .map(|_| Utf8Component::ParentDir);
    let relative: Utf8PathBuf = up.chain(path.components().skip(common)).collect();
    if relative.as_str().is_empty() {
        ".".into()
    } else {
        relative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file() {
        assert_eq!(from("/p/.dvc".into(), "/p/store".into()), "../store");
        assert_eq!(from("/p/.dvc".into(), "/store".into()), "../../store");
        assert_eq!(from("/p/.dvc".into(), "/p/.dvc/x".into()), "x");
        assert_eq!(from("/p/.dvc".into(), "/p/.dvc".into()), ".");
    }
}
