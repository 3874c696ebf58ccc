//! `ketch completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Print completions for a shell
///
/// For bash, for example: `ketch completions bash > ~/.local/share/bash-completion/completions/ketch`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: CompletionsArgs, printer: &Printer) -> ExitStatus {
    let CompletionsArgs { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ketch", &mut script);
    printer.raw(&script);
    ExitStatus::Success
}
