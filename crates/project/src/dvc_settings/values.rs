//! Single settings: read, set, taken back.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::kinds::check_value;
use super::local_remote::check_local;
use super::remotes::keep_url;
use super::{SettingFiles, SettingLevel, SettingName};
use crate::ProjectError;

/// One setting that is made somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    /// Paths are absolute.
    pub value: String,
    pub level: SettingLevel,
    /// Relative to the root where it is below it.
    pub file: Utf8PathBuf,
}

/// Every setting of one level, or of all, those that win last.
pub fn settings(
    files: SettingFiles<'_>,
    level: Option<SettingLevel>,
) -> Result<Vec<Setting>, ProjectError> {
    let mut found = Vec::new();
    for level in files.levels(level) {
        let config = files.load(level)?;
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
                    value: files.absolute(level, &name, value)?,
                    name: name.to_string(),
                    level,
                    file: files.shown(level)?,
                });
            }
        }
    }
    Ok(found)
}

/// The setting that counts, of one level or of all.
pub fn setting(
    files: SettingFiles<'_>,
    name: &SettingName,
    level: Option<SettingLevel>,
) -> Result<Option<Setting>, ProjectError> {
    let wanted = name.to_string();
    Ok(settings(files, level)?
        .into_iter()
        .rfind(|setting| setting.name == wanted))
}

/// Sets a value, unless DVC could not read it. `here` is where a relative path begins.
pub fn set_setting(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &SettingName,
    value: &str,
    here: &Utf8Path,
) -> Result<(), ProjectError> {
    check_value(name, value)?;
    let _lock = files.lock(level)?;
    let mut config = files.load(level)?;
    config.set(
        &name.section,
        &name.key,
        &files.stored(level, name, value, here)?,
    )?;
    check_local(files, level, &config, &name.section)?;
    files.save(level, &config)
}

/// Takes a value out of one level.
pub fn unset_setting(
    files: SettingFiles<'_>,
    level: SettingLevel,
    name: &SettingName,
) -> Result<(), ProjectError> {
    let _lock = files.lock(level)?;
    let mut config = files.load(level)?;
    if config.unset(&name.section, &name.key).is_none() {
        return Err(ProjectError::NotSet {
            name: name.to_string(),
        });
    }
    keep_url(files, level, &config, name)?;
    files.save(level, &config)
}
