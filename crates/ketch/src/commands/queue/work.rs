//! `ketch queue work`, hidden: the worker that `ketch queue start` starts.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use clap::Args;
use ketch_project::{Project, QueueReporter, Task, WorkerOptions, work_off_queue};
use serde::Serialize;

use super::own_program;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Run what waits until nothing does
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Experiments that run at once
    #[arg(short, long, value_name = "NUMBER", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
}

pub(super) fn run(
    args: &WorkArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    // The terminal it was started from may close.
    let _ = rustix::process::setsid();
    let project = open_project(settings, printer)?;
    work_off(&project, args.jobs, &Unheard, printer)?;
    Ok(ExitStatus::Success)
}

struct Unheard;

impl QueueReporter for Unheard {}

/// Runs what waits, in this process.
pub(crate) fn work_off(
    project: &Project,
    jobs: NonZeroUsize,
    reporter: &dyn QueueReporter,
    printer: &Printer,
) -> Result<(), CommandError> {
    let program = own_program(&["queue", "run-task"], printer)?;
    let options = WorkerOptions { jobs, program };
    Ok(work_off_queue(project, &options, reporter)?)
}

/// Tells of tasks a line at a time, and remembers them.
pub(crate) struct Told<'p> {
    printer: &'p Printer,
    ran: RefCell<RanTasks>,
}

/// Names of tasks that are over.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RanTasks {
    pub(crate) done: Vec<String>,
    pub(crate) failed: Vec<String>,
}

impl<'p> Told<'p> {
    pub(crate) fn new(printer: &'p Printer) -> Self {
        Self {
            printer,
            ran: RefCell::default(),
        }
    }

    pub(crate) fn names(&self) -> RanTasks {
        self.ran.borrow().clone()
    }
}

impl QueueReporter for Told<'_> {
    fn task_started(&self, task: &Task) {
        self.printer.note(format_args!("{} runs", task.name));
    }

    fn task_ended(&self, task: &Task, error: Option<&str>) {
        let name = task.name.clone();
        match error {
            None => {
                self.printer.note(format_args!("{name} is done"));
                self.ran.borrow_mut().done.push(name);
            }
            Some(error) => {
                self.printer.failure(format_args!("{name} failed: {error}"));
                self.ran.borrow_mut().failed.push(name);
            }
        }
    }
}
