//! The labelled rows that gates and retrains look back on.

use std::collections::VecDeque;

use ketch_serving::LabelledPrediction;

/// Rows kept.
const MAXIMUM_ROWS: usize = 50_000;

/// The latest labelled rows, addressed by how many labelled rows came before them.
#[derive(Debug, Default)]
pub(crate) struct History {
    rows: VecDeque<LabelledPrediction>,
    dropped: u64,
}

impl History {
    pub(crate) fn push(&mut self, row: LabelledPrediction) {
        if self.rows.len() == MAXIMUM_ROWS {
            self.rows.pop_front();
            self.dropped += 1;
        }
        self.rows.push_back(row);
    }

    /// Labelled rows so far, dropped ones included.
    pub(crate) fn labelled(&self) -> u64 {
        self.dropped + self.rows.len() as u64
    }

    /// Rows from `first` up to `last` (excluded), as far as they are kept.
    pub(crate) fn between(&self, first: u64, last: u64) -> Vec<&LabelledPrediction> {
        let place = |index: u64| {
            usize::try_from(index.saturating_sub(self.dropped))
                .unwrap_or(usize::MAX)
                .min(self.rows.len())
        };
        self.rows
            .range(place(first).min(place(last))..place(last))
            .collect()
    }
}
