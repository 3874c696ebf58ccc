//! `dvc completion`, DVC's name for `ketch completions`

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Print completions for a shell
///
/// DVC's name for `ketch completions`; called by the name of `dvc`, those of `dvc`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(short, long, value_name = "SHELL", default_value = "bash")]
    shell: SpokenShell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SpokenShell {
    Bash,
    Zsh,
}

pub(super) fn run(args: CompletionArgs, printer: &Printer) -> ExitStatus {
    let CompletionArgs { shell } = args;
    let shell = match shell {
        SpokenShell::Bash => Shell::Bash,
        SpokenShell::Zsh => Shell::Zsh,
    };
    let program = if printer.speaks_dvc() { "dvc" } else { "ketch" };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), program, &mut script);
    printer.raw(&script);
    ExitStatus::Success
}
