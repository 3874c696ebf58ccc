//! Adaptive windowing.

use std::collections::VecDeque;

use super::{Change, Detector, Direction};

/// ADWIN: keeps the longest window whose two parts, wherever it is cut, have means that chance can
/// explain. Bifet and Gavaldà, SIAM Data Mining 2007; memory and time O(log n) by an exponential
/// histogram (row r holds buckets of 2ʳ values).
#[derive(Debug, Clone)]
pub struct Adwin {
    parameters: AdwinParameters,
    direction: Direction,
    window: Histogram,
    /// Values seen in all.
    seen: usize,
    /// Values seen since the last alarm.
    since_alarm: usize,
}

/// The parameters of [`Adwin`]; the defaults are River's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdwinParameters {
    /// Confidence: smaller is more careful.
    pub delta: f64,
    /// A check every so many values.
    pub clock: usize,
    /// Buckets in a row before two are merged.
    pub max_buckets: usize,
    /// No part of a cut window is shorter.
    pub min_window: usize,
    /// No check before the window is longer.
    pub grace_period: usize,
}

impl Default for AdwinParameters {
    fn default() -> Self {
        Self {
            delta: 0.002,
            clock: 32,
            max_buckets: 5,
            min_window: 5,
            grace_period: 10,
        }
    }
}

impl Default for Adwin {
    fn default() -> Self {
        Self::new(AdwinParameters::default())
    }
}

impl Adwin {
    /// A detector of changes in both directions.
    pub fn new(parameters: AdwinParameters) -> Self {
        Self {
            parameters,
            direction: Direction::Both,
            window: Histogram::default(),
            seen: 0,
            since_alarm: 0,
        }
    }

    /// The same detector for changes in this direction.
    #[must_use]
    pub fn watching(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// How many values the window holds.
    pub fn width(&self) -> usize {
        self.window.width
    }

    /// The mean of the window; 0 when it is empty.
    pub fn mean(&self) -> f64 {
        self.window.mean()
    }

    /// Drops the oldest buckets until no cut shows a difference; gives what was dropped.
    fn shrink(&mut self) -> Option<(usize, f64)> {
        let mut dropped = (0, 0.0);
        while self.window.has_cut(&self.parameters) {
            let bucket = self.window.drop_oldest();
            dropped.0 += bucket.0;
            dropped.1 += bucket.1;
        }
        (dropped.0 > 0).then_some(dropped)
    }
}

impl Detector for Adwin {
    fn name(&self) -> &'static str {
        "adwin"
    }

    fn update(&mut self, value: f64) -> Option<Change> {
        if !value.is_finite() {
            return None;
        }
        self.window.push(value, self.parameters.max_buckets);
        let index = self.seen;
        self.seen += 1;
        self.since_alarm += 1;
        if !self
            .since_alarm
            .is_multiple_of(self.parameters.clock.max(1))
            || self.window.width <= self.parameters.grace_period
        {
            return None;
        }
        let (count, total) = self.shrink()?;
        let change = Change {
            index,
            since: self.seen - self.window.width,
            mean_before: total / count as f64,
            mean_after: self.window.mean(),
        };
        if self.direction == Direction::Increase && change.mean_after <= change.mean_before {
            return None;
        }
        self.window = Histogram::default();
        self.since_alarm = 0;
        Some(change)
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    total: f64,
    /// Sum of squared deviations from the bucket's mean.
    variance: f64,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    /// Row r holds buckets of 2ʳ values, the oldest first; rows of higher number are older.
    rows: Vec<VecDeque<Bucket>>,
    width: usize,
    total: f64,
    /// Sum of squared deviations from the window's mean.
    variance: f64,
}

impl Histogram {
    fn mean(&self) -> f64 {
        if self.width == 0 {
            0.0
        } else {
            self.total / self.width as f64
        }
    }

    fn push(&mut self, value: f64, max_buckets: usize) {
        if self.rows.is_empty() {
            self.rows.push(VecDeque::new());
        }
        self.rows[0].push_back(Bucket {
            total: value,
            variance: 0.0,
        });
        self.variance += spread(self.width as f64, self.mean(), 1.0, value);
        self.width += 1;
        self.total += value;
        let mut row = 0;
        while self.rows[row].len() > max_buckets {
            if row + 1 == self.rows.len() {
                self.rows.push(VecDeque::new());
            }
            let size = (1_u64 << row) as f64;
            let pair = (self.rows[row].pop_front(), self.rows[row].pop_front());
            let (Some(a), Some(b)) = pair else { break };
            self.rows[row + 1].push_back(Bucket {
                total: a.total + b.total,
                variance: a.variance
                    + b.variance
                    + spread(size, a.total / size, size, b.total / size),
            });
            row += 1;
        }
    }

    /// True when the window, cut between two buckets, has two parts of different means.
    fn has_cut(&self, parameters: &AdwinParameters) -> bool {
        let width = self.width as f64;
        let least = parameters.min_window as f64;
        let log = (2.0 * width.ln() / parameters.delta).ln();
        let variance = self.variance / width;
        let (mut old_count, mut old_total) = (0.0, 0.0);
        for (row, buckets) in self.rows.iter().enumerate().rev() {
            let size = (1_u64 << row) as f64;
            for (position, bucket) in buckets.iter().enumerate() {
                if row == 0 && position + 1 == buckets.len() {
                    return false;
                }
                old_count += size;
                old_total += bucket.total;
                let new_count = width - old_count;
                if old_count < least || new_count < least {
                    continue;
                }
                let difference = old_total / old_count - (self.total - old_total) / new_count;
                let harmonic = 1.0 / (old_count - least + 1.0) + 1.0 / (new_count - least + 1.0);
                let limit = (2.0 * harmonic * variance * log).sqrt() + 2.0 / 3.0 * log * harmonic;
                if difference.abs() > limit {
                    return true;
                }
            }
        }
        false
    }

    /// Drops the oldest bucket; gives its size and total.
    fn drop_oldest(&mut self) -> (usize, f64) {
        let Some(bucket) = self.rows.last_mut().and_then(VecDeque::pop_front) else {
            return (0, 0.0);
        };
        let size = 1_usize << (self.rows.len() - 1);
        self.width -= size;
        self.total -= bucket.total;
        let size_f = size as f64;
        self.variance -= bucket.variance
            + spread(
                size_f,
                bucket.total / size_f,
                self.width as f64,
                self.mean(),
            );
        while self.rows.last().is_some_and(VecDeque::is_empty) {
            self.rows.pop();
        }
        (size, bucket.total)
    }
}

/// What two parts' distance adds to the squared deviations of the whole.
fn spread(count_a: f64, mean_a: f64, count_b: f64, mean_b: f64) -> f64 {
    if count_a + count_b == 0.0 {
        return 0.0;
    }
    count_a * count_b * (mean_a - mean_b).powi(2) / (count_a + count_b)
}
