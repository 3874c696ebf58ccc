//! A remote in a directory takes few options. DVC refuses to work in a project whose settings give
//! it another, so none is written.

use ketch_dvc::Config;

use super::name::remote_name;
use super::{SettingFiles, SettingLevel};
use crate::ProjectError;

/// What DVC 3.67.1 takes for a remote whose URL has no scheme.
const OPTIONS: [&str; 11] = [
    "url",
    "checksum_jobs",
    "jobs",
    "worktree",
    "version_aware",
    "no_traverse",
    "type",
    "protected",
    "shared",
    "slow_link_warning",
    "verify",
];

/// Refuses what a remote in a directory does not take. `section` is of any kind; `config` is what the
/// level is to be.
pub(super) fn check_local(
    files: SettingFiles<'_>,
    level: SettingLevel,
    config: &Config,
    section: &str,
) -> Result<(), ProjectError> {
    let Some(name) = remote_name(section) else {
        return Ok(());
    };
    let mut url = None;
    let mut stranger = None;
    for one in files.levels(None) {
        let loaded;
        let config = if one == level {
            config
        } else {
            loaded = files.load(one)?;
            &loaded
        };
        for (key, value) in config.sections().get(section).into_iter().flatten() {
            if key == "url" {
                url = Some(value.clone());
            } else if !OPTIONS.contains(&key.as_str()) {
                stranger = Some(key.clone());
            }
        }
    }
    match (url, stranger) {
        (Some(url), Some(option)) if !url.contains("://") => Err(ProjectError::NotOfDirectory {
            remote: name.to_owned(),
            option,
        }),
        _ => Ok(()),
    }
}
