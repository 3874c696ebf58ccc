//! What can go wrong between a request and its answer.

use ketch_table::TableError;

use crate::runtime::RuntimeError;

/// Errors of this crate. The message never holds a payload or a path of the server.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The request does not fit the model's signature or the protocol.
    #[error("{message}")]
    BadRequest {
        /// What does not fit, and where.
        message: String,
    },
    /// A version that is not loaded was asked for by path.
    #[error("version `{version}` of model `{model}` is not loaded")]
    UnknownVersion {
        /// The model's name.
        model: String,
        /// The version that was asked for.
        version: u32,
    },
    /// No version serves yet.
    #[error("model `{model}` has no champion yet")]
    NoChampion {
        /// The model's name.
        model: String,
    },
    /// The model could not be loaded.
    #[error("model `{model}` version {version} could not be loaded")]
    Load {
        /// The model's name.
        model: String,
        /// The version.
        version: u32,
        /// Why.
        source: RuntimeError,
    },
    /// The bytes are not those that were registered.
    #[error(
        "model `{model}` version {version} has digest `{found}`, but `{expected}` was registered"
    )]
    Digest {
        /// The model's name.
        model: String,
        /// The version.
        version: u32,
        /// The registered digest.
        expected: String,
        /// The digest of the bytes at hand.
        found: String,
    },
    /// The model runs, but does not answer its golden sample as its maker did.
    #[error("model `{model}` version {version} fails its golden sample: {message}")]
    Golden {
        /// The model's name.
        model: String,
        /// The version.
        version: u32,
        /// The first difference.
        message: String,
    },
    /// The golden sample cannot be read.
    #[error("the golden sample cannot be read: {message}")]
    GoldenFormat {
        /// What is wrong with it.
        message: String,
    },
    /// The model failed on this input.
    #[error("the model failed on this input")]
    Run(#[source] RuntimeError),
    /// The prediction or label log.
    #[error("the {log} log cannot be {action}")]
    Log {
        /// `prediction` or `label`.
        log: &'static str,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        source: TableError,
    },
    /// A file operation on a log.
    #[error("the {log} log's folder")]
    LogFolder {
        /// `prediction` or `label`.
        log: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The log's writer thread is gone.
    #[error("the prediction log's writer has stopped")]
    LogStopped,
}

impl ServingError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadRequest { .. } => {
                Some("`GET /v2/models/NAME` shows the inputs the model takes".to_owned())
            }
            Self::UnknownVersion { .. } => {
                Some("leave the version out of the path to reach the champion".to_owned())
            }
            Self::NoChampion { model } => {
                Some(format!("release a version: `ketch deploy {model} VERSION`"))
            }
            Self::Digest { .. } => Some(
                "the artifact was changed or damaged; rebuild it with `ketch repro`".to_owned(),
            ),
            Self::Golden { .. } => Some(
                "export the model again (scikit-learn: `to_onnx(…, options={\"zipmap\": False})`) \
                 and write the golden sample from the same fitted model"
                    .to_owned(),
            ),
            Self::Log { source, .. } => source.hint(),
            Self::Load { source, .. } | Self::Run(source) => source.hint(),
            Self::GoldenFormat { .. } | Self::LogFolder { .. } | Self::LogStopped => None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::BadRequest {
            message: message.into(),
        }
    }
}
