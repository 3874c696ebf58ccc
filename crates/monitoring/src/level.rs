//! The alarm for a model that is bad.
//!
//! A detector of change is silent about an error that is high and steady, as after a bad model was
//! released: it has never known better. So the error's level is watched as well.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::performance::RollingMean;

/// How much error is too much: the mean of the last `window` errors above
/// `baseline + max(floor, sigmas · √(baseline (1 − baseline) / window))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// The error rate promised, between 0 and 1: of the model when it was accepted.
    pub baseline: f64,
    /// How many labelled rows are looked at.
    pub window: NonZeroUsize,
    /// An excess below this is tolerated, however sure it is.
    pub floor: f64,
    /// Standard deviations of the mean of a window that are tolerated as chance.
    pub sigmas: f64,
}

impl ErrorBudget {
    /// With the usual 300 rows, floor of 0.05 and four standard deviations.
    pub fn new(baseline: f64) -> Self {
        let window = NonZeroUsize::MIN.saturating_add(299);
        Self {
            baseline,
            window,
            floor: 0.05,
            sigmas: 4.0,
        }
    }

    /// The same over this many rows.
    #[must_use]
    pub fn over(self, window: NonZeroUsize) -> Self {
        Self { window, ..self }
    }

    /// The error rate above which the level is too high.
    pub fn limit(&self) -> f64 {
        let baseline = self.baseline.clamp(0.0, 1.0);
        let deviation = (baseline * (1.0 - baseline) / self.window.get() as f64).sqrt();
        baseline + self.floor.max(self.sigmas * deviation)
    }
}

/// The error over the last rows is too high.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exceeded {
    /// The index of the value, from 0; values that are not finite are not counted.
    pub index: usize,
    /// The mean of the last errors.
    pub error: f64,
    /// What it may be.
    pub limit: f64,
}

/// Watches the level of a stream of errors (1 = wrong, 0 = right).
#[derive(Debug, Clone)]
pub struct LevelTrigger {
    budget: ErrorBudget,
    recent: RollingMean,
    seen: usize,
}

impl LevelTrigger {
    /// A trigger without rows.
    pub fn new(budget: ErrorBudget) -> Self {
        Self {
            recent: RollingMean::new(budget.window),
            budget,
            seen: 0,
        }
    }

    /// Takes the next error. Speaks at every value while the level is too high, and never before
    /// the window is full.
    pub fn update(&mut self, error: f64) -> Option<Exceeded> {
        if !error.is_finite() {
            return None;
        }
        let index = self.seen;
        self.seen += 1;
        let error = self.recent.push(error)?;
        let limit = self.budget.limit();
        (self.recent.is_full() && error > limit).then_some(Exceeded {
            index,
            error,
            limit,
        })
    }

    /// Begins anew with another promise: a model is judged only on rows it served itself.
    pub fn reset(&mut self, budget: ErrorBudget) {
        self.budget = budget;
        self.recent = RollingMean::new(budget.window);
    }

    /// The mean of the last errors.
    pub fn error(&self) -> Option<f64> {
        self.recent.mean()
    }

    /// What the error may be.
    pub fn limit(&self) -> f64 {
        self.budget.limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_larger_of_floor_and_chance() {
        assert_eq!(ErrorBudget::new(0.0).limit(), 0.05);
        let limit = ErrorBudget::new(0.2).limit();
        assert!((limit - (0.2 + 4.0 * (0.16_f64 / 300.0).sqrt())).abs() < 1e-15);
        let wide = ErrorBudget::new(0.2).over(NonZeroUsize::new(100_000).unwrap());
        assert_eq!(wide.limit(), 0.25);
    }

    #[test]
    fn it_waits_for_a_full_window_and_speaks_while_it_lasts() {
        let budget = ErrorBudget::new(0.1).over(NonZeroUsize::new(100).unwrap());
        let limit = budget.limit();
        let mut trigger = LevelTrigger::new(budget);
        for index in 0..99 {
            assert_eq!(trigger.update(1.0), None, "at {index}");
        }
        assert_eq!(
            trigger.update(1.0),
            Some(Exceeded {
                index: 99,
                error: 1.0,
                limit
            })
        );
        let quiet = (0..100)
            .position(|_| trigger.update(0.0).is_none())
            .unwrap();
        assert_eq!(quiet + 1, 78, "22 % of errors is the limit");
        assert_eq!(trigger.update(f64::NAN), None);
        assert!(trigger.error().is_some_and(|error| error <= limit));
        trigger.reset(budget);
        assert_eq!(trigger.error(), None);
        assert!((0..99).all(|_| trigger.update(1.0).is_none()));
    }
}
