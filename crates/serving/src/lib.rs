//! Models that answer: runtimes, signatures, routing between versions, the rollout's evidence and
//! the log of every prediction.
//!
//! This crate owns what happens between a request that has been parsed and an answer that has not
//! yet been written: which version answers, what it answers, and the record of it. It knows no
//! HTTP, prints nothing, and never decides by itself that a version should serve: `control` does,
//! by publishing a [`RoutingTable`].

#![forbid(unsafe_code)]

mod endpoint;
mod error;
mod golden;
pub mod inference_protocol;
mod log;
mod model;
mod rollout;
mod routing;
mod runtime;
mod scoring;
mod tensor;

pub use endpoint::{Endpoint, EndpointOptions, Inference, PredictionObserver, Recovered};
pub use error::ServingError;
pub use golden::GoldenSample;
pub use log::{
    FeatureColumn, FeatureKind, FeatureValue, Label, LabelLog, LabelOutcome, LabelledPrediction,
    LogOptions, LogStatistics, PredictionLog, PredictionRecord, Recorded, read_labelled,
    read_predictions,
};
pub use model::{LoadedModel, ModelSource, load_model};
pub use rollout::{Badness, Counts, Evidence, Rollout, RolloutOptions, Verdict};
pub use routing::{Canary, Route, RoutingTable, Variant};
pub use runtime::{RUNTIMES, RunnableModel, Runtime, RuntimeError};
pub use scoring::{ScoredRow, score_rows};
pub use tensor::{DataType, NamedTensor, Signature, Tensor, TensorData, TensorSpec};
