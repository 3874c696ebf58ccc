//! One rollout as a pure state: labelled answers go in, a verdict comes out.

use serde::{Deserialize, Serialize};

use super::{Counts, Evidence};
use crate::routing::Variant;

/// How many times as bad as the champion a canary must be proven *not* to be.
const INTOLERABLE_RATIO: f64 = 2.0;

/// Rules of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutOptions {
    /// Shares of the traffic in percent, ascending, the last one 100.
    pub steps: Vec<u8>,
    /// Labelled canary answers that a step needs before the next one.
    pub minimum_labels: u64,
    /// Probability of rolling back a canary that is no worse than `margin` allows.
    pub alpha: f64,
    /// Ratio of error rates, canary to champion, that still counts as equal.
    pub margin: f64,
}

/// What the evidence says about a rollout at this moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough labels yet for a step or a verdict.
    Wait,
    /// The next step may have this weight.
    Advance {
        /// Percent of the traffic.
        weight: u8,
    },
    /// The last step has shown enough.
    Promote {
        /// E-value against "twice as bad as the champion".
        safe: f64,
    },
    /// The canary is worse than the champion.
    RollBack {
        /// E-value against "no worse than the margin allows".
        worse: f64,
        /// Counts it rests on.
        counts: Counts,
    },
}

/// A candidate that is being released beside the champion.
#[derive(Debug, Clone)]
pub struct Rollout {
    options: RolloutOptions,
    step: usize,
    labels_in_step: u64,
    evidence: Evidence,
    interval: Counts,
    interval_labels: u64,
}

/// Labelled answers in one interval; the weight may only change between intervals.
const INTERVAL_LABELS: u64 = 20;

impl Rollout {
    /// A rollout at its first step.
    pub fn new(options: RolloutOptions) -> Self {
        Self {
            evidence: Evidence::new(options.margin, INTOLERABLE_RATIO),
            options,
            step: 0,
            labels_in_step: 0,
            interval: Counts::default(),
            interval_labels: 0,
        }
    }

    /// Percent of the traffic that the candidate has now.
    pub fn weight(&self) -> u8 {
        self.options.steps.get(self.step).copied().unwrap_or(100)
    }

    /// Labelled answers of both sides so far, with the interval in progress.
    pub fn counts(&self) -> Counts {
        let mut counts = self.evidence.total();
        counts.canary += self.interval.canary;
        counts.canary_bad += self.interval.canary_bad;
        counts.champion += self.interval.champion;
        counts.champion_bad += self.interval.champion_bad;
        counts
    }

    /// E-values against "no worse than the margin allows" and against "twice as bad".
    pub fn e_values(&self) -> (f64, f64) {
        (self.evidence.worse(), self.evidence.safe())
    }

    /// Adds one labelled answer: `bad` when it was wrong.
    pub fn observe(&mut self, variant: Variant, bad: Badness) {
        let bad = u64::from(bad == Badness::Bad);
        match variant {
            Variant::Canary => {
                self.interval.canary += 1;
                self.interval.canary_bad += bad;
                self.labels_in_step += 1;
            }
            Variant::Champion => {
                self.interval.champion += 1;
                self.interval.champion_bad += bad;
            }
            Variant::Pinned => return,
        }
        self.interval_labels += 1;
        // A step may end with these labels, so they must count before it does.
        let enough = self.labels_in_step >= self.options.minimum_labels;
        if self.interval_labels >= INTERVAL_LABELS || enough {
            self.close_interval();
        }
    }

    /// What the labels so far allow or demand.
    pub fn verdict(&self) -> Verdict {
        if self.evidence.worse() >= 1.0 / self.options.alpha {
            return Verdict::RollBack {
                worse: self.evidence.worse(),
                counts: self.evidence.total(),
            };
        }
        if self.labels_in_step < self.options.minimum_labels {
            return Verdict::Wait;
        }
        match self.options.steps.get(self.step + 1) {
            // At 100 % there is no champion beside the canary, so no evidence can be had:
            // reaching it is the promotion.
            Some(&weight) if weight < 100 => Verdict::Advance { weight },
            _ => Verdict::Promote {
                safe: self.evidence.safe(),
            },
        }
    }

    /// Moves to the next step after [`Verdict::Advance`].
    pub fn advance(&mut self) {
        self.close_interval();
        self.step += 1;
        self.labels_in_step = 0;
    }

    fn close_interval(&mut self) {
        self.evidence.add(std::mem::take(&mut self.interval));
        self.interval_labels = 0;
    }
}

/// Whether an answer turned out wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Badness {
    /// The answer was right.
    Good,
    /// The answer was wrong, or there was none.
    Bad,
}

impl From<bool> for Badness {
    fn from(bad: bool) -> Self {
        if bad { Self::Bad } else { Self::Good }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RolloutOptions {
        RolloutOptions {
            steps: vec![10, 50, 100],
            minimum_labels: 30,
            alpha: 0.01,
            margin: 1.25,
        }
    }

    /// Feeds `labels` labels, every tenth from the canary.
    fn feed(rollout: &mut Rollout, labels: u64, canary_bad_every: u64, champion_bad_every: u64) {
        for index in 0..labels {
            if index % 10 == 0 {
                let bad = (index / 10).is_multiple_of(canary_bad_every);
                rollout.observe(Variant::Canary, bad.into());
            } else {
                rollout.observe(
                    Variant::Champion,
                    index.is_multiple_of(champion_bad_every).into(),
                );
            }
        }
    }

    #[test]
    fn a_healthy_canary_climbs_the_steps_and_is_promoted() {
        let mut rollout = Rollout::new(options());
        assert_eq!((rollout.weight(), rollout.verdict()), (10, Verdict::Wait));
        feed(&mut rollout, 300, 4, 4);
        assert_eq!(rollout.verdict(), Verdict::Advance { weight: 50 });
        rollout.advance();
        assert_eq!((rollout.weight(), rollout.verdict()), (50, Verdict::Wait));
        feed(&mut rollout, 300, 4, 4);
        assert!(matches!(rollout.verdict(), Verdict::Promote { .. }));
    }

    #[test]
    fn a_bad_canary_is_rolled_back_at_the_first_step() {
        let mut rollout = Rollout::new(options());
        feed(&mut rollout, 400, 1, 5);
        let Verdict::RollBack { worse, counts } = rollout.verdict() else {
            panic!("expected a rollback, got {:?}", rollout.verdict());
        };
        assert!(worse >= 100.0);
        assert_eq!(counts.canary_bad, counts.canary);
    }

    #[test]
    fn the_labels_that_end_a_step_count_before_it_ends() {
        let mut rollout = Rollout::new(RolloutOptions {
            steps: vec![50, 100],
            minimum_labels: 9,
            alpha: 0.05,
            ..options()
        });
        for _ in 0..9 {
            rollout.observe(Variant::Champion, Badness::Good);
            rollout.observe(Variant::Canary, Badness::Bad);
        }
        assert!(matches!(rollout.verdict(), Verdict::RollBack { .. }));
    }

    #[test]
    fn pinned_requests_are_no_evidence() {
        let mut rollout = Rollout::new(options());
        for _ in 0..100 {
            rollout.observe(Variant::Pinned, Badness::Bad);
        }
        assert_eq!(rollout.counts(), Counts::default());
    }
}
