//! `ketch exp`

mod apply;
mod branch;
mod clean;
mod diff;
mod list;
mod remove;
mod rename;
mod run;
mod save;
mod share;
mod show;

use std::hash::{BuildHasher, Hasher, RandomState};

use clap::{Args, Subcommand};
use ketch_project::{Experiment, ExperimentChoice, OnExistingName};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Run, keep, compare and share experiments
///
/// An experiment is what the pipeline made with changed parameters, kept as a commit beside the
/// branches: nothing has to be committed, and nothing is lost. They are where DVC keeps its own, so
/// each lists what the other ran.
#[derive(Debug, Args)]
pub(crate) struct ExpArgs {
    #[command(subcommand)]
    command: ExpCommand,
}

#[derive(Debug, Subcommand)]
enum ExpCommand {
    Run(run::RunArgs),
    Save(save::SaveArgs),
    Show(show::ShowArgs),
    Diff(diff::DiffArgs),
    List(list::ListArgs),
    Apply(apply::ApplyArgs),
    Branch(branch::BranchArgs),
    Rename(rename::RenameArgs),
    Remove(remove::RemoveArgs),
    Push(share::PushArgs),
    Pull(share::PullArgs),
    Clean(clean::CleanArgs),
}

pub(super) fn run(
    args: ExpArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match args.command {
        ExpCommand::Run(args) => run::run(args, settings, printer),
        ExpCommand::Save(args) => save::run(args, settings, printer),
        ExpCommand::Show(args) => show::run(args, settings, printer),
        ExpCommand::Diff(args) => diff::run(&args, settings, printer),
        ExpCommand::List(args) => list::run(args, settings, printer),
        ExpCommand::Apply(args) => apply::run(&args, settings, printer),
        ExpCommand::Branch(args) => branch::run(&args, settings, printer),
        ExpCommand::Rename(args) => rename::run(&args, settings, printer),
        ExpCommand::Remove(args) => remove::run(args, settings, printer),
        ExpCommand::Push(args) => share::run_push(args, settings, printer),
        ExpCommand::Pull(args) => share::run_pull(args, settings, printer),
        ExpCommand::Clean(args) => clean::run(&args, settings, printer),
    }
}

/// Which experiments, by the commits they began from.
#[derive(Debug, Clone, Args)]
struct BaselineArgs {
    /// Those on this commit; may be repeated [default: HEAD]
    #[arg(long = "rev", value_name = "COMMIT")]
    revisions: Vec<String>,

    /// So many commits each of `--rev` leads to, itself included; 0 for all
    #[arg(
        short,
        long,
        value_name = "COUNT",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    num: i64,

    /// Those on every commit
    #[arg(short = 'A', long)]
    all_commits: bool,
}

impl BaselineArgs {
    /// Nothing if nothing was said.
    fn given(self) -> Option<ExperimentChoice> {
        if self.all_commits {
            return Some(ExperimentChoice::All);
        }
        if self.revisions.is_empty() && self.num == 1 {
            return None;
        }
        Some(ExperimentChoice::OfRevisions {
            revisions: if self.revisions.is_empty() {
                vec!["HEAD".to_owned()]
            } else {
                self.revisions
            },
            commits: usize::try_from(self.num).ok().filter(|count| *count > 0),
        })
    }

    fn choice(self, names: Vec<String>) -> ExperimentChoice {
        if names.is_empty() {
            self.given().unwrap_or_default()
        } else {
            ExperimentChoice::Named(names)
        }
    }
}

fn existing(force: bool) -> OnExistingName {
    if force {
        OnExistingName::Replace
    } else {
        OnExistingName::Refuse
    }
}

/// A number that is another one in every process: a hasher's keys are.
pub(super) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn short(commit: &impl ToString) -> String {
    commit.to_string().chars().take(7).collect()
}

/// As DVC lists names: quoted, with `and` before the last.
fn named(experiments: &[Experiment]) -> String {
    let names: Vec<String> = experiments
        .iter()
        .map(|one| format!("'{}'", one.name))
        .collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, [one])) => format!("{one} and {last}"),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}
