//! The difference of two models' ROC AUC on the same rows.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::{Undefined, check_scores};

/// Two models on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedAuc {
    /// ROC AUC of the first model.
    pub auc_a: f64,
    /// ROC AUC of the second model.
    pub auc_b: f64,
    /// `auc_a − auc_b`.
    pub difference: f64,
    /// Of the difference.
    pub standard_error: f64,
    /// The interval that holds the true difference with the confidence asked.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// As asked, say 0.95.
    pub confidence: f64,
    /// How often a difference at least as large, either way, comes up between equals.
    pub p_value: f64,
    /// Rows labelled true.
    pub positives: usize,
    /// Rows labelled false.
    pub negatives: usize,
}

/// The difference with its uncertainty. The rows are the same, so what makes a row easy or hard for
/// both models cancels: far fewer rows tell two models apart than with two separate intervals.
///
/// `DeLong`, `DeLong` and Clarke-Pearson, Biometrics 44 (1988) 837; O(n log n) by mid-ranks. The
/// interval is normal: with a class of a few dozen rows take it with care.
pub fn paired_auc_difference(
    scores_a: &[f64],
    scores_b: &[f64],
    labels: &[bool],
    confidence: f64,
) -> Result<PairedAuc, Undefined> {
    check_scores(scores_a, labels)?;
    check_scores(scores_b, labels)?;
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Undefined::Confidence);
    }
    let positives = labels.iter().filter(|&&label| label).count();
    let negatives = labels.len() - positives;
    if positives == 0 || negatives == 0 {
        return Err(Undefined::OneClass);
    }
    if positives < 2 || negatives < 2 {
        return Err(Undefined::TooFew {
            positives,
            negatives,
        });
    }
    let a = Placements::new(scores_a, labels);
    let b = Placements::new(scores_b, labels);
    // The variance of the difference, from the differences row by row: the same as
    // var(a) + var(b) − 2 cov(a, b), without the cancellation.
    let variance = variance_of_differences(&a.positives, &b.positives) / positives as f64
        + variance_of_differences(&a.negatives, &b.negatives) / negatives as f64;
    let (auc_a, auc_b) = (mean(&a.positives), mean(&b.positives));
    let difference = auc_a - auc_b;
    let standard_error = variance.sqrt();
    let normal = Normal::standard();
    let reach = normal.inverse_cdf(0.5 + confidence / 2.0) * standard_error;
    let p_value = if standard_error > 0.0 {
        2.0 * normal.sf((difference / standard_error).abs())
    } else if difference == 0.0 {
        1.0
    } else {
        0.0
    };
    Ok(PairedAuc {
        auc_a,
        auc_b,
        difference,
        standard_error,
        lower: difference - reach,
        upper: difference + reach,
        confidence,
        p_value,
        positives,
        negatives,
    })
}

/// For each positive row the share of negative rows it is above, and for each negative row the share
/// of positive rows it is below; equal scores count half.
struct Placements {
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

impl Placements {
    fn new(scores: &[f64], labels: &[bool]) -> Self {
        let of_class = |class: bool| {
            let rows = scores
                .iter()
                .zip(labels)
                .filter(move |&(_, &label)| label == class);
            rows.map(|(&score, _)| score).collect::<Vec<f64>>()
        };
        let (positives, negatives) = (of_class(true), of_class(false));
        Self {
            negatives: shares_below(&negatives, &positives)
                .map(|share| 1.0 - share)
                .collect(),
            positives: shares_below(&positives, &negatives).collect(),
        }
    }
}

/// For each of `scores` the share of `others` below it, equal ones counting half.
fn shares_below<'a>(scores: &'a [f64], others: &[f64]) -> impl Iterator<Item = f64> + use<'a> {
    let mut sorted = others.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    scores.iter().map(move |&score| {
        let below = sorted.partition_point(|&other| other < score);
        let not_above = sorted.partition_point(|&other| other <= score);
        (below + not_above) as f64 / 2.0 / sorted.len() as f64
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance_of_differences(a: &[f64], b: &[f64]) -> f64 {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let mean = mean(&differences);
    let squares: f64 = differences
        .iter()
        .map(|difference| (difference - mean).powi(2))
        .sum();
    squares / (differences.len() - 1) as f64
}
