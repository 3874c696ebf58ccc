//! The commands: one file each, whose doc comment is its manual.

mod add;
mod completions;
pub(crate) mod demo;
mod deploy;
mod init;
mod man;
mod metrics;
mod model;
mod repro;
mod retrain;
mod rollback;
mod runs;
mod status;
mod up;
mod why;

use clap::Subcommand;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Every command, in the order of a project's life.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Add(add::AddArgs),
    Repro(repro::ReproArgs),
    Status(status::StatusArgs),
    Metrics(metrics::MetricsArgs),
    Model(model::ModelArgs),
    Runs(runs::RunsArgs),
    Retrain(retrain::RetrainArgs),
    Up(up::UpArgs),
    Deploy(deploy::DeployArgs),
    Rollback(rollback::RollbackArgs),
    Why(why::WhyArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

pub(crate) fn run(
    command: Command,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Demo(args) => demo::run(args, settings, printer),
        Command::Init(args) => init::run(args, settings, printer),
        Command::Add(args) => add::run(args, settings, printer),
        Command::Repro(args) => repro::run(args, settings, printer),
        Command::Status(args) => status::run(args, settings, printer),
        Command::Metrics(args) => metrics::run(args, settings, printer),
        Command::Model(args) => model::run(args, settings, printer),
        Command::Runs(args) => runs::run(args, settings, printer),
        Command::Retrain(args) => retrain::run(args, settings, printer),
        Command::Up(args) => up::run(args, settings, printer),
        Command::Deploy(args) => deploy::run(args, settings, printer),
        Command::Rollback(args) => rollback::run(args, settings, printer),
        Command::Why(args) => why::run(args, settings, printer),
        Command::Completions(args) => Ok(completions::run(args, printer)),
        Command::Man(args) => man::run(args, settings, printer),
    }
}
