//! What a candidate must show before it may serve: the same rows for it and the champion.

use ketch_monitoring::performance::{paired_auc_difference, roc_auc};
use ketch_project::{Beats, GateConfig};
use ketch_serving::{FeatureColumn, LabelledPrediction, LoadedModel, score_rows};
use serde::Serialize;

use crate::{error::ControlError, event::EventKind};

/// How much worse than the champion a candidate may be at the lower bound of the difference in
/// ROC AUC: the price of a candidate that is as good, seen through few rows.
const MARGIN: f64 = 0.05;

/// What the gate found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateReport {
    /// Whether the candidate may be released.
    pub passed: bool,
    /// Rows compared.
    pub rows: usize,
    /// ROC AUC of the candidate; absent with one class only.
    pub candidate: Option<f64>,
    /// ROC AUC of the champion.
    pub champion: Option<f64>,
    /// Lower and upper bound of candidate minus champion.
    pub difference: Option<(f64, f64)>,
    /// Each rule with what was found.
    pub reasons: Vec<String>,
}

impl GateReport {
    pub(crate) fn event(&self, version: u32) -> EventKind {
        EventKind::GateChecked {
            version,
            passed: self.passed,
            rows: self.rows as u64,
            candidate: self.candidate,
            champion: self.champion,
            difference: self.difference,
            reasons: self.reasons.clone(),
        }
    }
}

/// Scores candidate and champion on the same rows and applies the rules.
///
/// # Errors
/// When a model fails on the rows.
pub fn check_gate(
    config: &GateConfig,
    columns: &[FeatureColumn],
    rows: &[&LabelledPrediction],
    candidate: &LoadedModel,
    champion: Option<&LoadedModel>,
) -> Result<GateReport, ControlError> {
    let features: Vec<_> = rows
        .iter()
        .map(|row| row.prediction.features.as_slice())
        .collect();
    let labels: Vec<bool> = rows.iter().map(|row| row.label == 1.0).collect();
    let scores = |model: &LoadedModel| -> Result<Vec<f64>, ControlError> {
        let scored = score_rows(model, columns, &features)?;
        Ok(scored
            .iter()
            .zip(&labels)
            .map(|(row, label)| score_or_worst(row.score.or(row.predicted), *label))
            .collect())
    };
    let candidate = scores(candidate)?;
    let champion = champion.map(scores).transpose()?;
    Ok(judge(config, &labels, &candidate, champion.as_deref()))
}

/// No answer, which is what many models make of a missing value, counts as the most wrong one: it
/// neither keeps rows with holes from being compared nor helps a model that has no answers.
fn score_or_worst(score: Option<f64>, label: bool) -> f64 {
    let worst = if label {
        f64::NEG_INFINITY
    } else {
        f64::INFINITY
    };
    score.filter(|score| !score.is_nan()).unwrap_or(worst)
}

fn judge(
    config: &GateConfig,
    labels: &[bool],
    candidate: &[f64],
    champion: Option<&[f64]>,
) -> GateReport {
    let mut report = GateReport {
        passed: true,
        rows: labels.len(),
        candidate: None,
        champion: champion.and_then(|scores| roc_auc(scores, labels).ok()),
        difference: None,
        reasons: Vec::new(),
    };
    match roc_auc(candidate, labels) {
        Ok(found) => {
            report.candidate = Some(found);
            if let Some(minimum) = config.min {
                report.passed &= found >= minimum;
                report
                    .reasons
                    .push(format!("ROC AUC {found:.3}, at least {minimum} is asked"));
            }
        }
        Err(undefined) => {
            report.passed = false;
            report
                .reasons
                .push(format!("ROC AUC cannot be had: {undefined}"));
            return report;
        }
    }
    let (Beats::Champion, Some(scores)) = (config.beats, champion) else {
        return report;
    };
    match paired_auc_difference(candidate, scores, labels, config.confidence) {
        Ok(pair) => {
            report.difference = Some((pair.lower, pair.upper));
            report.passed &= pair.difference > 0.0 && pair.lower > -MARGIN;
            report.reasons.push(format!(
                "{:+.3} against the champion on the same {} rows ({:.0} % interval {:+.3} to \
                 {:+.3}), above 0 and not surely below -{MARGIN} is asked",
                pair.difference,
                labels.len(),
                config.confidence * 100.0,
                pair.lower,
                pair.upper
            ));
        }
        Err(undefined) => {
            report.passed = false;
            report
                .reasons
                .push(format!("no comparison with the champion: {undefined}"));
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> GateConfig {
        GateConfig {
            min: Some(0.65),
            ..GateConfig::default()
        }
    }

    /// Labels, and scores that put `right` of ten rows on the right side.
    fn rows(right: usize) -> (Vec<bool>, Vec<f64>) {
        let labels: Vec<bool> = (0..400).map(|row| row % 2 == 0).collect();
        let scores = labels
            .iter()
            .enumerate()
            .map(|(row, label)| {
                let noise = (row * 7919 % 101) as f64 / 1000.0;
                let agrees = row * 31 % 10 < right;
                if *label == agrees {
                    0.8 + noise
                } else {
                    0.2 + noise
                }
            })
            .collect();
        (labels, scores)
    }

    #[test]
    fn a_better_candidate_passes_and_a_worse_one_does_not() {
        let ((labels, good), (_, bad)) = (rows(9), rows(5));
        let passed = judge(&config(), &labels, &good, Some(&bad));
        assert!(passed.passed, "{passed:?}");
        let refused = judge(&config(), &labels, &bad, Some(&good));
        assert!(!refused.passed, "{refused:?}");
        assert_eq!(refused.reasons.len(), 2, "every rule is told: {refused:?}");
    }

    #[test]
    fn one_class_only_never_passes() {
        let (_, scores) = rows(9);
        let report = judge(&config(), &[true; 400], &scores, Some(&scores));
        assert!(!report.passed);
        assert!(
            report.reasons[0].starts_with("ROC AUC cannot be had: "),
            "{report:?}"
        );
    }

    #[test]
    fn no_answer_is_the_worst_answer() {
        let (labels, good) = rows(9);
        let holed: Vec<f64> = good
            .iter()
            .zip(&labels)
            .enumerate()
            .map(|(row, (score, label))| {
                let score = if row % 10 == 0 { f64::NAN } else { *score };
                score_or_worst(Some(score), *label)
            })
            .collect();
        let report = judge(&config(), &labels, &holed, Some(&good));
        assert!(!report.passed, "{report:?}");
        assert!(report.candidate < report.champion, "{report:?}");
        assert_eq!(score_or_worst(None, true), f64::NEG_INFINITY);
        assert_eq!(score_or_worst(Some(0.5), true), 0.5);
    }

    #[test]
    fn the_first_version_has_no_champion_to_beat() {
        let (labels, good) = rows(9);
        assert!(judge(&config(), &labels, &good, None).passed);
    }
}
