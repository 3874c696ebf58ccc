//! `ketch config`

use clap::{Arg, ArgAction, Args};
use ketch_project::{
    Project, Setting, SettingFiles, SettingLevel, SettingName, set_setting, setting,
    settings as list, unset_setting,
};

use crate::exit::{CommandError, DvcFailure, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Which of DVC's four files.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct LevelArgs {
    /// For everybody on this machine
    #[arg(long)]
    system: bool,

    /// For this account
    #[arg(long)]
    global: bool,

    /// In `.dvc/config`, which Git tracks
    #[arg(long)]
    project: bool,

    /// In `.dvc/config.local`, of this machine only
    #[arg(long)]
    local: bool,
}

impl LevelArgs {
    /// None where none was named.
    pub(crate) fn level(self) -> Option<SettingLevel> {
        let flags = [
            (self.system, SettingLevel::System),
            (self.global, SettingLevel::Global),
            (self.project, SettingLevel::Project),
            (self.local, SettingLevel::Local),
        ];
        flags
            .into_iter()
            .find(|(named, _)| *named)
            .map(|(_, level)| level)
    }

    /// The project whose files these are; none outside of one, where the account's and the
    /// machine's are all there is.
    pub(crate) fn project(self, settings: &Settings) -> Result<Option<Project>, CommandError> {
        let found = Project::discover_for_settings(
            &settings.directory,
            settings.dvc_files.clone(),
            settings.patience,
        )
        .map_err(CommandError::from);
        match (found, self.level()) {
            (Ok(project), _) => Ok(Some(project)),
            (Err(error), None | Some(SettingLevel::System | SettingLevel::Global))
                if error.dvc_failure() == DvcFailure::NotARepository =>
            {
                Ok(None)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// The files of settings that count here.
pub(crate) fn setting_files<'a>(
    project: Option<&'a Project>,
    settings: &'a Settings,
) -> SettingFiles<'a> {
    project.map_or_else(
        || SettingFiles::outside(&settings.dvc_files),
        SettingFiles::of,
    )
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

impl ConfigArgs {
    /// What goes together, once more: DVC does not call this a wrong command line, so under its name
    /// clap is not asked.
    fn check(&self) -> Result<(), CommandError> {
        let changes = self.unset || self.value.is_some();
        let problem = if self.list && (self.name.is_some() || changes) {
            "`--list` prints all settings: it takes no name, no value and no `--unset`"
        } else if self.show_origin && changes {
            "`--show-origin` is for reading: it takes no value and no `--unset`"
        } else if self.name.is_none() && !self.list {
            "the name of a setting is required"
        } else {
            return Ok(());
        };
        Err(CommandError::user(problem))
    }

    /// The same arguments where clap leaves it to [`check`](Self::check).
    pub(crate) fn without_rules(command: clap::Command) -> clap::Command {
        let like = |made: Arg, before: Arg| match before.get_help() {
            Some(help) => made.help(help.clone()),
            None => made,
        };
        let flag = |id: &'static str, long: &'static str| {
            Arg::new(id).long(long).action(ArgAction::SetTrue)
        };
        command
            .mut_arg("name", |before| {
                let name = Arg::new("name").index(1).value_parser(dotted);
                like(name, before)
            })
            .mut_arg("value", |value| value.index(2))
            .mut_arg("list", |before| {
                like(flag("list", "list").short('l'), before)
            })
            .mut_arg("show_origin", |before| {
                like(flag("show_origin", "show-origin"), before)
            })
    }
}

/// A name that can be one.
fn dotted(text: &str) -> Result<String, &'static str> {
    if text.contains('.') {
        Ok(text.to_owned())
    } else {
        Err("a setting is called `section.option`, or `remote.NAME.option`")
    }
}

pub(super) fn run(
    args: ConfigArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    args.check()?;
    let ConfigArgs {
        name,
        value,
        unset,
        list: _,
        show_origin,
        level,
    } = args;
    let project = level.project(settings)?;
    let files = setting_files(project.as_ref(), settings);
    let level = level.level();
    let origin = |found: &Setting| {
        if show_origin {
            format!("{}\t", found.file)
        } else {
            String::new()
        }
    };
    let Some(name) = name else {
        let all = list(files, level)?;
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
    // DVC says nothing of what no level has, and has no level with a name that no setting has.
    let silent = printer.speaks_dvc() && level.is_none();
    let name = match SettingName::parse(&name) {
        Err(_) if silent && value.is_none() && !unset => return Ok(ExitStatus::Success),
        name => name?,
    };
    match value {
        Some(value) => {
            let level = level.unwrap_or_default();
            set_setting(files, level, &name, &value, &settings.directory)?;
        }
        None if unset => unset_setting(files, level.unwrap_or_default(), &name)?,
        None => {
            let Some(found) = setting(files, &name, level)? else {
                if silent {
                    return Ok(ExitStatus::Success);
                }
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
