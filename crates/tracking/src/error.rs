//! What can go wrong, and what to do about it.

use std::io;

use camino::Utf8PathBuf;
use thiserror::Error;

use crate::id::{ExperimentId, RunId};
use crate::name::{Alias, ModelName};

/// Why a tracking call failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrackingError {
    /// Text that breaks a rule: a name, an id, a value that is too long.
    #[error("invalid {what} `{value}`: {reason}")]
    Invalid {
        /// What the text was meant to be.
        what: &'static str,
        /// The text, shortened for display.
        value: String,
        /// The rule that it breaks.
        reason: &'static str,
        /// What would be accepted.
        advice: &'static str,
    },

    /// A parameter keeps the value it was first given.
    #[error("param `{key}` of run `{run}` is already `{old}` and cannot become `{new}`")]
    ParamChanged {
        /// The run.
        run: RunId,
        /// The parameter.
        key: String,
        /// The stored value, shortened for display.
        old: String,
        /// The refused value, shortened for display.
        new: String,
    },

    /// No experiment has this name.
    #[error("no experiment named `{name}`")]
    NoExperimentNamed {
        /// The name looked for.
        name: String,
    },

    /// No experiment has this id.
    #[error("no experiment with id `{experiment}`")]
    NoExperiment {
        /// The id looked for.
        experiment: ExperimentId,
    },

    /// No run has this id.
    #[error("no run with id `{run}`")]
    NoRun {
        /// The id looked for.
        run: RunId,
    },

    /// No registered model has this name.
    #[error("no registered model named `{model}`")]
    NoModel {
        /// The name looked for.
        model: ModelName,
    },

    /// The model has no such version.
    #[error("model `{model}` has no version {version}")]
    NoModelVersion {
        /// The model.
        model: ModelName,
        /// The version looked for.
        version: u32,
    },

    /// The model has no such alias. MLflow counts this as an invalid parameter value, not as
    /// something missing, and so does [`TrackingError::kind`].
    #[error("model `{model}` has no alias `{alias}`")]
    NoAlias {
        /// The model.
        model: ModelName,
        /// The alias looked for.
        alias: Alias,
    },

    /// Experiment names are unique.
    #[error("an experiment named `{name}` exists already")]
    ExperimentExists {
        /// The name.
        name: String,
    },

    /// Run ids are unique.
    #[error("a run with id `{run}` exists already")]
    RunExists {
        /// The id.
        run: RunId,
    },

    /// Lineage is evidence: once recorded it stays as it is.
    #[error("run `{run}` has another lineage already")]
    LineageExists {
        /// The run.
        run: RunId,
    },

    /// There is no database to read.
    #[error("no tracking database at `{path}`")]
    NoDatabase {
        /// The path looked at.
        path: Utf8PathBuf,
    },

    /// The file holds something else than `SQLite`.
    #[error("`{path}` is not a SQLite database")]
    NotADatabase {
        /// The file.
        path: Utf8PathBuf,
    },

    /// The file is `SQLite`, but another program's.
    #[error("`{path}` is a SQLite database of another program")]
    ForeignDatabase {
        /// The file.
        path: Utf8PathBuf,
    },

    /// A newer ketch has migrated the database.
    #[error("`{path}` has schema version {found}, newer than this ketch knows: {known}")]
    NewerSchema {
        /// The file.
        path: Utf8PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version this build reads.
        known: u32,
    },

    /// The database needs a migration, which a read-only opening cannot do.
    #[error("`{path}` has schema version {found}, and reading needs version {known}")]
    OlderSchema {
        /// The file.
        path: Utf8PathBuf,
        /// The version in the file.
        found: u32,
        /// The version this build reads.
        known: u32,
    },

    /// The file system does not offer what a write-ahead log needs.
    #[error("`{path}` cannot keep a write-ahead log, only journal mode `{mode}`")]
    NoWriteAheadLog {
        /// The file.
        path: Utf8PathBuf,
        /// The journal mode that `SQLite` fell back to.
        mode: String,
    },

    /// The database was opened for reading, or the file is write-protected.
    #[error("cannot {action}: `{path}` is open for reading only")]
    ReadOnly {
        /// The file.
        path: Utf8PathBuf,
        /// What was tried.
        action: &'static str,
    },

    /// Another process kept the database locked for longer than we wait.
    #[error("cannot {action}: another process keeps `{path}` locked")]
    Busy {
        /// The file.
        path: Utf8PathBuf,
        /// What was tried.
        action: &'static str,
    },

    /// The file is damaged.
    #[error("cannot {action}: `{path}` is damaged")]
    Damaged {
        /// The file.
        path: Utf8PathBuf,
        /// What was tried.
        action: &'static str,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },

    /// Anything else that `SQLite` reports.
    #[error("cannot {action} in `{path}`")]
    Database {
        /// The file.
        path: Utf8PathBuf,
        /// What was tried.
        action: &'static str,
        /// What `SQLite` says.
        source: rusqlite::Error,
    },

    /// The directory of the database could not be made.
    #[error("cannot make the directory of `{path}`")]
    Directory {
        /// The database file.
        path: Utf8PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The class of an error, in MLflow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something named does not exist.
    ResourceDoesNotExist,
    /// Something unique exists already.
    ResourceAlreadyExists,
    /// The caller's value is not acceptable.
    InvalidParameterValue,
    /// The database itself failed.
    Storage,
}

impl ErrorKind {
    /// The `error_code` of MLflow's REST API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::Storage => "INTERNAL_ERROR",
        }
    }
}

