//! Windows of data against a reference.
//!
//! A drift test is one file here and one line in [`DRIFT_TESTS`].

mod compare;
mod false_discovery;
mod kolmogorov;
mod kolmogorov_smirnov;
mod missing;
mod population_stability;
mod sample;

pub use compare::{
    ColumnReport, ColumnStatus, DriftOptions, DriftReport, MissingReport, Reference, Window,
    compare,
};
pub use false_discovery::benjamini_hochberg;
pub use kolmogorov::ks_one_sample_survival;
pub use kolmogorov_smirnov::{KolmogorovSmirnov, SmallSample, ks_two_sample};
pub use missing::missing_rise_p_value;
pub use population_stability::PopulationStability;
pub use sample::Sample;

use serde::Serialize;

/// Every drift test. The first is the default.
pub const DRIFT_TESTS: &[&dyn DriftTest] = &[&KolmogorovSmirnov, &PopulationStability];

/// The drift test of this name.
pub fn drift_test(name: &str) -> Option<&'static dyn DriftTest> {
    DRIFT_TESTS.iter().copied().find(|test| test.name() == name)
}

/// Compares the values of one numeric column in two samples.
pub trait DriftTest: std::fmt::Debug + Sync {
    /// The name in settings and reports, in kebab-case.
    fn name(&self) -> &'static str;

    /// One line for help and documentation.
    fn summary(&self) -> &'static str;

    /// Both slices are sorted ascending, not empty and without NaN; infinities are allowed.
    fn test(&self, reference: &[f64], current: &[f64]) -> TestResult;
}

/// What a drift test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TestResult {
    /// How large the difference is: 0 for none, in the test's own unit. Always finite.
    pub statistic: f64,
    /// How often a difference at least as large comes up when there is none.
    pub p_value: f64,
    /// How the p-value was computed.
    pub method: PValueMethod,
}

/// How a p-value was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PValueMethod {
    /// From the distribution for these very sample sizes.
    Exact,
    /// From the limit for large samples.
    Asymptotic,
}
