//! `ketch cache dir`

use clap::Args;
use ketch_project::{SettingName, set_setting, setting, unset_setting};

use super::super::config::{LevelArgs, setting_files};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Print or choose the directory of the cache
#[derive(Debug, Args)]
pub(super) struct DirArgs {
    /// The directory; a path begins here [default: print it]
    #[arg(value_name = "DIR")]
    value: Option<String>,

    /// Take the choice back
    #[arg(short, long, conflicts_with = "value")]
    unset: bool,

    #[command(flatten)]
    level: LevelArgs,
}

pub(super) fn run(
    args: DirArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DirArgs {
        value,
        unset,
        level: named,
    } = args;
    let project = named.project(settings)?;
    let files = setting_files(project.as_ref(), settings);
    let name = SettingName::parse("cache.dir")?;
    let level = named.level();
    match (value, unset, &project) {
        (Some(value), _, _) => {
            set_setting(
                files,
                level.unwrap_or_default(),
                &name,
                &value,
                &settings.directory,
            )?;
        }
        (None, true, _) => unset_setting(files, level.unwrap_or_default(), &name)?,
        (None, false, Some(project)) if level.is_none() => {
            printer.json(&project.cache().root());
            printer.line(project.cache().root());
        }
        (None, false, _) => {
            let Some(found) = setting(files, &name, level)? else {
                let name = name.to_string();
                return Err(ketch_project::ProjectError::NotSet { name }.into());
            };
            printer.json(&found.value);
            printer.line(&found.value);
        }
    }
    Ok(ExitStatus::Success)
}
