//! `ketch exp push` and `ketch exp pull`

use clap::Args;
use ketch_project::{
    ExchangeOptions, ExchangedExperiments, Runs, pull_experiments, push_experiments,
};

use super::{BaselineArgs, existing, named};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::workspace::{open_project, remote_choice};

/// Send experiments to a Git remote
///
/// Their data goes to the remote for data.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    share: ShareArgs,
}

/// Get experiments from a Git remote
///
/// Their data comes from the remote for data.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    share: ShareArgs,
}

#[derive(Debug, Args)]
struct ShareArgs {
    /// A Git remote, or the URL of a repository
    git_remote: String,

    /// Their names or full references; those on HEAD by default
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,

    #[command(flatten)]
    baselines: BaselineArgs,

    /// Replace what the other side has under the same name
    #[arg(short, long)]
    force: bool,

    /// Leave data where it is
    #[arg(long)]
    no_cache: bool,

    /// The remote for data [default: the project's]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// How many files to move at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Move results of earlier runs, too
    #[arg(long)]
    run_cache: bool,
}

impl ShareArgs {
    fn options(self, settings: &Settings) -> ExchangeOptions {
        ExchangeOptions {
            git_remote: self.git_remote,
            choice: self.baselines.choice(self.experiments),
            existing: existing(self.force),
            data: (!self.no_cache).then(|| remote_choice(settings, self.remote, self.jobs)),
            runs: if self.run_cache {
                Runs::Move
            } else {
                Runs::Stay
            },
        }
    }
}

pub(super) fn run_push(
    args: PushArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = args.share.options(settings);
    let report = push_experiments(&project, &options, &FileProgress::new(printer))?;
    printer.json(&report);
    let remote = &options.git_remote;
    if printer.speaks_dvc() {
        tell_push_as_dvc(printer, &report, remote);
        if options.data.is_none() {
            printer.line("To push cached outputs for this experiment to DVC remote storage,re-run this command without '--no-cache'.");
        }
        return Ok(ExitStatus::Success);
    }
    tell(printer, &report, "pushed", remote);
    Ok(status(&report))
}

pub(super) fn run_pull(
    args: PullArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = args.share.options(settings);
    let report = pull_experiments(&project, &options, &FileProgress::new(printer))?;
    printer.json(&report);
    if printer.speaks_dvc() {
        let told = if report.moved.is_empty() {
            "No experiments to pull.".to_owned()
        } else {
            let names: Vec<String> = report
                .moved
                .iter()
                .map(|one| format!("'{}'", one.name))
                .collect();
            // A list as Python writes it.
            format!(
                "Pulled experiment '[{}]' from Git remote '{}'.",
                names.join(", "),
                options.git_remote
            )
        };
        printer.line(told);
        if options.data.is_none() {
            printer.line("To pull cached outputs for this experimentfrom DVC remote storage,re-run this command without '--no-cache'.");
        }
        return Ok(ExitStatus::Success);
    }
    tell(printer, &report, "pulled", &options.git_remote);
    Ok(status(&report))
}

fn tell(printer: &Printer, report: &ExchangedExperiments, verb: &str, remote: &str) {
    for experiment in &report.moved {
        printer.line(format_args!("{verb} {}", experiment.name));
    }
    for experiment in &report.up_to_date {
        printer.note(format_args!("{} is up to date", experiment.name));
    }
    for experiment in &report.diverged {
        printer.failure(format_args!(
            "{} is another one there than here: force it to replace that",
            experiment.name
        ));
    }
    let none = report.moved.is_empty() && report.up_to_date.is_empty();
    if none && report.diverged.is_empty() {
        printer.note(format_args!("there is no such experiment to be {verb}"));
        printer.hint(format_args!(
            "see `ketch exp list -A`, and `ketch exp list -A {remote}`"
        ));
    }
    if report.objects > 0 {
        printer.note(format_args!("{verb} {} objects of data", report.objects));
    }
}

fn tell_push_as_dvc(printer: &Printer, report: &ExchangedExperiments, remote: &str) {
    let plain = |experiments: &[_]| named(experiments).replace('\'', "");
    if !report.diverged.is_empty() {
        printer.failure(format_args!(
            "Local experiment {} has diverged from remote experiment with the same name.\nTo override the remote experiment re-run with '--force'.",
            plain(&report.diverged)
        ));
    }
    if !report.up_to_date.is_empty() {
        let verb = if report.up_to_date.len() > 1 {
            "are"
        } else {
            "is"
        };
        printer.line(format_args!(
            "Experiment {} {verb} up to date on Git remote '{remote}'.",
            plain(&report.up_to_date)
        ));
    }
    if !report.moved.is_empty() {
        printer.line(format_args!(
            "Pushed experiment {} to Git remote '{remote}'.",
            plain(&report.moved)
        ));
    }
    if report.up_to_date.is_empty() && report.moved.is_empty() {
        printer.line("No experiments to push.");
    }
    if report.objects > 0 {
        let plural = if report.objects == 1 { "" } else { "s" };
        printer.line(format_args!("{} file{plural} uploaded", report.objects));
    }
}

fn status(report: &ExchangedExperiments) -> ExitStatus {
    if report.diverged.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    }
}
