//! The population stability index.

use statrs::function::gamma::checked_gamma_ur;

use super::{DriftTest, PValueMethod, TestResult};

/// Σ (p − q) ln(p/q) over bins at the reference's deciles.
///
/// An outlier cannot hide a shift, as it does with bins of equal width. A decile that is one value
/// gets a bin of its own, so that constant columns compare. An empty bin counts as half a row. The
/// p-value takes the index divided by 1/n + 1/m as χ² with one degree of freedom less than there
/// are bins (Yurdakul, "Statistical properties of population stability index", 2018).
#[derive(Debug, Clone, Copy)]
pub struct PopulationStability;

impl DriftTest for PopulationStability {
    fn name(&self) -> &'static str {
        "population-stability"
    }

    fn summary(&self) -> &'static str {
        "population stability index over the reference's deciles (0.1 is a usual limit)"
    }

    fn test(&self, reference: &[f64], current: &[f64]) -> TestResult {
        let cuts = cuts(reference);
        let bins = counts(reference, &cuts)
            .into_iter()
            .zip(counts(current, &cuts));
        let (n, m) = (reference.len() as f64, current.len() as f64);
        let mut used = 0;
        let mut statistic = 0.0;
        for (expected, found) in bins.filter(|&bin| bin != (0, 0)) {
            let p = (expected as f64).max(0.5) / n;
            let q = (found as f64).max(0.5) / m;
            statistic += (p - q) * (p / q).ln();
            used += 1;
        }
        let freedom = f64::from(used) - 1.0;
        let p_value = if freedom < 1.0 || statistic <= 0.0 {
            1.0
        } else {
            let scaled = statistic / (1.0 / n + 1.0 / m);
            checked_gamma_ur(freedom / 2.0, scaled / 2.0)
                .unwrap_or(1.0)
                .clamp(0.0, 1.0)
        };
        TestResult {
            statistic,
            p_value,
            method: PValueMethod::Asymptotic,
        }
    }
}

/// Where a bin ends: at a value, with it or before it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    Before(f64),
    After(f64),
}

fn cuts(reference: &[f64]) -> Vec<Cut> {
    let n = reference.len();
    let mut cuts = Vec::new();
    for decile in 1..=10 {
        let value = reference[(decile * n).div_ceil(10).clamp(1, n) - 1];
        let first = reference.partition_point(|&v| v < value);
        let after = reference.partition_point(|&v| v <= value);
        if (after - first) * 10 >= n && after - first > 1 {
            cuts.push(Cut::Before(value));
        }
        // The last bin is open, unless the largest value is a mass of its own.
        if decile < 10 || cuts.last() == Some(&Cut::Before(value)) {
            cuts.push(Cut::After(value));
        }
    }
    let mut seen: Vec<Cut> = Vec::new();
    for cut in cuts {
        if !seen.contains(&cut) {
            seen.push(cut);
        }
    }
    seen
}

/// How many values are in each bin; one more bin than cuts.
fn counts(sorted: &[f64], cuts: &[Cut]) -> Vec<usize> {
    let below = |cut: &Cut| match *cut {
        Cut::Before(value) => sorted.partition_point(|&v| v < value),
        Cut::After(value) => sorted.partition_point(|&v| v <= value),
    };
    let mut counts = Vec::with_capacity(cuts.len() + 1);
    let mut done = 0;
    for end in cuts.iter().map(below).chain([sorted.len()]) {
        counts.push(end - done);
        done = end;
    }
    counts
}
