//! Engines that run models: one file and one line in [`RUNTIMES`] for each.

mod onnx_ml;

use crate::tensor::{NamedTensor, Signature};

/// Every runtime, in the order in which they are asked.
pub static RUNTIMES: &[&dyn Runtime] = &[&onnx_ml::OnnxMl];

/// An engine.
pub trait Runtime: Sync {
    /// The name shown to people.
    fn name(&self) -> &'static str;

    /// Whether the bytes look like a model of this engine.
    fn recognises(&self, bytes: &[u8]) -> bool;

    /// Parses and prepares a model.
    fn load(&self, bytes: &[u8]) -> Result<Box<dyn RunnableModel>, RuntimeError>;
}

/// A prepared model; answers from many threads at once.
pub trait RunnableModel: Send + Sync + std::fmt::Debug {
    /// What it takes and gives.
    fn signature(&self) -> &Signature;

    /// Answers a batch: every input by name, every output in the signature's order.
    fn run(&self, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, RuntimeError>;
}

/// What an engine refuses.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No engine knows the format.
    #[error("no runtime recognises these bytes as a model")]
    Unrecognised,
    /// The engine cannot read or run the model.
    #[error("{message}")]
    Model {
        /// What the engine says.
        message: String,
    },
    /// The request does not fit the model.
    #[error("{message}")]
    Input {
        /// What does not fit.
        message: String,
    },
}

impl RuntimeError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unrecognised => Some(
                "ketch serves ONNX files; export with skl2onnx's `to_onnx(…, \
                 options={\"zipmap\": False})`"
                    .to_owned(),
            ),
            Self::Model { .. } | Self::Input { .. } => None,
        }
    }
}
