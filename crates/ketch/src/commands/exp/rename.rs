//! `ketch exp rename`

use clap::Args;
use ketch_project::rename_experiment;

use super::existing;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Give an experiment another name
#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// Its name or its full reference
    experiment: String,

    /// The new name
    name: String,

    /// Take the place of an experiment of that name
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: &RenameArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let experiment =
        rename_experiment(&project, &args.experiment, &args.name, existing(args.force))?;
    printer.json(&experiment);
    if printer.speaks_dvc() {
        let told = if args.experiment == args.name {
            "No experiments to rename.".to_owned()
        } else {
            format!("Renamed experiments: '{}'", args.experiment)
        };
        printer.line(told);
    } else {
        printer.line(format_args!(
            "{} is called {} now",
            args.experiment, experiment.name
        ));
    }
    Ok(ExitStatus::Success)
}
