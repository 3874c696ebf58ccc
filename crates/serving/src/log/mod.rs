//! The record of every prediction and of the labels that arrive for them.

mod label_log;
mod prediction_log;
mod record;
mod table_log;

pub use label_log::{Label, LabelLog, LabelOutcome, LabelledPrediction, read_labelled};
pub use prediction_log::{LogOptions, LogStatistics, PredictionLog, Recorded, read_predictions};
pub use record::{FeatureColumn, FeatureKind, FeatureValue, PredictionRecord};
