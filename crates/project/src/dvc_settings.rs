//! DVC's settings and remotes, in `.dvc/config` and `.dvc/config.local`.

use std::fmt;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use ketch_dvc::Config;
use ketch_store::write_atomically;
use serde::Serialize;

use crate::known_settings::{KNOWN, PATHS};
use crate::paths::{is_url, join, read_if_there};
use crate::suggest::nearest;
use crate::{Project, ProjectError};

/// Which file a setting is in. The later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingLevel {
    /// `.dvc/config`, which Git tracks.
    #[default]
    Project,
    /// `.dvc/config.local`, of this machine only.
    Local,
}

/// `core.remote`, or `remote.NAME.url`; lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingName {
    /// As the file has it: `core`, or `remote "NAME"`.
    section: String,
    key: String,
}

/// One setting that is made somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    /// Paths are absolute.
    pub value: String,
    pub level: SettingLevel,
    /// Relative to the root.
    pub file: Utf8PathBuf,
}

/// A remote that is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remote {
    pub name: String,
    /// A URL, or an absolute path.
    pub url: String,
    pub default: bool,
}

/// What to do about a remote of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExistingRemote {
    #[default]
    Refuse,
    Replace,
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
        Self::parse(&format!("remote.x.{key}")).map(|name| Self {
            section: remote_section(remote),
            ..name
        })
    }

    fn is_path(&self) -> bool {
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

/// Every setting of one level, or of all, those that win last.
pub fn settings(
    project: &Project,
    level: Option<SettingLevel>,
) -> Result<Vec<Setting>, ProjectError> {
    let mut found = Vec::new();
    for level in levels(level) {
        let config = load(project, level)?;
        // DVC lists the named sections first.
        let named = |name: &String| name.contains('"');
        let sections = config.sections();
        let order = sections
            .iter()
            .filter(|(name, _)| named(name))
            .chain(sections.iter().filter(|(name, _)| !named(name)));
        for (section, keys) in order {
            for (key, value) in keys {
                let name = SettingName {
                    section: section.clone(),
                    key: key.clone(),
                };
                found.push(Setting {
                    value: absolute(project, &name, value),
                    name: name.to_string(),
                    level,
                    file: project.shown(&file(project, level)),
                });
            }
        }
    }
    Ok(found)
}

/// The setting that counts, of one level or of all.
pub fn setting(
    project: &Project,
    name: &SettingName,
    level: Option<SettingLevel>,
) -> Result<Option<Setting>, ProjectError> {
    let wanted = name.to_string();
    Ok(settings(project, level)?
        .into_iter()
        .rfind(|setting| setting.name == wanted))
}

/// Sets a value. `here` is where a relative path begins.
pub fn set_setting(
    project: &Project,
    level: SettingLevel,
    name: &SettingName,
    value: &str,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let mut config = load(project, level)?;
    config.set(
        &name.section,
        &name.key,
        &stored(project, name, value, here),
    )?;
    save(project, level, &config)
}

/// Takes a value out of one level.
pub fn unset_setting(
    project: &Project,
    level: SettingLevel,
    name: &SettingName,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let mut config = load(project, level)?;
    if config.unset(&name.section, &name.key).is_none() {
        return Err(ProjectError::NotSet {
            name: name.to_string(),
        });
    }
    save(project, level, &config)
}

/// The remotes of one level, or of all.
pub fn remotes(
    project: &Project,
    level: Option<SettingLevel>,
) -> Result<Vec<Remote>, ProjectError> {
    let default = setting(project, &default_remote_setting(), level)?.map(|found| found.value);
    let mut remotes: Vec<Remote> = Vec::new();
    for level in levels(level) {
        let config = load(project, level)?;
        for (section, keys) in config.sections() {
            let (Some(name), Some(url)) = (remote_name(section), keys.get("url")) else {
                continue;
            };
            let setting = SettingName {
                section: section.clone(),
                key: "url".to_owned(),
            };
            let url = absolute(project, &setting, url);
            match remotes.iter_mut().find(|remote| remote.name == name) {
                Some(known) => known.url = url,
                None => remotes.push(Remote {
                    name: name.to_owned(),
                    url,
                    default: default.as_deref() == Some(name),
                }),
            }
        }
    }
    Ok(remotes)
}

/// Sets up a remote. `here` is where a relative path begins.
pub fn add_remote(
    project: &Project,
    level: SettingLevel,
    name: &str,
    url: &str,
    existing: ExistingRemote,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let name = name.to_lowercase();
    let mut config = load(project, level)?;
    let section = remote_section(&name);
    if let Some(keys) = config.sections().get(&section) {
        if existing == ExistingRemote::Refuse {
            return Err(ProjectError::RemoteExists { name });
        }
        for key in keys.keys().cloned().collect::<Vec<_>>() {
            config.unset(&section, &key);
        }
    }
    let setting = SettingName::of_remote(&name, "url")?;
    config.set(&section, "url", &stored(project, &setting, url, here))?;
    save(project, level, &config)
}

/// Makes a remote the default one; or no remote.
pub fn set_default_remote(
    project: &Project,
    level: SettingLevel,
    name: Option<&str>,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let mut config = load(project, level)?;
    match name {
        Some(name) => {
            let name = name.to_lowercase();
            require(project, &name)?;
            config.set("core", "remote", &name)?;
        }
        None => _ = config.unset("core", "remote"),
    }
    save(project, level, &config)
}

/// Sets or takes back one setting of a remote that any level has.
pub fn modify_remote(
    project: &Project,
    level: SettingLevel,
    name: &str,
    key: &str,
    value: Option<&str>,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let name = name.to_lowercase();
    require(project, &name)?;
    let setting = SettingName::of_remote(&name, key)?;
    let mut config = load(project, level)?;
    match value {
        Some(value) => config.set(
            &setting.section,
            &setting.key,
            &stored(project, &setting, value, here),
        )?,
        None => _ = config.unset(&setting.section, &setting.key),
    }
    save(project, level, &config)
}

/// Takes a remote out of one level, and what makes it the default in that level and those above.
pub fn remove_remote(
    project: &Project,
    level: SettingLevel,
    name: &str,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let name = name.to_lowercase();
    let mut config = load(project, level)?;
    if !config.remove_section(&remote_section(&name)) {
        return Err(unknown_remote(project, &name)?);
    }
    save(project, level, &config)?;
    for above in levels(None).into_iter().filter(|above| *above >= level) {
        let mut config = load(project, above)?;
        let mut changed = is_supplement(&config, &name);
        if changed {
            config.remove_section(&remote_section(&name));
        }
        if config.get("core", "remote") == Some(&name) {
            config.unset("core", "remote");
            changed = true;
        }
        if changed {
            save(project, above, &config)?;
        }
    }
    Ok(())
}

/// Gives a remote of one level another name, also where it is the default.
pub fn rename_remote(
    project: &Project,
    level: SettingLevel,
    name: &str,
    new: &str,
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let (name, new) = (name.to_lowercase(), new.to_lowercase());
    if remotes(project, None)?
        .iter()
        .any(|remote| remote.name == new)
    {
        return Err(ProjectError::RemoteExists { name: new });
    }
    let section = remote_section(&name);
    if !load(project, level)?.sections().contains_key(&section) {
        return Err(unknown_remote(project, &name)?);
    }
    for above in levels(None).into_iter().filter(|above| *above >= level) {
        let mut config = load(project, above)?;
        let mut changed = above == level || is_supplement(&config, &name);
        if changed && let Some(keys) = config.sections().get(&section).cloned() {
            config.remove_section(&section);
            for (key, value) in keys {
                config.set(&remote_section(&new), &key, &value)?;
            }
        }
        if config.get("core", "remote") == Some(&name) {
            config.set("core", "remote", &new)?;
            changed = true;
        }
        if changed {
            save(project, above, &config)?;
        }
    }
    Ok(())
}

/// Whether this file only adds to a remote of another: its section has no URL, and without the
/// other DVC would refuse to work.
fn is_supplement(config: &Config, name: &str) -> bool {
    config
        .sections()
        .get(&remote_section(name))
        .is_some_and(|keys| !keys.contains_key("url"))
}

fn default_remote_setting() -> SettingName {
    SettingName {
        section: "core".to_owned(),
        key: "remote".to_owned(),
    }
}

fn require(project: &Project, name: &str) -> Result<(), ProjectError> {
    let known = levels(None).into_iter().try_fold(false, |known, level| {
        let has = load(project, level)?
            .sections()
            .contains_key(&remote_section(name));
        Ok::<_, ProjectError>(known || has)
    })?;
    if known {
        Ok(())
    } else {
        Err(unknown_remote(project, name)?)
    }
}

fn unknown_remote(project: &Project, name: &str) -> Result<ProjectError, ProjectError> {
    let known = remotes(project, None)?;
    let near = nearest(name, known.iter().map(|remote| remote.name.as_str()));
    Ok(ProjectError::UnknownRemote {
        name: name.to_owned(),
        suggestion: near.map(str::to_owned),
    })
}

fn levels(level: Option<SettingLevel>) -> Vec<SettingLevel> {
    match level {
        Some(level) => vec![level],
        None => vec![SettingLevel::Project, SettingLevel::Local],
    }
}

fn file(project: &Project, level: SettingLevel) -> Utf8PathBuf {
    let name = match level {
        SettingLevel::Project => "config",
        SettingLevel::Local => "config.local",
    };
    project.root().join(".dvc").join(name)
}

fn load(project: &Project, level: SettingLevel) -> Result<Config, ProjectError> {
    let path = file(project, level);
    match read_if_there(&path)? {
        Some(text) => Ok(Config::parse(&text, project.shown(&path).as_str())?),
        None => Ok(Config::default()),
    }
}

/// Named sections go behind the others, as DVC writes them.
fn save(project: &Project, level: SettingLevel, config: &Config) -> Result<(), ProjectError> {
    let mut ordered = config.clone();
    for section in config.sections().keys().filter(|name| name.contains('"')) {
        ordered.remove_section(section);
    }
    for (section, keys) in config
        .sections()
        .iter()
        .filter(|(name, _)| name.contains('"'))
    {
        for (key, value) in keys {
            ordered.set(section, key, value)?;
        }
    }
    Ok(write_atomically(
        &file(project, level),
        ordered.to_text().as_bytes(),
    )?)
}

fn remote_section(name: &str) -> String {
    format!("remote \"{name}\"")
}

fn remote_name(section: &str) -> Option<&str> {
    section.strip_prefix("remote \"")?.strip_suffix('"')
}

fn shown_section(section: &str) -> String {
    match section.split_once(" \"") {
        Some((kind, name)) => format!("{kind}.{}", name.trim_end_matches('"')),
        None => section.to_owned(),
    }
}

/// A path that somebody typed at `here`, as the file has it.
fn stored(project: &Project, name: &SettingName, value: &str, here: &Utf8Path) -> String {
    if !name.is_path() || is_url(value) || value.starts_with('/') || value.starts_with('~') {
        return value.to_owned();
    }
    from(&project.root().join(".dvc"), &join(here, value)).into_string()
}

/// A path in the file, as it is called from anywhere.
fn absolute(project: &Project, name: &SettingName, value: &str) -> String {
    if !name.is_path() || is_url(value) || value.starts_with('/') || value.starts_with('~') {
        return value.to_owned();
    }
    join(&project.root().join(".dvc"), value).into_string()
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

    #[test]
    fn paths_are_relative_to_the_file() {
        assert_eq!(from("/p/.dvc".into(), "/p/store".into()), "../store");
        assert_eq!(from("/p/.dvc".into(), "/store".into()), "../../store");
        assert_eq!(from("/p/.dvc".into(), "/p/.dvc/x".into()), "x");
        assert_eq!(from("/p/.dvc".into(), "/p/.dvc".into()), ".");
    }
}
