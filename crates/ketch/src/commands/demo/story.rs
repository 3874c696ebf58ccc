//! The story in numbers: which days are learnt from, replayed and looked back on.

use serde::{Deserialize, Serialize};

/// The model of the example project.
pub(super) const MODEL: &str = "rain";

/// Days until it is known whether it rained.
pub(super) const LABEL_DELAY: u64 = 7;

/// The day from which, by the data's documentation, the relation between weather and rain and the
/// weather itself differ.
pub(super) const DRIFT_DAY: u64 = 12_000;

/// The days that the first model learns from.
const FIRST_WINDOW: (u64, u64) = (0, 3_000);

/// How long the story is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Length {
    /// Every day that there is.
    Full,
    /// The days around the change.
    Short,
}

/// The days of a story; every range ends before its last number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    /// What the first model learns from: these days, in either story.
    pub(super) learnt: (u64, u64),
    /// The first day that is replayed; what came before is the past.
    pub(super) today: u64,
    /// The day after the last one.
    pub(super) end: u64,
    /// The day from which the villain may act.
    pub(super) villain_day: u64,
    /// Days at the end over which the recovered quality is measured.
    pub(super) looked_back: u64,
}

impl Story {
    pub(super) fn new(length: Length) -> Self {
        match length {
            Length::Full => Self {
                learnt: FIRST_WINDOW,
                today: 3_000,
                end: 18_159,
                villain_day: 16_600,
                looked_back: 3_000,
            },
            Length::Short => Self {
                learnt: FIRST_WINDOW,
                today: 11_000,
                end: 15_200,
                villain_day: 14_300,
                looked_back: 1_500,
            },
        }
    }
}

/// The window of days that the villain's candidate learns from.
pub(super) fn villain_window(day: u64) -> (u64, u64) {
    (day - 1_500, day - LABEL_DELAY)
}
