//! `ketch queue logs`

use std::io::{ErrorKind, Read};
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use ketch_project::{TaskState, task_log};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// How often to look for more.
const POLL: Duration = Duration::from_millis(100);

/// Print the output of an experiment that runs or ran from the queue
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Its name, or the first digits of its id
    task: String,

    /// Go on printing until it is over
    #[arg(short, long)]
    follow: bool,

    /// Text is printed as it is; for scripts that DVC's option is written in
    #[arg(short, long, hide = true)]
    encoding: Option<String>,
}

pub(super) fn run(
    args: &LogsArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let (task, log) = task_log(&project, &args.task)?;
    let mut file = match fs_err::File::open(&log) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(CommandError::user(format!(
                "`{}` has printed nothing yet",
                task.name
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let mut state = task.state;
    loop {
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        printer.raw(&text);
        if !args.follow || state != TaskState::Running {
            return Ok(ExitStatus::Success);
        }
        sleep(POLL);
        // What it printed before it was over is read once more.
        state = task_log(&project, &args.task).map_or(TaskState::Success, |(task, _)| task.state);
    }
}
