//! `ketch queue status`

use clap::Args;
use ketch_project::{Task, TaskState, Workers, queue_tasks, queue_workers};
use serde::Serialize;

use super::{short, shown_time, state};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::TextTable;
use crate::workspace::open_project;

/// Show what waits, runs, failed and did well
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    tasks: &'a [Task],
    workers: &'a Workers,
}

pub(super) fn run(
    _: &StatusArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let tasks = queue_tasks(&project)?;
    let workers = queue_workers(&project)?;
    printer.json(&Report {
        tasks: &tasks,
        workers: &workers,
    });
    if tasks.is_empty() {
        printer.line("No experiment tasks in the queue.");
    } else {
        let mut table = TextTable::new(["Task", "Name", "Created", "Status"]);
        for task in &tasks {
            let created = shown_time(task.created);
            table.row([
                short(task),
                task.name.clone(),
                created,
                state(task).to_owned(),
            ]);
        }
        printer.line(table);
    }
    printer.line("");
    if printer.speaks_dvc() {
        let active = if workers.jobs.is_some() {
            workers.running
        } else {
            0
        };
        let all = workers.jobs.map_or(0, std::num::NonZero::get);
        let idle = all.saturating_sub(active);
        printer.line(format_args!("Worker status: {active} active, {idle} idle"));
        return Ok(ExitStatus::Success);
    }
    for task in tasks.iter().filter(|task| task.state == TaskState::Failed) {
        if let Some(error) = &task.error {
            printer.line(format_args!("{}: {error}", task.name));
        }
    }
    let waits = tasks.iter().any(|task| task.state == TaskState::Queued);
    match workers.jobs {
        Some(jobs) => printer.line(format_args!(
            "a worker is at work: {} of {jobs} at once",
            workers.running
        )),
        None => printer.line("no worker is at work"),
    }
    if waits && workers.jobs.is_none() {
        printer.hint("run what waits: `ketch queue start`");
    }
    Ok(ExitStatus::Success)
}
