//! What the commands of a stage write: kept in its log, its end kept for an error, and passed on.

use std::collections::VecDeque;
use std::io::Write;

use camino::Utf8PathBuf;

use super::Task;
use crate::{ProjectError, ReproReporter, StageFailure};

/// How many of the last lines an error carries.
const TAIL: usize = 20;

pub(super) struct Transcript<'a> {
    stage: &'a str,
    reporter: &'a dyn ReproReporter,
    path: Utf8PathBuf,
    log: fs_err::File,
    tail: VecDeque<String>,
}

impl<'a> Transcript<'a> {
    pub(super) fn begin(task: &Task<'a>) -> Result<Self, ProjectError> {
        if let Some(directory) = task.log.parent() {
            fs_err::create_dir_all(directory)?;
        }
        Ok(Self {
            stage: &task.stage.address,
            reporter: task.reporter,
            path: task.log.to_owned(),
            log: fs_err::File::create(task.log)?,
            tail: VecDeque::with_capacity(TAIL),
        })
    }

    /// A command begins.
    pub(super) fn command(&mut self, command: &str) -> Result<(), ProjectError> {
        Ok(writeln!(self.log, "$ {command}")?)
    }

    /// It wrote a line.
    pub(super) fn line(&mut self, line: &str) {
        // A full disk must not end a run that does well otherwise.
        let _ = writeln!(self.log, "{line}");
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        self.reporter.stage_line(self.stage, line);
    }

    /// Something happened to it that no command wrote.
    pub(super) fn note(&mut self, note: &str) {
        let _ = writeln!(self.log, "# {note}");
        self.reporter.stage_note(self.stage, note);
    }

    /// The error for a command that failed; `code` is how it ended, if not by a signal.
    pub(super) fn failure(self, command: &str, status: String, code: Option<i32>) -> ProjectError {
        ProjectError::StageFailed(Box::new(StageFailure {
            stage: self.stage.to_owned(),
            command: command.to_owned(),
            status,
            code,
            tail: self.tail.into(),
            log: self.path,
        }))
    }
}
