//! `ketch queue start`

use std::num::NonZeroUsize;

use clap::Args;
use ketch_project::start_worker;

use super::own_program;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Work off the queue in the background
///
/// The worker leaves when nothing waits any more. Where one is at work already it is given the
/// number of jobs.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Experiments that run at once
    #[arg(short, long, value_name = "NUMBER", default_value_t = NonZeroUsize::MIN)]
    jobs: NonZeroUsize,
}

pub(super) fn run(
    args: &StartArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let jobs = args.jobs.to_string();
    let program = own_program(&["queue", "work", "--jobs", &jobs], printer)?;
    let started = start_worker(&project, &program, args.jobs)?;
    printer.json(&started);
    if printer.speaks_dvc() {
        let count = if started.was_at_work {
            0
        } else {
            args.jobs.get()
        };
        let suffix = if count > 1 { "s" } else { "" };
        printer.line(format_args!(
            "Started '{count}' new experiments task queue worker{suffix}."
        ));
        return Ok(ExitStatus::Success);
    }
    let at_once = match args.jobs.get() {
        1 => "one experiment at a time".to_owned(),
        jobs => format!("{jobs} experiments at once"),
    };
    printer.line(if started.was_at_work {
        format!("the worker runs {at_once} now")
    } else {
        format!("a worker runs {at_once}")
    });
    printer.hint("see how far it is: `ketch queue status`");
    Ok(ExitStatus::Success)
}