impl TrackingError {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::ParamChanged { .. } | Self::NoAlias { .. } => {
                ErrorKind::InvalidParameterValue
            }
            Self::NoExperimentNamed { .. }
            | Self::NoExperiment { .. }
            | Self::NoRun { .. }
            | Self::NoModel { .. }
            | Self::NoModelVersion { .. } => ErrorKind::ResourceDoesNotExist,
            Self::ExperimentExists { .. } | Self::RunExists { .. } | Self::LineageExists { .. } => {
                ErrorKind::ResourceAlreadyExists
            }
            Self::NoDatabase { .. }
            | Self::NotADatabase { .. }
            | Self::ForeignDatabase { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::NoWriteAheadLog { .. }
            | Self::ReadOnly { .. }
            | Self::Busy { .. }
            | Self::Damaged { .. }
            | Self::Database { .. }
            | Self::Directory { .. } => ErrorKind::Storage,
        }
    }

    /// What to do next, when there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Invalid { advice, .. } => *advice,
            Self::ParamChanged { .. } => {
                "log the new value in a new run, or keep what changes during a run as a metric"
            }
            Self::NoExperimentNamed { .. } | Self::NoExperiment { .. } => {
                "check the spelling, or create the experiment first"
            }
            Self::NoRun { .. } => "check the run id; it has 32 hexadecimal digits",
            Self::NoModel { .. } => "check the spelling, or register the model first",
            Self::NoModelVersion { .. } => "look at the model's list of versions",
            Self::NoAlias { .. } => "set the alias to a version first",
            Self::ExperimentExists { .. } => "use the existing experiment, or choose another name",
            Self::RunExists { .. } => "use the existing run, or choose another id",
            Self::LineageExists { .. } => "start a new run for a new execution",
            Self::NoDatabase { .. } => {
                "it appears with the first run; check that the path is right"
            }
            Self::NotADatabase { .. } => {
                "check the path; if this was ketch's database, restore it from a backup"
            }
            Self::ForeignDatabase { .. } => "point ketch at its own database or at a new file",
            Self::NewerSchema { .. } => "update ketch",
            Self::OlderSchema { .. } => "open it once for writing, which migrates it",
            Self::NoWriteAheadLog { .. } => "put the database on a local disk",
            Self::ReadOnly { .. } => "check the permissions of the file and of its directory",
            Self::Busy { .. } => "wait until the other ketch is done, then try again",
            Self::Damaged { .. } => "restore the database from a backup",
            Self::Database { source, .. } => match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DiskFull) => "free some disk space, then try again",
                Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
                    "check that it is a file, and the permissions of its directory"
                }
                _ => return None,
            },
            Self::Directory { .. } => "check the path and its permissions",
        };
        Some(hint.to_owned())
    }
}

/// As much of a value as fits in a message.
pub(crate) fn shorten(value: &str) -> String {
    const LONGEST: usize = 60;
    let printable = value
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    if value.chars().nth(LONGEST).is_none() {
        printable.collect()
    } else {
        printable.take(LONGEST).chain(['…']).collect()
    }
}
