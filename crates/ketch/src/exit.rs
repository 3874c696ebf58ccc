//! How a command ends: its exit code, and the one place where every library's error becomes a
//! message with hints and an exit code.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use ketch_control::ControlError;
use ketch_dvc::FormatError;
use ketch_project::{ExecutorError, ImportError, ProjectError, VerifyError};
use ketch_server::ServerError;
use ketch_serving::ServingError;
use ketch_store::StoreError;
use ketch_store::remote::RemoteError;
use ketch_table::TableError;
use ketch_tracking::TrackingError;
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::commands::demo::DemoError;
use crate::settings::Verbosity;

/// The exit codes. They are an interface: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExitStatus {
    /// 0: it worked.
    Success,
    /// 1: nothing broke, but the answer is no: something differs, or a gate refused.
    Refused,
    /// 3: the project, its files or what was asked for is not right; somebody can correct that.
    /// (2 is clap's, for a command line that is wrong.)
    Failure,
    /// 4: the machine failed: a disk, the network, a program that is missing, a damaged file.
    System,
}

impl ExitStatus {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Refused => 1,
            Self::Failure => 3,
            Self::System => 4,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// What DVC calls a failure, by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DvcFailure {
    /// 255, or 1 from a command that answers so.
    #[default]
    Any,
    /// 251: a setting, or a file of settings.
    Configuration,
    /// A remote that there is not, or none that can be: 251, or 1 from a command that answers so.
    NoRemote,
    /// 253: not in a project.
    NotARepository,
    /// 255 whatever the command: it did not come to what it is about.
    Early,
}

impl DvcFailure {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Configuration | Self::NoRemote => 251,
            Self::NotARepository => 253,
            Self::Any | Self::Early => 255,
        }
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct CommandError {
    status: ExitStatus,
    // Boxed: an error is rare and a `Result` should stay small.
    told: Box<Told>,
}

#[derive(Debug, Default)]
struct Told {
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    /// The line of a user's file that is wrong.
    excerpt: Option<Excerpt>,
    /// The last lines of a stage, for those who have not seen them go by.
    tail: Vec<String>,
    dvc: DvcFailure,
}

#[derive(Debug)]
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
}

impl CommandError {
    /// Something that a person can correct.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Failure, message)
    }

    /// The answer is no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Refused, message)
    }

    /// The machine failed.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::System, message)
    }

    /// The same error with something to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.told.hints.push(hint.into());
        self
    }

    /// The same error where it has nothing to do with the command: to DVC another failure.
    #[must_use]
    pub(crate) fn of_any_command(mut self) -> Self {
        self.told.dvc = DvcFailure::Early;
        self
    }

    /// The same error where settings are looked for: outside of a project there are none, which DVC
    /// calls a wrong setting.
    #[must_use]
    pub(crate) fn of_settings(mut self) -> Self {
        if self.told.dvc == DvcFailure::NotARepository {
            self.told.dvc = DvcFailure::Configuration;
        }
        self
    }

    /// The same error where a setting was given wrong.
    #[must_use]
    pub(crate) fn of_a_setting(mut self) -> Self {
        self.told.dvc = DvcFailure::Configuration;
        self
    }

    /// The same error with what was being done at the top.
    #[must_use]
    pub(crate) fn context(mut self, message: impl Into<String>) -> Self {
        let below = std::mem::replace(&mut self.told.message, message.into());
        self.told.causes.insert(0, below);
        self
    }

    pub(crate) fn status(&self) -> ExitStatus {
        self.status
    }

    /// What it is to somebody who called DVC.
    pub(crate) fn dvc_failure(&self) -> DvcFailure {
        self.told.dvc
    }

    /// What somebody reads who called DVC: the causes follow on the line, as there.
    pub(crate) fn shown_as_dvc(&self) -> String {
        let causes = self.told.causes.iter().map(String::as_str);
        let parts: Vec<&str> = std::iter::once(self.told.message.as_str())
            .chain(causes)
            .collect();
        let mut text = format!("{} {}\n", "ERROR:".red(), parts.join(" - "));
        if let Some(excerpt) = &self.told.excerpt {
            text.push_str(&excerpt.to_string());
        }
        for line in self.told.tail.iter().chain(&self.told.hints) {
            writeln_to(&mut text, format_args!("  {line}"));
        }
        text
    }

    fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        let told = Told {
            message: message.into(),
            ..Told::default()
        };
        Self {
            status,
            told: Box::new(told),
        }
    }

    /// An error of a library: its text, the texts of what is below it, and its hint.
    fn library(status: ExitStatus, error: &dyn Error, hint: Option<String>) -> Self {
        let mut made = Self::new(status, error.to_string());
        let mut cause = error.source();
        while let Some(below) = cause {
            let text = below.to_string();
            let told = made.told.causes.last().unwrap_or(&made.told.message);
            if !told.ends_with(&text) {
                made.told.causes.push(text);
            }
            cause = below.source();
        }
        made.told.hints.extend(hint);
        made
    }

    /// What a person reads: several lines, each with its end.
    pub(crate) fn shown(&self, verbosity: Verbosity) -> String {
        let mut text = format!("{} {}\n", "error:".red().bold(), self.told.message);
        if let Some(excerpt) = &self.told.excerpt {
            text.push_str(&excerpt.to_string());
        }
        if verbosity == Verbosity::Quiet {
            for line in &self.told.tail {
                writeln_to(&mut text, format_args!("  | {line}"));
            }
        }
        for cause in &self.told.causes {
            writeln_to(&mut text, format_args!("  {} {cause}", "caused by:".bold()));
        }
        for hint in &self.told.hints {
            writeln_to(&mut text, format_args!("  {} {hint}", "hint:".cyan()));
        }
        text
    }

    /// What a program reads.
    pub(crate) fn as_json(&self) -> impl Serialize + use<'_> {
        #[derive(Serialize)]
        struct Document<'a> {
            error: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            kind: ExitStatus,
            exit_code: u8,
            message: &'a str,
            causes: &'a [String],
            hints: &'a [String],
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            last_lines: &'a [String],
        }
        Document {
            error: Fields {
                kind: self.status,
                exit_code: self.status.code(),
                message: &self.told.message,
                causes: &self.told.causes,
                hints: &self.told.hints,
                last_lines: &self.told.tail,
            },
        }
    }
}

