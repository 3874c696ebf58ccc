//! Sequential evidence about two rates of bad events that may be looked at after every label.
//!
//! Source: Lindon and Malek, "Anytime-valid inference for multinomial count data" (`NeurIPS` 2022).
//! In an interval with `n_c` and `n_b` requests and `k_c` and `k_b` bad ones, given the total of
//! bad events each belongs to the canary with probability `w(θ) = θ n_c / (θ n_c + n_b)`, where
//! `θ` is the ratio of the two rates. The likelihood ratio of an alternative `θ` to the edge of
//! the null, multiplied over the intervals and averaged over a grid of alternatives, is an
//! e-process: under the null it exceeds `1/α` at any time with probability at most `α`.

use serde::{Deserialize, Serialize};

/// Alternatives on the grid, spaced evenly in the logarithm.
const GRID: usize = 60;

/// The largest ratio of rates that is told apart.
const LARGEST_RATIO: f64 = 50.0;

/// Requests and bad events of both sides in one interval of constant weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Labelled requests that the canary answered.
    pub canary: u64,
    /// Bad ones among them.
    pub canary_bad: u64,
    /// Labelled requests that the champion answered in the same interval.
    pub champion: u64,
    /// Bad ones among them.
    pub champion_bad: u64,
}

impl Counts {
    /// Share of bad events on the canary, or `None` without requests.
    pub fn canary_rate(&self) -> Option<f64> {
        rate(self.canary_bad, self.canary)
    }

    /// Share of bad events on the champion, or `None` without requests.
    pub fn champion_rate(&self) -> Option<f64> {
        rate(self.champion_bad, self.champion)
    }

    fn add(&mut self, other: Self) {
        self.canary += other.canary;
        self.canary_bad += other.canary_bad;
        self.champion += other.champion;
        self.champion_bad += other.champion_bad;
    }
}

fn rate(bad: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| bad as f64 / all as f64)
}

/// The two e-processes of a rollout: "the canary is worse" and "the canary is not much worse".
#[derive(Debug, Clone)]
pub struct Evidence {
    worse: Process,
    safe: Process,
    total: Counts,
}

impl Evidence {
    /// Evidence against "ratio ≤ `margin`" (worse) and against "ratio ≥ `intolerable`" (safe).
    ///
    /// # Panics
    /// Never; margins outside `[1, 50)` are clamped into it.
    pub fn new(margin: f64, intolerable: f64) -> Self {
        let margin = margin.clamp(1.0, LARGEST_RATIO / 2.0);
        let intolerable = intolerable.clamp(1.0, LARGEST_RATIO / 2.0);
        Self {
            worse: Process::new(margin, 1.05 * margin, LARGEST_RATIO),
            safe: Process::new(intolerable, 1.0 / LARGEST_RATIO, intolerable / 1.05),
            total: Counts::default(),
        }
    }

    /// Adds an interval. One without requests on both sides contributes exactly nothing.
    pub fn add(&mut self, interval: Counts) {
        self.total.add(interval);
        self.worse.add(interval);
        self.safe.add(interval);
    }

    /// E-value against "the canary is at most `margin` times as bad as the champion".
    pub fn worse(&self) -> f64 {
        self.worse.value()
    }

    /// E-value against "the canary is at least `intolerable` times as bad as the champion".
    pub fn safe(&self) -> f64 {
        self.safe.value()
    }

    /// All intervals together.
    pub fn total(&self) -> Counts {
        self.total
    }
}

#[derive(Debug, Clone)]
struct Process {
    null: f64,
    alternatives: Vec<f64>,
    log_ratios: Vec<f64>,
}

impl Process {
    fn new(null: f64, lowest: f64, highest: f64) -> Self {
        let step = (highest / lowest).ln() / (GRID - 1) as f64;
        let alternatives = (0..GRID)
            .map(|index| lowest * (step * index as f64).exp())
            .collect::<Vec<_>>();
        Self {
            null,
            log_ratios: vec![0.0; alternatives.len()],
            alternatives,
        }
    }

    fn add(&mut self, interval: Counts) {
        if interval.canary == 0 || interval.champion == 0 {
            return;
        }
        let (canary, champion) = (interval.canary as f64, interval.champion as f64);
        let share = |ratio: f64| ratio * canary / (ratio * canary + champion);
        let null = share(self.null);
        for (alternative, log_ratio) in self.alternatives.iter().zip(&mut self.log_ratios) {
            let share = share(*alternative);
            *log_ratio += interval.canary_bad as f64 * (share / null).ln()
                + interval.champion_bad as f64 * ((1.0 - share) / (1.0 - null)).ln();
        }
    }

    fn value(&self) -> f64 {
        let largest = self
            .log_ratios
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self
            .log_ratios
            .iter()
            .map(|value| (value - largest).exp())
            .sum();
        // Kept finite so that it survives JSON.
        (largest + (sum / GRID as f64).ln()).min(700.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small deterministic generator; statistics here need no better one.
    struct Generator(u64);

    impl Generator {
        fn uniform(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn bad(&mut self, requests: u64, rate: f64) -> u64 {
            (0..requests).filter(|_| self.uniform() < rate).count() as u64
        }
    }

    fn run(generator: &mut Generator, canary_rate: f64, champion_rate: f64) -> (Option<u64>, f64) {
        let mut evidence = Evidence::new(1.25, 2.0);
        for interval in 0..60 {
            evidence.add(Counts {
                canary: 5,
                canary_bad: generator.bad(5, canary_rate),
                champion: 45,
                champion_bad: generator.bad(45, champion_rate),
            });
            if evidence.worse() >= 100.0 {
                return (Some(interval), evidence.safe());
            }
        }
        (None, evidence.safe())
    }

    #[test]
    fn a_healthy_canary_is_almost_never_rolled_back() {
        let mut generator = Generator(11);
        let wrong = (0..2000)
            .filter(|_| run(&mut generator, 0.2, 0.2).0.is_some())
            .count();
        assert!(
            wrong <= 20,
            "{wrong} of 2000 healthy canaries rolled back; the budget is 1 %"
        );
    }

    #[test]
    fn a_canary_with_three_times_the_errors_is_caught() {
        let mut generator = Generator(12);
        let caught = (0..500)
            .filter(|_| run(&mut generator, 0.7, 0.23).0.is_some())
            .count();
        assert!(caught >= 495, "only {caught} of 500 bad canaries caught");
    }

    #[test]
    fn a_better_canary_is_proven_safe() {
        let mut generator = Generator(13);
        let proven = (0..500)
            .filter(|_| run(&mut generator, 0.25, 0.5).1 >= 20.0)
            .count();
        assert!(proven >= 495, "only {proven} of 500 proven");
    }

    #[test]
    fn an_interval_without_canary_requests_contributes_exactly_nothing() {
        let mut evidence = Evidence::new(1.25, 2.0);
        evidence.add(Counts {
            canary: 10,
            canary_bad: 6,
            champion: 90,
            champion_bad: 18,
        });
        let before = (evidence.worse(), evidence.safe());
        evidence.add(Counts {
            champion: 40,
            champion_bad: 9,
            ..Counts::default()
        });
        assert_eq!(before, (evidence.worse(), evidence.safe()));
    }

    #[test]
    fn no_evidence_is_worth_one() {
        let evidence = Evidence::new(1.25, 2.0);
        assert!((evidence.worse() - 1.0).abs() < 1e-12);
        assert!((evidence.safe() - 1.0).abs() < 1e-12);
        assert_eq!(evidence.total().canary_rate(), None);
    }
}
