//! A window against the reference, all columns at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    DRIFT_TESTS, DriftTest, Sample, TestResult, benjamini_hochberg, missing::missing_rise_p_value,
};

/// What the window is compared with: the columns of the data the model was trained or accepted on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reference(BTreeMap<String, Sample>);

/// The columns of recent data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window(BTreeMap<String, Sample>);

macro_rules! columns {
    ($name:ident) => {
        impl $name {
            /// No columns yet.
            pub fn new() -> Self {
                Self::default()
            }

            /// Puts a column in, in the place of one of the same name.
            pub fn insert(&mut self, name: impl Into<String>, sample: Sample) {
                self.0.insert(name.into(), sample);
            }

            /// The column of this name.
            pub fn column(&self, name: &str) -> Option<&Sample> {
                self.0.get(name)
            }

            /// The most rows any column has.
            pub fn rows(&self) -> usize {
                self.0.values().map(Sample::rows).max().unwrap_or(0)
            }
        }

        impl<N: Into<String>> FromIterator<(N, Sample)> for $name {
            fn from_iter<I: IntoIterator<Item = (N, Sample)>>(columns: I) -> Self {
                Self(
                    columns
                        .into_iter()
                        .map(|(name, sample)| (name.into(), sample))
                        .collect(),
                )
            }
        }
    };
}
columns!(Reference);
columns!(Window);

/// When a difference is drift: it must be significant and large.
#[derive(Debug, Clone, Copy)]
pub struct DriftOptions {
    /// How the values are compared.
    pub test: &'static dyn DriftTest,
    /// The share of false findings accepted among the findings; above q there is no drift.
    pub significance: f64,
    /// The smallest statistic that is drift: with many rows any trifle is significant.
    pub effect_floor: f64,
    /// The smallest rise of the share of missing values that is drift.
    pub missing_floor: f64,
}

impl Default for DriftOptions {
    fn default() -> Self {
        Self {
            test: DRIFT_TESTS[0],
            significance: 0.05,
            effect_floor: 0.1,
            missing_floor: 0.05,
        }
    }
}

/// What [`compare`] found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftReport {
    /// The name of the test.
    pub test: &'static str,
    /// As asked.
    pub significance: f64,
    /// As asked.
    pub effect_floor: f64,
    /// As asked.
    pub missing_floor: f64,
    /// Rows of the reference.
    pub reference_rows: usize,
    /// Rows of the window.
    pub current_rows: usize,
    /// One for each column of the reference, by name.
    pub columns: Vec<ColumnReport>,
    /// Columns of the window that the reference does not know.
    pub unknown_columns: Vec<String>,
}

impl DriftReport {
    /// The columns that drifted.
    pub fn drifted(&self) -> impl Iterator<Item = &ColumnReport> {
        self.columns.iter().filter(|column| column.drifted)
    }

    /// True when any column drifted.
    pub fn any_drifted(&self) -> bool {
        self.drifted().next().is_some()
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub column: String,
    /// Whether the values could be compared.
    pub status: ColumnStatus,
    /// The test of the values; none when there was nothing to test.
    pub values: Option<TestResult>,
    /// The p-value of the values, adjusted for everything tested in this report.
    pub q_value: Option<f64>,
    /// What was missing.
    pub missing: MissingReport,
    /// True when the values or the missing ones drifted.
    pub drifted: bool,
}

/// Whether the values of a column could be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnStatus {
    /// They were.
    Tested,
    /// They are all one and the same value, in the reference and in the window.
    Constant,
    /// The reference has no value in this column.
    NoReference,
    /// The window has no value in this column.
    NoData,
    /// The window has no such column.
    NotInWindow,
}

/// Missing values and NaN of a column. Shares are of the column's rows; 0 when there are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MissingReport {
    /// Share of missing values in the reference.
    pub reference_share: f64,
    /// Share of missing values in the window.
    pub current_share: f64,
    /// Share of NaN in the reference.
    pub reference_nan_share: f64,
    /// Share of NaN in the window.
    pub current_nan_share: f64,
    /// Of a rise of missing values and NaN together: Fisher's exact test, one-sided. None when
    /// there were no rows to compare.
    pub p_value: Option<f64>,
    /// The p-value, adjusted for everything tested in this report.
    pub q_value: Option<f64>,
    /// True when there are so many more of them that this alone is drift.
    pub drifted: bool,
}

