//! `ketch config`

use clap::Args;
use ketch_project::{
    Setting, SettingLevel, SettingName, set_setting, setting, settings as list, unset_setting,
};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Which of DVC's two files.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LevelArgs {
    /// In `.dvc/config`, which Git tracks
    #[arg(long, conflicts_with = "local")]
    project: bool,

    /// In `.dvc/config.local`, of this machine only
    #[arg(long)]
    local: bool,
}

impl LevelArgs {
    /// None where none was named.
    pub(crate) fn level(self) -> Option<SettingLevel> {
        match self {
            Self { local: true, .. } => Some(SettingLevel::Local),
            Self { project: true, .. } => Some(SettingLevel::Project),
            Self { .. } => None,
        }
    }
}

/// Read and change DVC's settings
///
/// With a name, prints the value that counts; with a value, sets it, in `.dvc/config` unless
/// another file is named. The files are written as DVC writes them.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// `section.option`, or `remote.NAME.option`
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    name: Option<String>,

    /// The new value; paths begin here
    #[arg(conflicts_with = "unset")]
    value: Option<String>,

    /// Take the setting back
    #[arg(short, long)]
    unset: bool,

    /// Print every setting
    #[arg(short, long, conflicts_with = "unset")]
    list: bool,

    /// Print the file of each setting too
    #[arg(long, conflicts_with_all = ["value", "unset"])]
    show_origin: bool,

    #[command(flatten)]
    level: LevelArgs,
}

pub(super) fn run(
    args: ConfigArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ConfigArgs {
        name,
        value,
        unset,
        list: _,
        show_origin,
        level,
    } = args;
    let project = open_project(settings, printer)?;
    let level = level.level();
    let origin = |found: &Setting| {
        if show_origin {
            format!("{}\t", found.file)
        } else {
            String::new()
        }
    };
    let Some(name) = name else {
        let all = list(&project, level)?;
        printer.json(&all);
        for found in &all {
            printer.line(format_args!(
                "{}{}={}",
                origin(found),
                found.name,
                found.value
            ));
        }
        return Ok(ExitStatus::Success);
    };
    let name = SettingName::parse(&name)?;
    match value {
        Some(value) => {
            let level = level.unwrap_or_default();
            set_setting(&project, level, &name, &value, &settings.directory)?;
        }
        None if unset => unset_setting(&project, level.unwrap_or_default(), &name)?,
        None => {
            let Some(found) = setting(&project, &name, level)? else {
                return Err(ketch_project::ProjectError::NotSet {
                    name: name.to_string(),
                }
                .into());
            };
            printer.json(&found);
            printer.line(format_args!("{}{}", origin(&found), found.value));
        }
    }
    Ok(ExitStatus::Success)
}
