//! The top of the command line. The arguments of each command are beside the command.

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser};

use crate::commands::Command;

/// Data versioning, pipelines, tracking, serving, monitoring and retraining in one program
///
/// ketch works on an ordinary Git repository with DVC's files (`dvc.yaml`, `dvc.lock`, `.dvc`) and
/// a `ketch.toml` for what DVC does not know: models, gates, rollouts and monitors. `ketch demo`
/// shows the whole loop on real data.
///
/// Data goes to standard output, everything else to standard error. Exit codes: 0 it worked; 1 the
/// answer is no (something differs, a gate refused); 2 the command line is wrong; 3 the project or
/// what was asked for is not right; 4 the machine failed.
#[derive(Debug, Parser)]
#[command(
    name = "ketch",
    version,
    propagate_version = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Print data and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print no progress and no notes
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Work as if started in this directory
    #[arg(short = 'C', long, alias = "cd", global = true, value_name = "DIR")]
    pub(crate) directory: Option<Utf8PathBuf>,

    /// Wait as long as another process changes the project
    #[arg(long, global = true)]
    pub(crate) wait_for_lock: bool,

    /// Say more
    #[arg(short, long, alias = "show-stack", global = true, hide = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lines_are_short_and_without_a_final_period() {
        fn check(command: &clap::Command) {
            let name = command.get_name();
            let about = command
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(!about.is_empty(), "{name} has no help line");
            assert!(!about.ends_with('.'), "{name}: {about}");
            for argument in command.get_arguments() {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(!help.is_empty(), "{name} {} has no help", argument.get_id());
                assert!(!help.ends_with('.'), "{name} {}: {help}", argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    /// clap gives both values to both where a command's argument has the name of a global one.
    #[test]
    fn no_argument_has_the_name_of_a_global_one() {
        fn check(command: &clap::Command, global: &[clap::Id]) {
            for argument in command.get_arguments() {
                assert!(
                    !global.contains(argument.get_id()),
                    "{}: {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command
                .get_subcommands()
                .for_each(|below| check(below, global));
        }
        let cli = Cli::command();
        let global: Vec<_> = cli
            .get_arguments()
            .map(|argument| argument.get_id().clone())
            .collect();
        cli.get_subcommands()
            .for_each(|command| check(command, &global));
    }
}
