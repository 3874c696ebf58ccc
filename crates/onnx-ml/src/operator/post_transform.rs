//! What ONNX-ML models do to raw scores, and to the single score of a two-class model.
//!
//! Formulas: the ONNX-ML operator reference (`post_transform`); `PROBIT` uses Winitzki's
//! approximation of the inverse error function (a = 0.147), as ONNX's own reference does.

use crate::error::Failure;
use crate::operator::attributes::Specification;

/// The `post_transform` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Softmax,
    Logistic,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(super) fn read(specification: &mut Specification<'_>) -> Result<Self, Failure> {
        Ok(match specification.text("post_transform")? {
            None | Some("NONE") => Self::None,
            Some("SOFTMAX") => Self::Softmax,
            Some("LOGISTIC") => Self::Logistic,
            Some("SOFTMAX_ZERO") => Self::SoftmaxZero,
            Some("PROBIT") => Self::Probit,
            Some(_) => return Err("attribute `post_transform` has an unknown value".into()),
        })
    }

    /// Transforms the scores of one row.
    pub(super) fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
            Self::Logistic => scores
                .iter_mut()
                .for_each(|score| *score = logistic(*score)),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }

    /// Both scores of a row for which the model gives only the positive class's.
    ///
    /// With `probability`, the score is one already and the other is what is left to 1; else it
    /// is a margin, and the other class's is its opposite.
    pub(super) fn apply_binary(self, score: f64, probability: bool) -> [f64; 2] {
        match self {
            Self::Logistic => [logistic(-score), logistic(score)],
            _ if probability => [1.0 - score, score],
            Self::None => [-score, score],
            _ => {
                let mut scores = [-score, score];
                self.apply(&mut scores);
                scores
            }
        }
    }
}

pub(super) fn logistic(score: f64) -> f64 {
    // exp of a negative number only, so that nothing overflows.
    let tail = (-score.abs()).exp();
    if score < 0.0 {
        tail / (1.0 + tail)
    } else {
        1.0 / (1.0 + tail)
    }
}

pub(super) fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
}

/// Softmax over the scores that are not zero; zeros stay as they are.
fn softmax_zero(scores: &mut [f64]) {
    const ZERO: f64 = 1e-7;
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > ZERO {
            *score = (*score - largest).exp();
            sum += *score;
        } else {
            *score *= (-largest).exp();
        }
    }
    if sum > 0.0 {
        for score in scores.iter_mut() {
            *score /= sum;
        }
    }
}

fn probit(score: f64) -> f64 {
    std::f64::consts::SQRT_2 * inverse_erf(2.0 * score - 1.0)
}

fn inverse_erf(value: f64) -> f64 {
    const A: f64 = 0.147;
    let log = ((1.0 - value) * (1.0 + value)).ln();
    let centre = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    ((centre * centre - log / A).sqrt() - centre)
        .sqrt()
        .copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: &[f64], expected: &[f64]) {
        for (actual, expected) in actual.iter().zip(expected) {
            assert!(
                (actual - expected).abs() < 1e-6,
                "{actual} is not {expected}"
            );
        }
    }

    #[test]
    fn large_scores_do_not_overflow() {
        let mut scores = [1000.0, 0.0, -1000.0];
        softmax(&mut scores);
        close(&scores, &[1.0, 0.0, 0.0]);
        close(
            &PostTransform::Logistic.apply_binary(-900.0, false),
            &[1.0, 0.0],
        );
    }

    #[test]
    fn softmax_zero_leaves_zeros() {
        let mut scores = [1.0, 0.0, 1.0];
        PostTransform::SoftmaxZero.apply(&mut scores);
        close(&scores, &[0.5, 0.0, 0.5]);
    }

    #[test]
    fn probit_is_near_the_normal_quantile() {
        for (probability, quantile) in [(0.5, 0.0), (0.8, 0.841_621), (0.025, -1.959_964)] {
            assert!((probit(probability) - quantile).abs() < 5e-3);
        }
    }
}
