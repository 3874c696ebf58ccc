//! `ketch exp save`

use clap::Args;
use ketch_project::{SaveOptions, save_experiment};
use serde::Serialize;

use super::{existing, seed, short};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::{open_project, target};

/// Keep the work tree as an experiment
///
/// Puts data and outputs into the cache as they are, and code, parameters, `dvc.lock` and metrics
/// into a commit that no branch shows.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// Put only these into the cache: outputs, `.dvc` files or stages
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// What to call it; made up if not given
    #[arg(short, long)]
    name: Option<String>,

    /// Take the place of an experiment of that name
    #[arg(short, long)]
    force: bool,

    /// Keep a file that Git does not track, too; may be repeated
    #[arg(short = 'I', long = "include-untracked", value_name = "PATH")]
    include_untracked: Vec<String>,

    /// What the commit of the experiment says
    #[arg(short, long)]
    message: Option<String>,
}

/// What `--json` prints: DVC's field, and what else there is.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(rename = "ref")]
    commit: String,
    #[serde(flatten)]
    experiment: &'a ketch_project::Experiment,
}

pub(super) fn run(
    args: SaveArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let untracked = args.include_untracked.iter();
    let options = SaveOptions {
        targets: data_targets(&project, settings, &args.targets),
        name: args.name,
        existing: existing(args.force),
        message: args.message,
        untracked: untracked
            .map(|path| target(&project, settings, path).into())
            .collect(),
        seed: seed(),
    };
    let experiment = save_experiment(&project, &options, &FileProgress::new(printer))?;
    printer.json(&Report {
        commit: experiment.commit.to_string(),
        experiment: &experiment,
    });
    if printer.speaks_dvc() {
        printer.line(format_args!(
            "Experiment has been saved as: {}",
            experiment.name
        ));
    } else {
        printer.line(format_args!(
            "experiment {} ({})",
            experiment.name,
            short(&experiment.commit)
        ));
    }
    Ok(ExitStatus::Success)
}
