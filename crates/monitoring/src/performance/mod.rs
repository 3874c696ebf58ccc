//! How good a model is, from its scores and the labels that came in.

mod delong;
mod measures;
mod rolling;

pub use delong::{PairedAuc, paired_auc_difference};
pub use measures::{accuracy, balanced_accuracy, brier, log_loss, roc_auc};
pub use rolling::{RollingAccuracy, RollingAuc, RollingMean};

/// Why a measure has no value for these rows. Not a failure: a window may well hold no positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undefined {
    #[error("there are no rows")]
    NoRows,
    #[error("{scores} scores or predictions came with {labels} labels")]
    Lengths { scores: usize, labels: usize },
    #[error("all labels are of one class")]
    OneClass,
    #[error(
        "the uncertainty needs two rows of each class; there are {positives} positive and {negatives} negative"
    )]
    TooFew { positives: usize, negatives: usize },
    /// `row` is counted from 0.
    #[error("the score of row {row} is not a number")]
    NotANumber { row: usize },
    /// `row` is counted from 0.
    #[error("the score of row {row} is no probability: it is not between 0 and 1")]
    NotAProbability { row: usize },
    #[error("a confidence must be above 0 and below 1")]
    Confidence,
}

/// Checks what all measures need.
fn check_lengths(scores: usize, labels: usize) -> Result<(), Undefined> {
    if scores != labels {
        return Err(Undefined::Lengths { scores, labels });
    }
    if scores == 0 {
        Err(Undefined::NoRows)
    } else {
        Ok(())
    }
}

fn check_scores(scores: &[f64], labels: &[bool]) -> Result<(), Undefined> {
    check_lengths(scores.len(), labels.len())?;
    match scores.iter().position(|score| score.is_nan()) {
        Some(row) => Err(Undefined::NotANumber { row }),
        None => Ok(()),
    }
}
