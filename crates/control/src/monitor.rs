//! What the loop sees of one model: the champion's loss, the quality of everything served, and
//! the served inputs beside the reference.

use std::collections::VecDeque;

use ketch_monitoring::{
    change_point::mean_shift,
    detector::{Adwin, AdwinParameters, Change, Detector as _, Direction},
    drift::{DriftOptions, DriftReport, Reference, Sample, Window, compare},
    performance::roc_auc,
};
use ketch_project::MonitorConfig;
use ketch_serving::{
    FeatureColumn, FeatureKind, FeatureValue, LabelledPrediction, PredictionRecord, Variant,
};
use serde::Serialize;

/// Labelled rows between two points of the quality curve.
const POINT_EVERY: u64 = 25;

/// Labelled rows that a point of the quality curve looks back on.
const QUALITY_WINDOW: usize = 365;

/// Points kept; older ones are thinned out.
const MAXIMUM_POINTS: usize = 4_000;

/// Losses kept for finding where a change began.
const MAXIMUM_LOSSES: usize = 50_000;

/// One point of the quality curve: all rows served to callers, whichever version answered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct QualityPoint {
    /// Labelled rows so far.
    pub labelled: u64,
    /// The row's place in time, by the caller's measure.
    pub observed_at: Option<f64>,
    /// ROC AUC over the last 365 labelled rows; absent while there is one class only.
    pub roc_auc: Option<f64>,
    /// Share of wrong answers over the same rows.
    pub error: f64,
}

/// The champion's loss has risen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Alarm {
    /// Mean loss before the change.
    pub(crate) before: f64,
    /// Mean loss after it.
    pub(crate) after: f64,
    /// Labelled rows before the first changed one.
    pub(crate) changed_after: u64,
    /// The first changed row's place in time.
    pub(crate) changed_at: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Loss {
    value: f64,
    labelled: u64,
    observed_at: Option<f64>,
}

#[derive(Debug)]
pub(crate) struct Monitor {
    config: MonitorConfig,
    columns: Vec<FeatureColumn>,
    reference: Reference,
    champion: Option<u32>,
    detector: Adwin,
    alarm: Option<Change>,
    losses: VecDeque<Loss>,
    recent: VecDeque<(Option<f64>, f64, bool)>,
    points: Vec<QualityPoint>,
    window: Vec<Vec<FeatureValue>>,
    report: Option<DriftReport>,
}

impl Monitor {
    pub(crate) fn new(config: &MonitorConfig, columns: &[FeatureColumn]) -> Self {
        Self {
            champion: None,
            detector: detector(config),
            config: config.clone(),
            columns: columns.to_vec(),
            reference: Reference::new(),
            alarm: None,
            losses: VecDeque::new(),
            recent: VecDeque::new(),
            points: Vec::new(),
            window: Vec::new(),
            report: None,
        }
    }

    /// Begins anew for a champion: a model is only judged by what it served itself.
    pub(crate) fn new_champion(&mut self, version: u32, reference: Reference) {
        self.champion = Some(version);
        self.detector = detector(&self.config);
        self.alarm = None;
        self.losses.clear();
        self.reference = reference;
        self.window.clear();
        self.report = None;
    }

    /// The data that the champion learnt from, when it is known later than the champion.
    pub(crate) fn set_reference(&mut self, reference: Reference) {
        self.reference = reference;
    }

    /// Takes a labelled row in; `labelled` counts the labelled rows before it.
    pub(crate) fn labelled(&mut self, row: &LabelledPrediction, labelled: u64) {
        let prediction = &row.prediction;
        if prediction.variant == Variant::Pinned {
            return;
        }
        if self.recent.len() == QUALITY_WINDOW {
            self.recent.pop_front();
        }
        self.recent
            .push_back((prediction.score, row.label, row.is_wrong()));
        if (labelled + 1).is_multiple_of(POINT_EVERY) && self.recent.len() >= QUALITY_WINDOW / 4 {
            self.add_point(labelled + 1, prediction.observed_at);
        }
        // Labels that come late may be of rows that the champion before answered.
        if prediction.variant == Variant::Champion && Some(prediction.version) == self.champion {
            let value = loss(row);
            if self.losses.len() == MAXIMUM_LOSSES {
                self.losses.pop_front();
            }
            self.losses.push_back(Loss {
                value,
                labelled,
                observed_at: prediction.observed_at,
            });
            if let Some(change) = self.detector.update(value) {
                self.alarm = Some(change);
            }
        }
    }

