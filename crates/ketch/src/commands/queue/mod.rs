//! `ketch queue`

mod kill;
mod logs;
mod remove;
mod run_task;
mod start;
mod status;
mod stop;
mod work;

use std::ffi::OsString;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ketch_project::{OwnProgram, Task, TaskState};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

pub(super) use work::{Told, work_off};

/// Run experiments that were queued, and look after them
///
/// `ketch exp run --queue` queues one; `ketch queue start` works off what waits in the background.
/// What waits, runs or failed is kept in Git, so that a crash loses none: what it interrupted waits
/// again.
#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    Start(start::StartArgs),
    Stop(stop::StopArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Remove(remove::RemoveArgs),
    Kill(kill::KillArgs),
    #[command(hide = true)]
    Work(work::WorkArgs),
    #[command(hide = true)]
    RunTask(run_task::RunTaskArgs),
}

pub(super) fn run(
    args: QueueArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match args.command {
        QueueCommand::Start(args) => start::run(&args, settings, printer),
        QueueCommand::Stop(args) => stop::run(&args, settings, printer),
        QueueCommand::Status(args) => status::run(&args, settings, printer),
        QueueCommand::Logs(args) => logs::run(&args, settings, printer),
        QueueCommand::Remove(args) => remove::run(args, settings, printer),
        QueueCommand::Kill(args) => kill::run(&args, settings, printer),
        QueueCommand::Work(args) => work::run(&args, settings, printer),
        QueueCommand::RunTask(args) => run_task::run(&args, settings, printer),
    }
}

/// This program, called with these arguments and by the name it has now.
fn own_program(arguments: &[&str], printer: &Printer) -> Result<OwnProgram, CommandError> {
    let path = std::env::current_exe()
        .map_err(|source| CommandError::from(source).context("cannot find this program"))?;
    let called = if printer.speaks_dvc() { "dvc" } else { "ketch" };
    Ok(OwnProgram {
        path: path.into_os_string(),
        called: OsString::from(called),
        arguments: arguments.iter().map(OsString::from).collect(),
    })
}

fn state(task: &Task) -> &'static str {
    match task.state {
        TaskState::Running => "Running",
        TaskState::Queued => "Queued",
        TaskState::Failed => "Failed",
        TaskState::Success => "Success",
    }
}

/// As DVC shows a time: the hour for today, else the date.
pub(super) fn shown_time(seconds: i64) -> String {
    let Ok(time) = Timestamp::from_second(seconds) else {
        return "-".to_owned();
    };
    let time = time.to_zoned(TimeZone::system());
    let format = if time.date() == Zoned::now().date() {
        "%I:%M %p"
    } else {
        "%b %d, %Y"
    };
    time.strftime(format).to_string()
}

fn short(task: &Task) -> String {
    task.task.to_string().chars().take(7).collect()
}
