//! `ketch init`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{Existing, InitOptions, InitReport, init, init_below, init_without_git};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Make a project of a Git repository
///
/// Writes the same files as `dvc init` (`.dvc/config`, `.dvc/.gitignore`, `.dvcignore`) and stages
/// them, so that DVC and ketch can both work here. Nothing is committed. Must be called at the top
/// of a Git repository, unless `--subdir` or `--no-scm` is given. A repository that DVC uses already
/// is a project.
#[derive(Debug, Clone, Args)]
pub(crate) struct InitArgs {
    /// Write the first files of an existing project anew; its settings go to the trash, its cache
    /// stays
    #[arg(short, long)]
    force: bool,

    /// Make it also below the top of the Git repository, where several projects may share it
    #[arg(long)]
    subdir: bool,

    /// Make it without Git, and write that into its settings (`core.no_scm`); what needs commits
    /// does not work there
    #[arg(long)]
    no_scm: bool,

    /// Where to make it [default: here]
    #[arg(value_name = "DIR")]
    place: Option<Utf8PathBuf>,
}

impl InitArgs {
    /// Whether they exclude each other, which to DVC is another failure than one of making a project.
    pub(crate) fn contradict(&self) -> bool {
        self.subdir && self.no_scm
    }
}

pub(super) fn run(
    args: InitArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    if args.contradict() {
        return Err(CommandError::user(
            "`--no-scm` cannot be used with `--subdir`",
        ));
    }
    let InitArgs {
        force,
        subdir,
        no_scm,
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
    let made = if no_scm {
        init_without_git(&options)
    } else if subdir {
        init_below(&options)
    } else {
        init(&options)
    };
    if printer.speaks_dvc() {
        made.map_err(|error| CommandError::from(error).context("failed to initiate DVC"))?;
        printer.line("Initialized DVC repository.\n");
        if !no_scm {
            printer.line("You can now commit the changes to git.\n");
        }
        return Ok(ExitStatus::Success);
    }
    let (_, report) = made?;
    printer.json(&report);
    let InitReport {
        root,
        created,
        trashed,
    } = report;
    printer.line(format_args!("made a project in {root}"));
    for path in created {
        printer.line(format_args!("  {path}"));
    }
    for path in trashed {
        printer.note(format_args!("the settings of before are in {path}"));
    }
    printer.hint(if no_scm {
        "track data with `ketch add` and describe the pipeline in dvc.yaml"
    } else {
        "commit these files, then track data with `ketch add` and describe the pipeline in dvc.yaml"
    });
    Ok(ExitStatus::Success)
}