    /// Takes a served row in; a full window gives a report.
    pub(crate) fn served(&mut self, record: &PredictionRecord) -> Option<&DriftReport> {
        self.window.push(record.features.clone());
        if (self.window.len() as u64) < self.config.window {
            return None;
        }
        let rows = std::mem::take(&mut self.window);
        let window: Window = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.kind == FeatureKind::Number)
            .map(|(index, column)| {
                let values = rows
                    .iter()
                    .map(|row| row.get(index).map(FeatureValue::number));
                (column.name.clone(), Sample::new(values))
            })
            .collect();
        let options = DriftOptions {
            significance: self.config.significance,
            effect_floor: self.config.effect_floor,
            ..DriftOptions::default()
        };
        self.report = Some(compare(&self.reference, &window, &options));
        self.report.as_ref()
    }

    /// The rise that the detector saw since the last call, with the place where it began: the
    /// cut of the losses that best explains them by two means, which is sharper than the
    /// detector's own (whose buckets are coarse).
    pub(crate) fn take_alarm(&mut self) -> Option<Alarm> {
        self.alarm.take()?;
        self.change()
    }

    /// Where the champion's loss changed most.
    pub(crate) fn change(&self) -> Option<Alarm> {
        let losses: Vec<f64> = self.losses.iter().map(|loss| loss.value).collect();
        let shift = mean_shift(&losses)?;
        let first = self.losses.get(shift.index)?;
        Some(Alarm {
            before: shift.before,
            after: shift.after,
            changed_after: first.labelled,
            changed_at: first.observed_at,
        })
    }

    /// The quality curve.
    pub(crate) fn points(&self) -> &[QualityPoint] {
        &self.points
    }

    /// The last comparison with the reference.
    pub(crate) fn report(&self) -> Option<&DriftReport> {
        self.report.as_ref()
    }

    fn add_point(&mut self, labelled: u64, observed_at: Option<f64>) {
        let (scores, labels): (Vec<f64>, Vec<bool>) = self
            .recent
            .iter()
            .filter_map(|(score, label, _)| {
                let score = score.filter(|score| !score.is_nan())?;
                Some((score, *label == 1.0))
            })
            .unzip();
        let wrong = self.recent.iter().filter(|(_, _, wrong)| *wrong).count();
        self.points.push(QualityPoint {
            labelled,
            observed_at,
            roc_auc: roc_auc(&scores, &labels).ok(),
            error: wrong as f64 / self.recent.len() as f64,
        });
        if self.points.len() > MAXIMUM_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }
}

fn detector(config: &MonitorConfig) -> Adwin {
    Adwin::new(AdwinParameters {
        delta: config.delta,
        ..AdwinParameters::default()
    })
    .watching(Direction::Increase)
}

/// The Brier score of one answer to a yes-or-no question, else 1 for a wrong answer. Always a
/// number: one that is none would hide every change since the champion's release.
fn loss(row: &LabelledPrediction) -> f64 {
    match row.prediction.score {
        Some(score) if score.is_nan() => 1.0,
        Some(score) if row.label == 0.0 || row.label == 1.0 => (score - row.label).powi(2),
        _ => f64::from(u8::from(row.is_wrong())),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn monitor() -> Monitor {
        let mut monitor = Monitor::new(&MonitorConfig::default(), &[]);
        monitor.new_champion(1, Reference::new());
        monitor
    }

    fn row(version: u32, score: f64, label: f64) -> LabelledPrediction {
        LabelledPrediction {
            prediction: PredictionRecord {
                request_id: "row".to_owned(),
                row: 0,
                answered_at: Timestamp::UNIX_EPOCH,
                observed_at: None,
                version,
                variant: Variant::Champion,
                rollout: None,
                latency_us: 0,
                features: Vec::new(),
                predicted: Some(score.round()),
                score: Some(score),
            },
            label,
        }
    }

    /// Feeds rows of one version whose labels agree or not, and tells when an alarm came.
    fn feed(
        monitor: &mut Monitor,
        rows: std::ops::Range<u64>,
        version: u32,
        right: bool,
    ) -> Option<(u64, Alarm)> {
        for labelled in rows {
            let label = f64::from(u8::from(labelled % 2 == 0));
            let score = if right {
                0.8 * label + 0.1
            } else {
                0.9 - 0.8 * label
            };
            // Every tenth row is one that the model has no answer to.
            let score = if labelled % 10 == 3 { f64::NAN } else { score };
            monitor.labelled(&row(version, score, label), labelled);
            if let Some(alarm) = monitor.take_alarm() {
                return Some((labelled, alarm));
            }
        }
        None
    }

    #[test]
    fn rows_without_an_answer_do_not_hide_a_change() {
        let mut monitor = monitor();
        assert_eq!(feed(&mut monitor, 0..300, 1, true), None);
        let (at, alarm) = feed(&mut monitor, 300..400, 1, false).unwrap();
        assert!(at < 364, "{at}");
        assert!(alarm.changed_after.abs_diff(300) <= 10, "{alarm:?}");
        assert!(alarm.before < alarm.after, "{alarm:?}");
        assert!(monitor.points().iter().all(|point| point.roc_auc.is_some()));
    }

    #[test]
    fn a_champion_is_not_judged_by_what_the_one_before_answered() {
        let mut monitor = monitor();
        assert_eq!(feed(&mut monitor, 0..300, 1, true), None);
        monitor.new_champion(2, Reference::new());
        assert_eq!(feed(&mut monitor, 300..500, 2, true), None);
        // Labels of the version before, which was wrong in the end, come late.
        assert_eq!(feed(&mut monitor, 500..600, 1, false), None);
        let (_, alarm) = feed(&mut monitor, 600..700, 2, false).unwrap();
        assert!(alarm.changed_after.abs_diff(600) <= 10, "{alarm:?}");
    }
}
