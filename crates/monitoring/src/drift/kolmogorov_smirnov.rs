//! The two-sample Kolmogorov–Smirnov test.

use super::kolmogorov::ks_one_sample_survival;
use super::{DriftTest, PValueMethod, TestResult};

/// The largest distance between the two distribution functions, between 0 and 1.
#[derive(Debug, Clone, Copy)]
pub struct KolmogorovSmirnov;

impl DriftTest for KolmogorovSmirnov {
    fn name(&self) -> &'static str {
        "kolmogorov-smirnov"
    }

    fn summary(&self) -> &'static str {
        "largest distance between the two cumulative distributions (0 to 1)"
    }

    fn test(&self, reference: &[f64], current: &[f64]) -> TestResult {
        ks_two_sample(reference, current, SmallSample::Exact)
    }
}

/// What to do when the samples are small enough for the exact distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmallSample {
    /// Compute it.
    Exact,
    /// Use the approximation for large samples all the same.
    Asymptotic,
}

/// Beyond this many rows in a sample, `SciPy` 1.17's `auto` turns to the approximation too.
const EXACT_ROWS: usize = 10_000;
/// Lattice points to visit: some 0.1 s. More are only needed for samples of thousands that differ
/// so much that the p-value is zero by any method.
const EXACT_WORK: f64 = 2e7;

/// D and its two-sided p-value. Both slices are sorted ascending, without NaN.
///
/// The p-value is exact when both samples have at most 10 000 values (and the lattice to walk is
/// not out of proportion), else asymptotic: P(D ≥ d) of the one-sample test with mn/(m+n) rows,
/// which is what `SciPy` 1.17 calls `asymp`. With ties it is conservative. An empty sample has D = 0
/// and p = 1.
pub fn ks_two_sample(first: &[f64], second: &[f64], small: SmallSample) -> TestResult {
    let (m, n) = (first.len(), second.len());
    if m == 0 || n == 0 {
        return TestResult {
            statistic: 0.0,
            p_value: 1.0,
            method: PValueMethod::Exact,
        };
    }
    let steps = distance(first, second);
    let (m_f, n_f) = (m as f64, n as f64);
    let statistic = steps as f64 / (m_f * n_f);
    let work = if m == n {
        0.0
    } else {
        2.0 * statistic * m_f * n_f
    };
    if small == SmallSample::Exact && m.max(n) <= EXACT_ROWS && work <= EXACT_WORK {
        let p_value = if m == n {
            equal_sizes_survival(n, (steps / n as u64) as usize)
        } else {
            lattice_survival(m, n, steps)
        };
        return TestResult {
            statistic,
            p_value,
            method: PValueMethod::Exact,
        };
    }
    let rows = (m_f * n_f / (m_f + n_f)).round_ties_even().max(1.0);
    let p_value = ks_one_sample_survival(rows, statistic);
    TestResult {
        statistic,
        p_value,
        method: PValueMethod::Asymptotic,
    }
}

/// D·m·n, a whole number: the largest |i·n − j·m| where i and j values are not above a value.
fn distance(first: &[f64], second: &[f64]) -> u64 {
    let (m, n) = (first.len() as u64, second.len() as u64);
    let (mut i, mut j) = (0, 0);
    let mut largest = 0;
    while i < first.len() && j < second.len() {
        let value = first[i].min(second[j]);
        while i < first.len() && first[i] <= value {
            i += 1;
        }
        while j < second.len() && second[j] <= value {
            j += 1;
        }
        largest = largest.max((i as u64 * n).abs_diff(j as u64 * m));
    }
    largest
}

/// P(D ≥ h/n) for two samples of n, by reflection of lattice paths at ±h:
/// 2 Σ_{k≥1} (−1)^{k−1} C(2n, n−kh) / C(2n, n).
fn equal_sizes_survival(n: usize, h: usize) -> f64 {
    if h == 0 {
        return 1.0;
    }
    // Nested, so that what is added is always smaller than what it is subtracted from:
    // r₁(1 − r₂(1 − r₃(…))), with rₖ the ratio of one term to the one before it.
    let mut nested = 1.0;
    for k in (0..n / h).rev() {
        let ratio: f64 = (0..h)
            .map(|j| (n - k * h - j) as f64 / (n + k * h + j + 1) as f64)
            .product();
        nested = if k == 0 {
            ratio * nested
        } else {
            1.0 - ratio * nested
        };
    }
    (2.0 * nested).clamp(0.0, 1.0)
}

/// P(D·m·n ≥ steps): the share of lattice paths from (0, 0) to (m, n) that touch a point with
/// |i·n − j·m| ≥ steps. A path of random order comes to (i, j) from (i−1, j) with probability
/// i/(i+j); only sums of positive numbers, so that small p-values keep their digits.
fn lattice_survival(m: usize, n: usize, steps: u64) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    let outside = |i: usize, j: usize| (i as u64 * n as u64).abs_diff(j as u64 * m as u64) >= steps;
    // touched[j]: of the paths to (i, j), the share that has been outside. Inside the band around
    // j = i·n/m it is computed, elsewhere it is 1; the band moves up with i.
    let mut touched = vec![1.0; n + 1];
    let (mut low, mut high) = (0, 0);
    touched[0] = 0.0;
    while high < n && !outside(0, high + 1) {
        high += 1;
        touched[high] = 0.0;
    }
    for i in 1..=m {
        while low <= n && outside(i, low) {
            touched[low] = 1.0;
            low += 1;
        }
        while high < n && !outside(i, high + 1) {
            high += 1;
        }
        for j in low..=high {
            let below = if j == 0 { 0.0 } else { touched[j - 1] };
            let (from_left, from_below) = (i as f64, j as f64);
            touched[j] = (touched[j] * from_left + below * from_below) / (from_left + from_below);
        }
    }
    touched[n].clamp(0.0, 1.0)
}
