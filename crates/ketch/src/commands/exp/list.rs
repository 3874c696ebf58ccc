//! `ketch exp list`

use clap::Args;
use ketch_project::list_experiments;

use super::{BaselineArgs, short};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// List experiments by the commit they began from
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
pub(crate) struct ListArgs {
    /// A Git remote or the URL of a repository, to list those there
    git_remote: Option<String>,

    #[command(flatten)]
    baselines: BaselineArgs,

    /// Only print names
    #[arg(long, alias = "names-only")]
    name_only: bool,

    /// Only print the ids of the commits
    #[arg(long, alias = "shas-only", conflicts_with_all = ["name_only", "git_remote"])]
    sha_only: bool,
}

pub(super) fn run(
    args: ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let choice = args.baselines.choice(Vec::new());
    let remote = args.git_remote.as_deref();
    let listed = list_experiments(&project, &choice, remote)?;
    printer.json(&listed);
    for baseline in &listed {
        if !args.name_only && !args.sha_only {
            let commit = short(&baseline.baseline);
            let label = baseline.label.as_deref().unwrap_or(&commit);
            printer.line(format_args!("{label}:"));
        }
        for experiment in &baseline.experiments {
            let (name, commit) = (&experiment.name, &experiment.commit);
            if args.name_only {
                printer.line(name);
            } else if args.sha_only {
                printer.line(commit);
            } else if remote.is_some() {
                printer.line(format_args!("\t{name}"));
            } else {
                printer.line(format_args!("\t{} [{name}]", short(commit)));
            }
        }
    }
    if listed.is_empty() && !printer.speaks_dvc() {
        printer.note("no experiments on this commit");
        printer.hint("run one: `ketch exp run -S NAME=VALUE`; list all: `ketch exp list -A`");
    }
    Ok(ExitStatus::Success)
}