fn writeln_to(text: &mut String, line: fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

/// The line under its number, and a mark under the column.
impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab moves the mark as it moved the text.
        let before: String = self
            .text
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|character| if character == '\t' { '\t' } else { ' ' })
            .collect();
        let bar = "|".blue();
        writeln!(formatter, "  {} {bar} {}", number.blue(), self.text)?;
        writeln!(formatter, "  {margin} {bar} {before}{}", "^".red().bold())
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::library(of_io(&error), &error, None)
    }
}

impl From<FormatError> for CommandError {
    fn from(error: FormatError) -> Self {
        Self::format(&error)
    }
}

impl CommandError {
    fn format(error: &FormatError) -> Self {
        let hint = error.hint().map(str::to_owned);
        let mut made = Self::library(ExitStatus::Failure, error, hint);
        if let (Some(line), Some(column), Some(text)) =
            (error.line(), error.column(), error.source_line())
        {
            made.told.excerpt = Some(Excerpt {
                line,
                column,
                text: text.to_owned(),
            });
        }
        let name = camino::Utf8Path::new(error.source_name()).file_name();
        if matches!(name, Some("config" | "config.local")) {
            made.told.dvc = DvcFailure::Configuration;
        }
        made
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::library(of_store(&error), &error, error.hint())
    }
}

impl From<ProjectError> for CommandError {
    fn from(error: ProjectError) -> Self {
        if let ProjectError::Format(error) = &error {
            return Self::format(error);
        }
        let mut made = Self::library(of_project(&error), &error, error.hint());
        made.told.dvc = match &error {
            ProjectError::NotAProject { .. } => DvcFailure::NotARepository,
            ProjectError::UnknownSetting { .. }
            | ProjectError::SettingValue { .. }
            | ProjectError::NotSet { .. }
            | ProjectError::UnknownRemote { .. }
            | ProjectError::RemoteExists { .. }
            | ProjectError::RemoteWithoutUrl { .. }
            | ProjectError::NotOfDirectory { .. } => DvcFailure::Configuration,
            ProjectError::Store(StoreError::Remote(
                RemoteError::Unknown { .. }
                | RemoteError::UnknownScheme { .. }
                | RemoteError::NotConfigured,
            ))
            | ProjectError::Import(ImportError::RemoteOption { .. }) => DvcFailure::NoRemote,
            ProjectError::Store(StoreError::IgnoreFileInside { .. }) => DvcFailure::Early,
            _ => DvcFailure::Any,
        };
        if let ProjectError::StageFailed(failure) = error {
            made.told.tail = failure.tail;
        }
        made
    }
}

impl From<TableError> for CommandError {
    fn from(error: TableError) -> Self {
        let status = match &error {
            TableError::Io { source, .. } => of_io(source),
            TableError::ParquetDamaged { .. } | TableError::WriteChanges { .. } => {
                ExitStatus::System
            }
            _ => ExitStatus::Failure,
        };
        Self::library(status, &error, error.hint())
    }
}

impl From<TrackingError> for CommandError {
    fn from(error: TrackingError) -> Self {
        Self::library(of_tracking(&error), &error, error.hint())
    }
}

impl From<ServingError> for CommandError {
    fn from(error: ServingError) -> Self {
        Self::library(of_serving(&error), &error, error.hint())
    }
}

impl From<ControlError> for CommandError {
    fn from(error: ControlError) -> Self {
        let status = match &error {
            ControlError::RolloutInProgress { .. }
            | ControlError::GateRefuses { .. }
            | ControlError::AlreadyChampion { .. } => ExitStatus::Refused,
            ControlError::Journal { .. }
            | ControlError::JournalDamaged { .. }
            | ControlError::Stopped
            | ControlError::Folder { .. } => ExitStatus::System,
            ControlError::Tracking(error) => of_tracking(error),
            ControlError::Serving(error) => of_serving(error),
            ControlError::Project(_) | ControlError::Store(_) => {
                return match error {
                    ControlError::Project(error) => error.into(),
                    ControlError::Store(error) => error.into(),
                    other => Self::library(ExitStatus::Failure, &other, other.hint()),
                };
            }
            _ => ExitStatus::Failure,
        };
        Self::library(status, &error, error.hint())
    }
}

