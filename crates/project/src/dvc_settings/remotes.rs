//! Remotes: where data is pushed to and pulled from.

use camino::Utf8Path;
use ketch_dvc::Config;
use serde::Serialize;

use super::kinds::check_value;
use super::local_remote::check_local;
use super::name::{remote_name, remote_section};
use super::{SettingFiles, SettingLevel, SettingName, setting};
use crate::ProjectError;
use crate::suggest::nearest;

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

/// The remotes of one level, or of all.
pub fn remotes(
    files: SettingFiles<'_>,
    level: Option<SettingLevel>,
) -> Result<Vec<Remote>, ProjectError> {
    let default = setting(files, &default_remote_setting(), level)?.map(|found| found.value);
    let mut remotes: Vec<Remote> = Vec::new();
    for level in files.levels(level) {
        let config = files.load(level)?;
        for (section, keys) in config.sections() {
            let (Some(name), Some(url)) = (remote_name(section), keys.get("url")) else {
                continue;
            };
            let setting = SettingName {
                section: section.clone(),
                key: "url".to_owned(),
            };
            let url = files.absolute(level, &setting, url)?;
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
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &str,
    url: &str,
    existing: ExistingRemote,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let name = name.to_lowercase();
    let mut config = files.load(level)?;
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
    check_value(&setting, url)?;
    config.set(&section, "url", &files.stored(level, &setting, url, here)?)?;
    files.save(level, &config)
}

/// Makes a remote the default one; or no remote.
pub fn set_default_remote(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: Option<&str>,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let mut config = files.load(level)?;
    match name {
        Some(name) => {
            let name = name.to_lowercase();
            require(files, &name)?;
            config.set("core", "remote", &name)?;
        }
        None => _ = config.unset("core", "remote"),
    }
    files.save(level, &config)
}

/// Sets or takes back one setting of a remote that any level has.
pub fn modify_remote(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &str,
    key: &str,
    value: Option<&str>,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let name = name.to_lowercase();
    require(files, &name)?;
    let setting = SettingName::of_remote(&name, key)?;
    if let Some(value) = value {
        check_value(&setting, value)?;
    }
    let mut config = files.load(level)?;
    if let Some(value) = value {
        config.set(
            &setting.section,
            &setting.key,
            &files.stored(level, &setting, value, here)?,
        )?;
        check_local(files, level, &config, &setting.section)?;
    } else {
        config.unset(&setting.section, &setting.key);
        keep_url(files, level, &config, &setting)?;
    }
    files.save(level, &config)
}

/// Refuses to take the last URL of a remote: DVC would not work in the project any more. `config` is
/// what the level is to be.
pub(super) fn keep_url(
    files: SettingFiles<'_>,
    level: SettingLevel,
    config: &Config,
    setting: &SettingName,
) -> Result<(), ProjectError> {
    let Some(name) = remote_name(&setting.section).filter(|_| setting.key == "url") else {
        return Ok(());
    };
    for one in files.levels(None) {
        let found = if one == level {
            config.get(&setting.section, "url").is_some()
        } else {
            files.load(one)?.get(&setting.section, "url").is_some()
        };
        if found {
            return Ok(());
        }
    }
    Err(ProjectError::RemoteWithoutUrl {
        name: name.to_owned(),
    })
}

/// Takes a remote out of one level, and what makes it the default in that level and those above.
pub fn remove_remote(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &str,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let name = name.to_lowercase();
    let mut config = files.load(level)?;
    if !config.remove_section(&remote_section(&name)) {
        return Err(unknown_remote(files, &name)?);
    }
    files.save(level, &config)?;
    for above in files
        .levels(None)
        .into_iter()
        .filter(|above| *above >= level)
    {
        let mut config = files.load(above)?;
        let mut changed = is_supplement(&config, &name);
        if changed {
            config.remove_section(&remote_section(&name));
        }
        if config.get("core", "remote") == Some(&name) {
            config.unset("core", "remote");
            changed = true;
        }
        if changed {
            files.save(above, &config)?;
        }
    }
    Ok(())
}

/// Gives a remote of one level another name, also where it is the default.
pub fn rename_remote(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &str,
    new: &str,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let (name, new) = (name.to_lowercase(), new.to_lowercase());
    if remotes(files, None)?
        .iter()
        .any(|remote| remote.name == new)
    {
        return Err(ProjectError::RemoteExists { name: new });
    }
    let section = remote_section(&name);
    if !files.load(level)?.sections().contains_key(&section) {
        return Err(unknown_remote(files, &name)?);
    }
    for above in files
        .levels(None)
        .into_iter()
        .filter(|above| *above >= level)
    {
        let mut config = files.load(above)?;
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
            files.save(above, &config)?;
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

fn require(files: SettingFiles<'_>, name: &str) -> Result<(), ProjectError> {
    let known = files
        .levels(None)
        .into_iter()
        .try_fold(false, |known, level| {
            let has = files
                .load(level)?
                .sections()
                .contains_key(&remote_section(name));
            Ok::<_, ProjectError>(known || has)
        })?;
    if known {
        Ok(())
    } else {
        Err(unknown_remote(files, name)?)
    }
}

fn unknown_remote(files: SettingFiles<'_>, name: &str) -> Result<ProjectError, ProjectError> {
    let known = remotes(files, None)?;
    let near = nearest(name, known.iter().map(|remote| remote.name.as_str()));
    Ok(ProjectError::UnknownRemote {
        name: name.to_owned(),
        suggestion: near.map(str::to_owned),
    })
}
