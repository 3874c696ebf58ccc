//! `ketch init`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{Existing, InitOptions, InitReport, init, init_below};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Make a project of a Git repository
///
/// Writes the same files as `dvc init` (`.dvc/config`, `.dvc/.gitignore`, `.dvcignore`) and stages
/// them, so that DVC and ketch can both work here. Nothing is committed. Must be called at the top
/// of a Git repository, unless `--subdir` is given. A repository that DVC uses already is a
/// project.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// Write the first files of an existing project anew; its cache stays
    #[arg(short, long)]
    force: bool,

    /// Make it also below the top of the Git repository, where several projects may share it
    #[arg(long)]
    subdir: bool,

    /// Where to make it [default: here]
    #[arg(value_name = "DIR")]
    place: Option<Utf8PathBuf>,
}

pub(super) fn run(
    args: InitArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let InitArgs {
        force,
        subdir,
        place,
    } = args;
    let options = InitOptions {
        root: match place {
            Some(place) => settings.directory.join(place),
            None => settings.directory.clone(),
        },
        existing: if force {
            Existing::Reset
        } else {
            Existing::Refuse
        },
    };
    let (_, report) = if subdir {
        init_below(&options)?
    } else {
        init(&options)?
    };
    if printer.speaks_dvc() {
        printer.line("Initialized DVC repository.\n\nYou can now commit the changes to git.");
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    let InitReport { root, created } = report;
    printer.line(format_args!("made a project in {root}"));
    for path in created {
        printer.line(format_args!("  {path}"));
    }
    printer.hint("commit these files, then track data with `ketch add` and describe the pipeline in dvc.yaml");
    Ok(ExitStatus::Success)
}
