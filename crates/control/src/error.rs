//! What can go wrong in the loop.

use camino::Utf8PathBuf;
use ketch_project::ProjectError;
use ketch_serving::ServingError;
use ketch_store::StoreError;
use ketch_table::TableError;
use ketch_tracking::TrackingError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// `ketch.toml` has no such model.
    #[error("ketch.toml has no model `{model}`")]
    UnknownModel {
        /// The name that was asked for.
        model: String,
        /// The models that there are.
        known: Vec<String>,
    },
    /// The registry has no such version.
    #[error("model `{model}` has no version {version}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// The version that was asked for.
        version: u32,
    },
    /// Nothing was ever registered under the name.
    #[error("model `{model}` has no registered version")]
    NothingRegistered {
        /// The model.
        model: String,
    },
    /// A pipeline output that the model needs is not in `dvc.lock`.
    #[error("`{output}` is no output of a pipeline stage that has run")]
    OutputMissing {
        /// The path in `ketch.toml`.
        output: Utf8PathBuf,
    },
    /// There is no commit that a version could be traced back to.
    #[error("nothing is committed yet, so a version could not be traced back")]
    NothingCommitted,
    /// A file that says how the model was made is not in Git.
    #[error("Git does not track `{file}`, so a version could not be traced back")]
    Untracked {
        /// The file, relative to the root.
        file: Utf8PathBuf,
    },
    /// What made the model may not be what the commit holds.
    #[error("there are changes that are not committed: {}", in_backticks(files))]
    Uncommitted {
        /// The files, relative to the root.
        files: Vec<Utf8PathBuf>,
    },
    /// A version is being tried already.
    #[error("{rollout} is trying version {version} at this moment")]
    RolloutInProgress {
        /// The rollout's name.
        rollout: String,
        /// The version that is tried.
        version: u32,
    },
    /// The gate refuses a version that a person wants to release.
    #[error("the gate refuses version {version}: {}", reasons.join("; "))]
    GateRefuses {
        /// The version.
        version: u32,
        /// Each rule with what was found.
        reasons: Vec<String>,
    },
    /// The version serves already.
    #[error("version {version} is the champion already")]
    AlreadyChampion {
        /// The version.
        version: u32,
    },
    /// The rows since the change do not say where they stand in time.
    #[error("the rows since the change do not say where they stand in time{}",
        parameter.as_ref().map(|name| format!(": requests lack the parameter `{name}`")).unwrap_or_default())]
    NoPlaceInTime {
        /// The parameter that `ketch.toml` names, if any.
        parameter: Option<String>,
    },
    /// There is no answered request with this identifier.
    #[error("no prediction with the request id `{request}` is in the log")]
    UnknownRequest {
        /// The identifier.
        request: String,
    },
    /// The journal cannot be read or written.
    #[error("the journal `{path}`")]
    Journal {
        /// Its file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the journal is not what was written.
    #[error("{path}:{line}: damaged: {message}")]
    JournalDamaged {
        /// Its file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// The reference data lacks a column.
    #[error("the reference `{path}` has no column `{column}`")]
    ReferenceColumn {
        /// The reference.
        path: Utf8PathBuf,
        /// The feature that is not in it.
        column: String,
    },
    /// The loop does not answer any more.
    #[error("the loop's thread has stopped")]
    Stopped,
    /// The folder of the loop's files.
    #[error("the folder `{path}`")]
    Folder {
        /// The folder.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// From the project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// From the content store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// From tracking.
    #[error(transparent)]
    Tracking(#[from] TrackingError),
    /// From serving.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// From reading a table.
    #[error(transparent)]
    Table(#[from] TableError),
}

fn in_backticks(files: &[Utf8PathBuf]) -> String {
    let shown: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    shown.join(", ")
}

impl ControlError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownModel { known, .. } if known.is_empty() => {
                Some("add a table `[model.NAME]` with `artifact = …` to ketch.toml".to_owned())
            }
            Self::UnknownModel { known, .. } => Some(format!("it has: {}", known.join(", "))),
            Self::UnknownVersion { model, .. } => {
                Some(format!("`ketch model list {model}` shows the versions"))
            }
            Self::NothingRegistered { model } => Some(format!(
                "run the pipeline and register its model: `ketch repro`, then `ketch model register {model}`"
            )),
            Self::OutputMissing { .. } => Some("run the pipeline first: `ketch repro`".to_owned()),
            Self::NothingCommitted | Self::Untracked { .. } | Self::Uncommitted { .. } => {
                Some("commit it: `git add` the files, then `git commit`".to_owned())
            }
            Self::RolloutInProgress { .. } => {
                Some("wait for its end, or take it back: `ketch rollback`".to_owned())
            }
            Self::GateRefuses { .. } => Some(
                "a person can release it all the same: `--force --reason TEXT`; the audit log \
                 keeps who and why"
                    .to_owned(),
            ),
            Self::NoPlaceInTime { parameter: None } => Some(
                "name the request parameter that places a row in time: `time = \"…\"` in the \
                 model's table of ketch.toml"
                    .to_owned(),
            ),
            Self::NoPlaceInTime {
                parameter: Some(name),
            } => Some(format!(
                "send `\"parameters\": {{\"{name}\": …}}` with every request"
            )),
            Self::JournalDamaged { path, .. } => Some(format!(
                "somebody changed the audit log; restore `{path}` from a backup, or move it away \
                 to begin a new one"
            )),
            Self::Project(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Tracking(error) => error.hint(),
            Self::Serving(error) => error.hint(),
            Self::Table(error) => error.hint(),
            Self::AlreadyChampion { .. }
            | Self::UnknownRequest { .. }
            | Self::Journal { .. }
            | Self::ReferenceColumn { .. }
            | Self::Stopped
            | Self::Folder { .. } => None,
        }
    }
}
