//! The configuration that explains the remotes of a project, or of the machine alone.

use camino::Utf8Path;
use ketch_dvc::Config;
use ketch_store::remote::ConfigLevel;

use crate::paths::read_if_there;
use crate::{ProjectError, RemoteChoice};

/// The files of the machine and the user that `choice` names, then those of the project at `root`.
pub(super) fn levels_of(
    root: Option<&Utf8Path>,
    choice: &RemoteChoice,
) -> Result<Vec<ConfigLevel>, ProjectError> {
    let mut files = choice.configs.clone();
    if let Some(root) = root {
        files.extend(["config", "config.local"].map(|name| root.join(".dvc").join(name)));
    }
    let mut levels = Vec::new();
    for path in files {
        if let Some(text) = read_if_there(&path)? {
            levels.push(ConfigLevel {
                config: Config::parse(&text, path.as_str())?,
                directory: path.parent().unwrap_or(&path).to_owned(),
            });
        }
    }
    Ok(levels)
}