/// Compares the window with the reference, column by column.
///
/// Each column gives up to two p-values, of its values and of the rise of its missing values; all of
/// them are adjusted together ([`benjamini_hochberg`]). A column that cannot be compared has a
/// status that says so and takes nothing from the others.
pub fn compare(reference: &Reference, window: &Window, options: &DriftOptions) -> DriftReport {
    let none = Sample::default();
    let mut columns: Vec<ColumnReport> = reference
        .0
        .iter()
        .map(|(name, expected)| {
            let found = window.column(name);
            let status = status(expected, found);
            let found = found.unwrap_or(&none);
            let values = (status == ColumnStatus::Tested)
                .then(|| options.test.test(expected.sorted(), found.sorted()));
            ColumnReport {
                column: name.clone(),
                status,
                values,
                q_value: None,
                missing: missing(expected, found),
                drifted: false,
            }
        })
        .collect();
    adjust(&mut columns);
    for column in &mut columns {
        let significant = |q: Option<f64>| q.is_some_and(|q| q < options.significance);
        let missing = &mut column.missing;
        let rise = missing.current_share + missing.current_nan_share
            - missing.reference_share
            - missing.reference_nan_share;
        missing.drifted = significant(missing.q_value) && rise >= options.missing_floor;
        let large = column
            .values
            .is_some_and(|values| values.statistic >= options.effect_floor);
        column.drifted = (large && significant(column.q_value)) || missing.drifted;
    }
    DriftReport {
        test: options.test.name(),
        significance: options.significance,
        effect_floor: options.effect_floor,
        missing_floor: options.missing_floor,
        reference_rows: reference.rows(),
        current_rows: window.rows(),
        columns,
        unknown_columns: window
            .0
            .keys()
            .filter(|name| reference.column(name).is_none())
            .cloned()
            .collect(),
    }
}

fn status(expected: &Sample, found: Option<&Sample>) -> ColumnStatus {
    let Some(found) = found else {
        return ColumnStatus::NotInWindow;
    };
    match (expected.sorted(), found.sorted()) {
        ([], _) => ColumnStatus::NoReference,
        (_, []) => ColumnStatus::NoData,
        ([first, .., last] | [first @ last], [low, .., high] | [low @ high])
            if first == last && low == high && first == low =>
        {
            ColumnStatus::Constant
        }
        _ => ColumnStatus::Tested,
    }
}

fn missing(expected: &Sample, found: &Sample) -> MissingReport {
    let share = |part: usize, of: &Sample| part as f64 / of.rows().max(1) as f64;
    let comparable = expected.rows() > 0 && found.rows() > 0;
    MissingReport {
        reference_share: share(expected.missing(), expected),
        current_share: share(found.missing(), found),
        reference_nan_share: share(expected.nan(), expected),
        current_nan_share: share(found.nan(), found),
        p_value: comparable.then(|| {
            missing_rise_p_value(
                expected.absent(),
                expected.rows(),
                found.absent(),
                found.rows(),
            )
        }),
        q_value: None,
        drifted: false,
    }
}

/// Fills in the q-values. A column that never had a missing value tests nothing there, and does not
/// make the others' correction harder.
fn adjust(columns: &mut [ColumnReport]) {
    let mut p_values = Vec::new();
    for column in &*columns {
        p_values.extend(column.values.map(|values| values.p_value));
        p_values.extend(column.missing.p_value.filter(|_| column.missing.any()));
    }
    let mut q_values = benjamini_hochberg(&p_values).into_iter();
    for column in columns {
        column.q_value = column.values.and_then(|_| q_values.next());
        column.missing.q_value = match column.missing.p_value {
            Some(_) if column.missing.any() => q_values.next(),
            other => other,
        };
    }
}

impl MissingReport {
    fn any(&self) -> bool {
        self.reference_share
            + self.current_share
            + self.reference_nan_share
            + self.current_nan_share
            > 0.0
    }
}
