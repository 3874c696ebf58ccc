//! `ketch git-hook`: what Git's hooks call, ours and those that DVC installed.

mod merge_driver;

use clap::{Args, Parser as _, Subcommand};

use crate::args::Cli;
use crate::exit::{CommandError, DvcFailure, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Do what a Git hook is for
#[derive(Debug, Args)]
pub(crate) struct GitHookArgs {
    #[command(subcommand)]
    call: Call,
}

#[derive(Debug, Subcommand)]
enum Call {
    #[command(flatten)]
    Hook(Hook),
    MergeDriver(merge_driver::MergeDriverArgs),
}

/// What Git's hooks call.
#[derive(Debug, Subcommand)]
enum Hook {
    PreCommit(HookArgs),
    PostCheckout(HookArgs),
    PrePush(HookArgs),
}

/// Called by Git
#[derive(Debug, Args)]
struct HookArgs {
    /// What Git says
    #[arg(allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl GitHookArgs {
    /// Whether it only looks and pushes: it neither restores nor merges anything.
    pub(crate) fn checks(&self) -> bool {
        matches!(self.call, Call::Hook(Hook::PreCommit(_) | Hook::PrePush(_)))
    }
}

pub(super) fn run(
    args: GitHookArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let GitHookArgs { call } = args;
    match call {
        Call::Hook(hook) => run_hook(hook, settings, printer),
        Call::MergeDriver(args) => merge_driver::run(args, settings, printer),
    }
}

fn run_hook(
    hook: Hook,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    // A hook that is shared by many repositories has nothing to do in most of them.
    let project = match open_project(settings, printer) {
        Ok(project) => project,
        Err(error) if error.dvc_failure() == DvcFailure::NotARepository => {
            return Ok(ExitStatus::Success);
        }
        Err(error) => return Err(error),
    };
    let command = match hook {
        Hook::PreCommit(_) => "status",
        Hook::PrePush(_) => "push",
        Hook::PostCheckout(HookArgs { arguments }) => {
            let kind = settings.checkout_kind.as_ref().or(arguments.get(2));
            // `1` where another commit was checked out, and not only a file.
            if kind.is_none_or(|kind| kind != "1") || project.git().is_declined() {
                return Ok(ExitStatus::Success);
            }
            // In the middle of a rebase a checkout that fails would do harm.
            let rebase = project
                .git()
                .run(&["rev-parse", "--git-path", "rebase-merge"])?;
            if project.root().join(rebase.trim_end()).is_dir() {
                return Ok(ExitStatus::Success);
            }
            "checkout"
        }
    };
    let Cli { global: _, command } = Cli::try_parse_from(["ketch", command])
        .map_err(|error| CommandError::system(error.to_string()))?;
    super::run(command, settings, printer)
}
