//! What can go wrong with experiments.

use camino::Utf8PathBuf;

use super::Experiment;
use crate::suggest::nearest;

/// What can go wrong with experiments.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    #[error("an experiment begins from a commit, and there is none yet")]
    NoCommit,

    #[error("there is an experiment `{name}` on this commit already")]
    Exists { name: String },

    #[error("`{name}` is no name for an experiment")]
    Name { name: String },

    #[error("there is no experiment `{name}`")]
    Unknown {
        name: String,
        suggestion: Option<String>,
    },

    #[error("`{name}` is the name of several experiments: {}", references.join(", "))]
    Ambiguous {
        name: String,
        references: Vec<String>,
    },

    #[error("an experiment is at work in this work tree already")]
    Busy,

    #[error("`{name}` is at work")]
    AtWork { name: String },

    #[error("`{name}` is not at work")]
    NotAtWork { name: String },

    #[error("`{name}` does not end")]
    StillAtWork { name: String },

    #[error("there is no task `{name}` in the queue")]
    UnknownTask {
        name: String,
        suggestion: Option<String>,
    },

    #[error("`{name}` was taken out of the queue while it ran, and its result is not kept")]
    TaskGone { name: String },

    #[error("a worker is at work already")]
    WorkerAtWork,

    #[error("no worker can be started in `{folder}`: {source}")]
    WorkerNotStarted {
        folder: Utf8PathBuf,
        #[source]
        source: std::io::Error,
    },

    #[error("the values make more than {most} experiments")]
    SweepTooLarge { most: usize },

    #[error("no experiment has a metric or parameter `{name}`")]
    UnknownColumn { name: String },

    #[error("`{name}` may be any of {}", columns.join(", "))]
    AmbiguousColumn { name: String, columns: Vec<String> },

    #[error("`{pattern}` is no regular expression: {source}")]
    ColumnPattern {
        pattern: String,
        #[source]
        source: regex::Error,
    },

    #[error("`{text}` does not set a parameter")]
    Override { text: String },

    #[error("`{name}` cannot be added to `{file}` or taken out of it")]
    NotPlaced { name: String, file: Utf8PathBuf },

    #[error("there is a branch `{name}` already")]
    BranchExists { name: String },

    #[error("there is no file `{path}` to set parameters in")]
    NoParameterFile { path: Utf8PathBuf },
}

impl ExperimentError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoCommit => "record what is there: `git add --all`, then `git commit`".to_owned(),
            Self::Exists { .. } => "force it to take its place, or choose another name".to_owned(),
            Self::Name { .. } => {
                "use letters, digits, `-`, `_` and `.`, as for a branch, and no `/`".to_owned()
            }
            Self::Unknown {
                suggestion: Some(near),
                ..
            } => format!("did you mean `{near}`?"),
            Self::Unknown {
                suggestion: None, ..
            } => "see `ketch exp list --all-commits`".to_owned(),
            Self::Ambiguous { .. } => "name it by its full reference".to_owned(),
            Self::Busy => {
                "wait for it, or run this one in a work tree of its own with `--temp`".to_owned()
            }
            Self::AtWork { name } => {
                format!("see what it does: `ketch queue logs -f {name}`; end it: `ketch queue kill {name}`")
            }
            Self::NotAtWork { .. } | Self::UnknownTask { suggestion: None, .. } => {
                "see what is: `ketch queue status`".to_owned()
            }
            Self::StillAtWork { name } => format!("end it at once: `ketch queue kill --force {name}`"),
            Self::UnknownTask {
                suggestion: Some(near),
                ..
            } => format!("did you mean `{near}`?"),
            Self::TaskGone { .. } => "queue it again if it is wanted".to_owned(),
            Self::WorkerAtWork => {
                "it runs what waits; `ketch queue start --jobs N` has it run more at once".to_owned()
            }
            Self::WorkerNotStarted { .. } => {
                "run what waits from here: `ketch exp run --run-all`".to_owned()
            }
            Self::UnknownColumn { .. } => "see the columns: `ketch exp show`".to_owned(),
            Self::AmbiguousColumn { .. } => "name its file too: `FILE:NAME`".to_owned(),
            Self::ColumnPattern { .. } => {
                "write `\\` before what is meant as it is, as in `train\\.lr`".to_owned()
            }
            Self::SweepTooLarge { .. } => "queue it in parts".to_owned(),
            Self::Override { .. } => {
                "write `NAME=VALUE` or `FILE:NAME=VALUE`; `+NAME=VALUE` adds one, `~NAME` takes one away"
                    .to_owned()
            }
            Self::NotPlaced { file, .. } => format!("change `{file}` by hand, and run without it"),
            Self::BranchExists { .. } => "name another one".to_owned(),
            Self::NoParameterFile { .. } => {
                "name the file before the parameter: `FILE:NAME=VALUE`".to_owned()
            }
        })
    }
}

/// No experiment is called so.
pub(super) fn unknown(name: &str, known: &[Experiment]) -> ExperimentError {
    ExperimentError::Unknown {
        name: name.to_owned(),
        suggestion: nearest(name, known.iter().map(|one| one.name.as_str())).map(str::to_owned),
    }
}