impl From<ServerError> for CommandError {
    fn from(error: ServerError) -> Self {
        let status = match &error {
            // Another port can be chosen.
            ServerError::Bind { .. } => ExitStatus::Failure,
            ServerError::Token { .. } | ServerError::Serve(_) | ServerError::Panicked => {
                ExitStatus::System
            }
        };
        Self::library(status, &error, error.hint())
    }
}

impl From<DemoError> for CommandError {
    fn from(error: DemoError) -> Self {
        let status = match &error {
            DemoError::NoPython { .. }
            | DemoError::NoVenv { .. }
            | DemoError::NoGit
            | DemoError::Pip { .. }
            | DemoError::Program { .. }
            | DemoError::Http { .. } => ExitStatus::System,
            DemoError::Io(error) | DemoError::Folder { source: error, .. } => of_io(error),
            DemoError::Ending { .. } => ExitStatus::Refused,
            _ => ExitStatus::Failure,
        };
        Self::library(status, &error, error.hint())
    }
}

/// What is missing or misnamed is the caller's; the rest is the machine's.
fn of_io(error: &io::Error) -> ExitStatus {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidInput => ExitStatus::Failure,
        _ => ExitStatus::System,
    }
}

fn of_store(error: &StoreError) -> ExitStatus {
    match error {
        StoreError::Io(error) => of_io(error),
        StoreError::Corrupt { .. } | StoreError::Manifest { .. } => ExitStatus::System,
        StoreError::Remote(error) if error.full_disk().is_some() => ExitStatus::System,
        _ => ExitStatus::Failure,
    }
}

fn of_project(error: &ProjectError) -> ExitStatus {
    match error {
        ProjectError::Io(error) => of_io(error),
        ProjectError::Store(error) => of_store(error),
        ProjectError::GitUnavailable { .. }
        | ProjectError::StageNotStarted { .. }
        | ProjectError::Executor(
            ExecutorError::NoSlurm { .. }
            | ExecutorError::Call { .. }
            | ExecutorError::Silent { .. }
            | ExecutorError::Attempts { .. },
        )
        | ProjectError::Verify(VerifyError::NoSshKeygen { .. }) => ExitStatus::System,
        _ => ExitStatus::Failure,
    }
}

fn of_tracking(error: &TrackingError) -> ExitStatus {
    match error {
        TrackingError::NoDatabase { .. } => ExitStatus::Failure,
        error if error.kind() == ketch_tracking::ErrorKind::Storage => ExitStatus::System,
        _ => ExitStatus::Failure,
    }
}

fn of_serving(error: &ServingError) -> ExitStatus {
    match error {
        ServingError::Log { .. } | ServingError::LogFolder { .. } | ServingError::LogStopped => {
            ExitStatus::System
        }
        _ => ExitStatus::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(error: &CommandError) -> String {
        anstream::adapter::strip_str(&error.shown(Verbosity::Normal)).to_string()
    }

    #[test]
    fn causes_and_hints_follow_the_message() {
        let error = CommandError::user("cannot do it")
            .context("nothing was released")
            .hint("try again");
        assert_eq!(
            plain(&error),
            "error: nothing was released\n  caused by: cannot do it\n  hint: try again\n"
        );
    }

    #[test]
    fn the_place_in_a_file_is_shown() {
        let text = "stages:\n\ttrain:\n";
        let error = FormatError::new("dvc.yaml", "a tab")
            .at(text, 2, 2)
            .with_hint("use spaces");
        assert_eq!(
            plain(&error.into()),
            "error: dvc.yaml:2:2: a tab\n  2 | \ttrain:\n    | \t^\n  hint: use spaces\n"
        );
    }

    #[test]
    fn a_cause_that_was_told_is_not_told_again() {
        let error = fs_err::read("no/such/file").unwrap_err();
        let error = CommandError::from(error);
        assert_eq!(error.status(), ExitStatus::Failure);
        assert_eq!(plain(&error).matches("os error").count(), 1);
    }

    #[test]
    fn each_kind_of_error_has_its_code() {
        let gate = ControlError::GateRefuses {
            version: 2,
            reasons: vec!["worse".to_owned()],
        };
        assert_eq!(CommandError::from(gate).status().code(), 1);
        let start = "x".into();
        let inside = ControlError::Project(ProjectError::NotAProject { start });
        assert_eq!(CommandError::from(inside).status().code(), 3);
        assert_eq!(CommandError::from(ControlError::Stopped).status().code(), 4);
        let full = io::Error::from(ErrorKind::StorageFull);
        assert_eq!(CommandError::from(full).status().code(), 4);
    }
}
