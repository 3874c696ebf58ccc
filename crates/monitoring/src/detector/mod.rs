//! Change in a stream of values, usually a model's errors (1 = wrong, 0 = right).
//!
//! The detectors have the parameters and give the alarms of River 0.26.1; golden tests hold them to
//! its very indices. Indices count the values given, from 0. A value that is not finite is skipped
//! and not counted. After an alarm a detector begins anew.

mod adwin;
mod ddm;
mod page_hinkley;

pub use adwin::{Adwin, AdwinParameters};
pub use ddm::{Ddm, DdmParameters};
pub use page_hinkley::{PageHinkley, PageHinkleyParameters};

use serde::{Deserialize, Serialize};

/// Watches a stream for change.
pub trait Detector: std::fmt::Debug + Send {
    /// The name in settings and reports, in kebab-case.
    fn name(&self) -> &'static str;

    /// Takes the next value; gives an alarm when the stream has changed.
    fn update(&mut self, value: f64) -> Option<Change>;
}

/// An alarm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The index of the value that raised the alarm.
    pub index: usize,
    /// The index of the first value believed to be after the change: what comes before it should
    /// not be learnt from.
    pub since: usize,
    /// The mean of the values before `since` that the detector still knew.
    pub mean_before: f64,
    /// The mean of the values from `since` on.
    pub mean_after: f64,
}

/// Which changes are an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up and down.
    #[default]
    Both,
    /// Up only: of errors, for the worse. A change down is taken note of without an alarm.
    Increase,
}

/// A detector's name and how to make one with its usual parameters.
pub type DetectorEntry = (&'static str, fn(Direction) -> Box<dyn Detector>);

/// Every detector. The first is the default: on stationary errors it is silent, and it says since
/// when. (Drift detection method watches for increases only, whatever the direction.)
pub const DETECTORS: &[DetectorEntry] = &[
    ("adwin", |direction| {
        Box::new(Adwin::default().watching(direction))
    }),
    ("page-hinkley", |direction| {
        Box::new(PageHinkley::default().watching(direction))
    }),
    ("ddm", |_| Box::new(Ddm::default())),
];
