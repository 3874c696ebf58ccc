//! Measures of one set of rows.

use std::collections::BTreeMap;

use super::{Undefined, check_lengths, check_scores};

/// The area under the ROC curve: how often a positive row has the higher score than a negative one,
/// equal scores counting half. Scores need no scale; infinities are allowed.
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> Result<f64, Undefined> {
    check_scores(scores, labels)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Twice the number of pairs won, in whole numbers.
    let (mut positives, mut negatives, mut won) = (0_u64, 0_u64, 0_u128);
    let mut start = 0;
    while start < order.len() {
        let score = scores[order[start]];
        let end = start + order[start..].partition_point(|&row| scores[row] <= score);
        let here = order[start..end].iter().filter(|&&row| labels[row]).count() as u64;
        let others = (end - start) as u64 - here;
        won += u128::from(here) * u128::from(2 * negatives + others);
        positives += here;
        negatives += others;
        start = end;
    }
    if positives == 0 || negatives == 0 {
        return Err(Undefined::OneClass);
    }
    Ok(won as f64 / 2.0 / (positives as f64 * negatives as f64))
}

/// The mean of −ln(probability given to what happened). Probabilities are kept ε (2.2e-16) away from
/// 0 and 1, as scikit-learn does, so that one sure and wrong row does not make it infinite.
pub fn log_loss(probabilities: &[f64], labels: &[bool]) -> Result<f64, Undefined> {
    mean_of(probabilities, labels, |probability, label| {
        let probability = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        -(if label {
            probability
        } else {
            1.0 - probability
        })
        .ln()
    })
}

/// The mean squared distance of the probability from what happened (0 or 1).
pub fn brier(probabilities: &[f64], labels: &[bool]) -> Result<f64, Undefined> {
    mean_of(probabilities, labels, |probability, label| {
        (probability - f64::from(u8::from(label))).powi(2)
    })
}

fn mean_of(
    probabilities: &[f64],
    labels: &[bool],
    loss: impl Fn(f64, bool) -> f64,
) -> Result<f64, Undefined> {
    check_scores(probabilities, labels)?;
    if let Some(row) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        return Err(Undefined::NotAProbability { row });
    }
    let sum: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(&p, &label)| loss(p, label))
        .sum();
    Ok(sum / labels.len() as f64)
}

/// The share of predictions that are right.
pub fn accuracy<T: PartialEq>(predictions: &[T], labels: &[T]) -> Result<f64, Undefined> {
    check_lengths(predictions.len(), labels.len())?;
    let right = predictions
        .iter()
        .zip(labels)
        .filter(|(prediction, label)| prediction == label);
    Ok(right.count() as f64 / labels.len() as f64)
}

/// The mean, over the classes there are in `labels`, of the share of their rows that are right.
/// A model that always says one thing scores 1 / classes, however rare the others are.
pub fn balanced_accuracy<T: Ord>(predictions: &[T], labels: &[T]) -> Result<f64, Undefined> {
    check_lengths(predictions.len(), labels.len())?;
    let mut classes: BTreeMap<&T, (usize, usize)> = BTreeMap::new();
    for (prediction, label) in predictions.iter().zip(labels) {
        let (right, rows) = classes.entry(label).or_default();
        *right += usize::from(prediction == label);
        *rows += 1;
    }
    Ok(mean_recall(classes.values()))
}

/// Each class as (right, rows); at least one class.
pub(super) fn mean_recall<'a>(classes: impl ExactSizeIterator<Item = &'a (usize, usize)>) -> f64 {
    let count = classes.len() as f64;
    classes
        .map(|&(right, rows)| right as f64 / rows as f64)
        .sum::<f64>()
        / count
}
