//! `ketch exp run`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{
    ExperimentOptions, ExperimentPlace, Metrics, ParameterOverride, StageResult, metrics,
    run_experiment,
};
use serde::Serialize;

use super::{existing, seed, short};
use crate::commands::metrics::print_metrics;
use crate::commands::repro::{ReproArgs, tell_plan};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{open_project, target};

/// Run the pipeline and keep the result as an experiment
///
/// Sets parameters, brings the pipeline up to date as `ketch repro` does, and keeps code, parameters,
/// `dvc.lock` and metrics as a commit on top of HEAD that no branch shows. The work tree has the
/// results afterwards; with `--temp` it stays as it is.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// What to call it; made up if not given
    #[arg(short, long)]
    name: Option<String>,

    /// Set a parameter: `[FILE:]NAME=VALUE`; `+NAME=VALUE` adds one, `~NAME` takes one away
    #[arg(short = 'S', long = "set-param", value_name = "CHANGE")]
    set_params: Vec<String>,

    /// Run in a work tree of its own, and leave this one as it is
    #[arg(long)]
    temp: bool,

    /// Copy a path that Git does not track to the work tree of `--temp`; may be repeated
    #[arg(long = "copy-paths", value_name = "PATH")]
    copy_paths: Vec<String>,

    /// What the commit of the experiment says
    #[arg(short, long)]
    message: Option<String>,

    #[command(flatten)]
    repro: ReproArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    experiment: &'a ketch_project::Experiment,
    stages: &'a [StageResult],
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Metrics>,
}

pub(super) fn run(
    args: RunArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let mut overrides = Vec::new();
    for text in &args.set_params {
        let mut one = ParameterOverride::parse(text)?;
        one.file = Utf8PathBuf::from(target(&project, settings, one.file.as_str()));
        overrides.push(one);
    }
    let copied = args
        .copy_paths
        .iter()
        .map(|path| target(&project, settings, path).into());
    let place = if args.temp {
        ExperimentPlace::Apart {
            copied: copied.collect(),
        }
    } else {
        ExperimentPlace::Here
    };
    let existing = existing(args.repro.is_forced());
    let (repro, progress) = args.repro.prepare(&project, settings, printer);
    let options = ExperimentOptions {
        name: args.name,
        existing,
        message: args.message,
        overrides,
        place,
        repro,
        seed: seed(),
    };
    let report = run_experiment(&project, &options, &progress)?;
    drop(progress);
    let Some(experiment) = &report.experiment else {
        tell_plan(printer, &report.repro);
        return Ok(ExitStatus::Success);
    };
    let metrics = (!args.temp).then(|| metrics(&project)).transpose()?;
    printer.json(&Report {
        experiment,
        stages: &report.repro.stages,
        metrics: metrics.clone(),
    });
    let name = &experiment.name;
    if printer.speaks_dvc() {
        printer.line(format_args!("\nRan experiment(s): {name}"));
        if args.temp {
            printer.line(
                "To apply the results of an experiment to your workspace run:\n\n\tdvc exp apply <exp>",
            );
        } else {
            printer.line("Experiment results have been applied to your workspace.");
        }
        return Ok(ExitStatus::Success);
    }
    if let Some(metrics) = &metrics {
        print_metrics(printer, metrics);
    }
    printer.line(format_args!(
        "experiment {name} ({})",
        short(&experiment.commit)
    ));
    if args.temp {
        printer.hint(format_args!(
            "have its results here: `ketch exp apply {name}`"
        ));
    } else {
        printer.hint(format_args!("make it a branch: `ketch exp branch {name}`"));
    }
    Ok(ExitStatus::Success)
}
