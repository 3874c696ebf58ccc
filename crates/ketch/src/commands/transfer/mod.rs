//! Moving data between the cache and remotes: what the three commands have in common.

pub(super) mod fetch;
pub(super) mod pull;
pub(super) mod push;

use clap::Args;
use ketch_project::{
    History, Moved, Names, Project, ProjectError, RunsMoved, SkipReason, Skipped, TransferSelection,
};
use ketch_store::StoreError;
use ketch_store::remote::RemoteError;
use serde::Serialize;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::ReachArgs;
use crate::workspace::remote_choice;

/// Which remote, and the data of which commits.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// Remote to use [default: each output's own, or `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Also what the newest commit of each branch uses
    #[arg(short = 'a', long)]
    all_branches: bool,

    /// Also what each tag uses
    #[arg(short = 'T', long)]
    all_tags: bool,

    /// Also what any commit of a branch or tag uses
    #[arg(short = 'A', long)]
    all_commits: bool,
}

impl RemoteArgs {
    /// Whether a remote was named.
    pub(crate) fn is_named(&self) -> bool {
        self.remote.is_some()
    }

    /// Whether anything was asked for that only remotes have to do with.
    pub(crate) fn is_anything(&self) -> bool {
        self.is_named() || self.jobs.is_some() || self.history() != History::Workspace
    }

    fn history(&self) -> History {
        match (self.all_commits, self.all_branches, self.all_tags) {
            (true, _, _) => History::Commits,
            (false, true, true) => History::BranchesAndTags,
            (false, true, false) => History::Branches,
            (false, false, true) => History::Tags,
            (false, false, false) => History::Workspace,
        }
    }

    /// `targets` as the project knows them.
    pub(crate) fn selection(&self, settings: &Settings, targets: Vec<String>) -> TransferSelection {
        TransferSelection {
            targets,
            remote: remote_choice(settings, self.remote.clone(), self.jobs),
            history: self.history(),
            commits: None,
            kinds: Vec::new(),
        }
    }
}

/// What every transfer takes.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    #[command(flatten)]
    remote: RemoteArgs,

    /// Move the results of all earlier runs too, with their outputs
    #[arg(long, overrides_with = "no_run_cache")]
    run_cache: bool,

    /// Leave the results of earlier runs where they are, which is the default
    #[arg(long, overrides_with = "run_cache")]
    no_run_cache: bool,

    #[command(flatten)]
    reach: ReachArgs,

    /// Take targets as patterns: `*`, `?`, `[a-z]`, and `**` across directories
    #[arg(long)]
    glob: bool,
}

impl TransferArgs {
    /// Moves the run cache if that was asked for. Where the remote has no place for it that is
    /// told and no more, as with DVC.
    fn runs(
        &self,
        printer: &Printer,
        moving: impl FnOnce() -> Result<RunsMoved, ProjectError>,
    ) -> Result<Option<RunsMoved>, CommandError> {
        if !self.run_cache || self.no_run_cache {
            return Ok(None);
        }
        match moving() {
            // That was passed over before.
            Err(ProjectError::Store(StoreError::Remote(RemoteError::NotConfigured))) => Ok(None),
            Err(error @ (ProjectError::NoRunCache { .. } | ProjectError::KeepsVersions { .. })) => {
                printer.note(format_args!("the run cache was left out: {error}"));
                Ok(None)
            }
            moved => Ok(Some(moved?)),
        }
    }

    fn selection(
        &self,
        project: &Project,
        settings: &Settings,
    ) -> Result<TransferSelection, CommandError> {
        let names = if self.glob {
            Names::Patterns
        } else {
            Names::Exact
        };
        let targets = self
            .reach
            .resolve_as(project, settings, &self.targets, names)?;
        Ok(self.remote.selection(settings, targets))
    }
}

/// A report, and what was moved of the run cache if that was asked for.
#[derive(Debug, Serialize)]
struct WithRuns<'r, R> {
    #[serde(flatten)]
    report: &'r R,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_cache: &'r Option<RunsMoved>,
}

/// Says what was moved of the run cache; whether all of it is there now.
fn tell_runs(printer: &Printer, runs: Option<&RunsMoved>, done: &str) -> bool {
    let Some(runs) = runs else { return true };
    match runs.runs {
        // It counts them among the files, or not at all.
        _ if printer.speaks_dvc() => {}
        0 => printer.line("Every result of the run cache is there."),
        1 => printer.line(format_args!("1 result of the run cache {done}")),
        results => printer.line(format_args!("{results} results of the run cache {done}")),
    }
    for path in &runs.damaged {
        printer.warning(format_args!(
            "`{path}` is not what its name promises and was left out"
        ));
    }
    for id in &runs.transfer.missing {
        printer.warning(format_args!(
            "object `{id}` of an earlier run is neither in the cache nor on remote `{}`",
            runs.remote
        ));
    }
    runs.is_complete()
}

/// Says what was moved ("3 files pushed"), what could not be, and why some outputs were not tried.
fn tell(printer: &Printer, moved: &Moved, done: &str) {
    tell_with(printer, moved, 0, done);
}

/// [`tell`], where so many other files were moved too.
fn tell_with(printer: &Printer, moved: &Moved, others: usize, done: &str) {
    printer.line(match moved.objects() + others {
        0 => "Everything is up to date.".to_owned(),
        1 => format!("1 file {done}"),
        objects => format!("{objects} files {done}"),
    });
    for one in &moved.remotes {
        for id in &one.transfer.missing {
            printer.warning(format_args!(
                "object `{id}` is neither in the cache nor on remote `{}`",
                one.remote
            ));
        }
    }
    tell_skipped(printer, moved);
}

/// Says why some outputs were not tried.
fn tell_skipped(printer: &Printer, moved: &Moved) {
    let no_remote = |one: &Skipped| one.reason == SkipReason::NoRemote;
    if moved.skipped.iter().any(no_remote) {
        printer.warning("no remote is configured: nothing was fetched but what names its own");
    }
    for output in &moved.skipped {
        let why = match output.reason {
            // Somebody wrote that into the file; saying it every time would be noise.
            SkipReason::NotPushed => continue,
            // Told once, of all of them.
            SkipReason::NoRemote => continue,
            SkipReason::Imported => "it comes from another repository, whose remote has it",
            SkipReason::NotDownloaded => "it was not downloaded when it was imported",
            SkipReason::UnknownHash => "it is recorded with a hash that is not MD5",
            SkipReason::CloudVersioned => {
                "it is recorded for a remote that keeps versions, without its hashes"
            }
        };
        printer.note(format_args!("`{}` was left out: {why}", output.path));
    }
}

/// Whether everything that was asked for is there now.
fn status(complete: bool) -> ExitStatus {
    if complete {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    }
}
