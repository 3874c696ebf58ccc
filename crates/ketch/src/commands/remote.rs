//! `ketch remote`

use clap::{Args, Subcommand};
use ketch_project::{
    ExistingRemote, ProjectError, add_remote, modify_remote, remotes, remove_remote, rename_remote,
    set_default_remote,
};

use super::config::{LevelArgs, setting_files};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Set up where data is pushed to and pulled from
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(Debug, Subcommand)]
enum RemoteCommand {
    Add(AddArgs),
    Modify(ModifyArgs),
    Remove(RemoveArgs),
    Rename(RenameArgs),
    List(ListArgs),
    Default(DefaultArgs),
}

/// Set up a remote
#[derive(Debug, Args)]
struct AddArgs {
    /// What to call it
    name: String,

    /// A URL, or a path that begins here
    url: String,

    /// Make it the default remote
    #[arg(short, long)]
    default: bool,

    /// Write one of the same name anew
    #[arg(short, long)]
    force: bool,

    #[command(flatten)]
    level: LevelArgs,
}

/// Change a setting of a remote
#[derive(Debug, Args)]
struct ModifyArgs {
    /// The remote
    name: String,

    /// The setting, such as `url` or `jobs`
    option: String,

    /// The new value; paths begin here
    #[arg(conflicts_with = "unset")]
    value: Option<String>,

    /// Take the setting back
    #[arg(short, long)]
    unset: bool,

    #[command(flatten)]
    level: LevelArgs,
}

/// Forget a remote; what is stored there stays
#[derive(Debug, Args)]
struct RemoveArgs {
    /// The remote
    name: String,

    #[command(flatten)]
    level: LevelArgs,
}

/// Give a remote another name
#[derive(Debug, Args)]
struct RenameArgs {
    /// The remote
    name: String,

    /// Its new name
    new: String,

    #[command(flatten)]
    level: LevelArgs,
}

/// List the remotes
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    level: LevelArgs,
}

/// Print or choose the default remote
#[derive(Debug, Args)]
struct DefaultArgs {
    /// The remote [default: print which it is]
    name: Option<String>,

    /// Have no default remote
    #[arg(short, long, conflicts_with = "name")]
    unset: bool,

    #[command(flatten)]
    level: LevelArgs,
}

pub(super) fn run(
    args: RemoteArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RemoteArgs { command } = args;
    let level = match &command {
        RemoteCommand::Add(args) => args.level,
        RemoteCommand::Modify(args) => args.level,
        RemoteCommand::Remove(args) => args.level,
        RemoteCommand::Rename(args) => args.level,
        RemoteCommand::List(args) => args.level,
        RemoteCommand::Default(args) => args.level,
    };
    let project = level.project(settings)?;
    let files = setting_files(project.as_ref(), settings);
    let here = &settings.directory;
    match command {
        RemoteCommand::Add(AddArgs {
            name,
            url,
            default,
            force,
            level,
        }) => {
            let level = level.level().unwrap_or_default();
            let existing = if force {
                ExistingRemote::Replace
            } else {
                ExistingRemote::Refuse
            };
            add_remote(files, level, &name, &url, existing, here)?;
            if default {
                set_default_remote(files, level, Some(&name))?;
                printer.line(format_args!("Setting '{name}' as a default remote."));
            }
        }
        RemoteCommand::Modify(ModifyArgs {
            name,
            option,
            value,
            unset,
            level,
        }) => {
            if value.is_none() && !unset {
                return Err(CommandError::user(format!("`{option}` is given no value"))
                    .hint("give one, or take the setting back with `--unset`")
                    .of_a_setting());
            }
            let level = level.level().unwrap_or_default();
            let done = modify_remote(files, level, &name, &option, value.as_deref(), here);
            match done {
                // What nobody has set is taken back already, whatever its name.
                Err(ProjectError::UnknownSetting { .. }) if unset && printer.speaks_dvc() => {}
                done => done?,
            }
        }
        RemoteCommand::Remove(RemoveArgs { name, level }) => {
            remove_remote(files, level.level().unwrap_or_default(), &name)?;
        }
        RemoteCommand::Rename(RenameArgs { name, new, level }) => {
            rename_remote(files, level.level().unwrap_or_default(), &name, &new)?;
        }
        RemoteCommand::List(ListArgs { level }) => {
            let all = remotes(files, level.level())?;
            printer.json(&all);
            for remote in all {
                let mark = if remote.default { "(default)" } else { "" };
                let line = if printer.speaks_dvc() {
                    // DVC sets its tabs itself.
                    format!("{}{}{mark}", cell(&remote.name), cell(&remote.url))
                } else {
                    format!("{}\t{}\t{mark}", remote.name, remote.url)
                };
                printer.line(line.trim_end());
            }
        }
        RemoteCommand::Default(DefaultArgs { name, unset, level }) => {
            if name.is_some() || unset {
                let level = level.level().unwrap_or_default();
                set_default_remote(files, level, name.as_deref())?;
                return Ok(ExitStatus::Success);
            }
            let all = remotes(files, level.level())?;
            let found = all.iter().find(|remote| remote.default);
            printer.json(&found);
            if let Some(remote) = found {
                printer.line(&remote.name);
            } else {
                printer.line("No default remote set");
                return Ok(ExitStatus::Refused);
            }
        }
    }
    Ok(ExitStatus::Success)
}

/// A cell of a row of tabs: filled up to the next multiple of eight, by one blank at least.
fn cell(text: &str) -> String {
    let width = (text.chars().count() / 8 + 1) * 8;
    format!("{text:<width$}")
}
