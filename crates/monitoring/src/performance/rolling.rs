//! Measures over the last rows, as rows come in: cheap enough to draw at every row.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;

use super::measures::mean_recall;

/// [`super::roc_auc`] of the last rows. A row costs O(log n) comparisons and a move in memory.
#[derive(Debug, Clone)]
pub struct RollingAuc {
    size: NonZeroUsize,
    rows: VecDeque<(f64, bool)>,
    /// Scores of the negative and of the positive rows, ascending.
    sorted: [Vec<f64>; 2],
    /// Twice the number of pairs won by the positive row; whole, so that it never drifts off.
    won: u64,
}

impl RollingAuc {
    /// Over this many rows.
    pub fn new(size: NonZeroUsize) -> Self {
        Self {
            size,
            rows: VecDeque::new(),
            sorted: [Vec::new(), Vec::new()],
            won: 0,
        }
    }

    /// Takes the next row; a score that is not a number is left out. Gives the value over the rows
    /// there are, up to `size`.
    pub fn push(&mut self, score: f64, label: bool) -> Option<f64> {
        if !score.is_nan() {
            if self.rows.len() == self.size.get()
                && let Some((score, label)) = self.rows.pop_front()
            {
                let own = &mut self.sorted[usize::from(label)];
                let at = own.partition_point(|&other| other < score);
                own.remove(at);
                self.won -= self.pairs_won(score, label);
            }
            self.won += self.pairs_won(score, label);
            let own = &mut self.sorted[usize::from(label)];
            let at = own.partition_point(|&other| other < score);
            own.insert(at, score);
            self.rows.push_back((score, label));
        }
        self.value()
    }

    /// The value over the rows there are; none while they are of one class.
    pub fn value(&self) -> Option<f64> {
        let [negatives, positives] = &self.sorted;
        let pairs = negatives.len() as f64 * positives.len() as f64;
        (pairs > 0.0).then(|| self.won as f64 / 2.0 / pairs)
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }

    /// Twice the pairs of this row and those of the other class which the positive one wins.
    fn pairs_won(&self, score: f64, label: bool) -> u64 {
        let others = &self.sorted[usize::from(!label)];
        let below = others.partition_point(|&other| other < score);
        let not_above = others.partition_point(|&other| other <= score);
        let ties = not_above - below;
        let clear = if label {
            below
        } else {
            others.len() - not_above
        };
        (2 * clear + ties) as u64
    }
}

/// Accuracy and balanced accuracy of the last rows, of any number of classes.
#[derive(Debug, Clone)]
pub struct RollingAccuracy<T> {
    size: NonZeroUsize,
    rows: VecDeque<(T, bool)>,
    /// Class → right, rows.
    classes: BTreeMap<T, (usize, usize)>,
    right: usize,
}

impl<T: Ord + Clone> RollingAccuracy<T> {
    /// Over this many rows.
    pub fn new(size: NonZeroUsize) -> Self {
        Self {
            size,
            rows: VecDeque::new(),
            classes: BTreeMap::new(),
            right: 0,
        }
    }

    /// Takes the next row.
    pub fn push(&mut self, prediction: &T, label: T) {
        if self.rows.len() == self.size.get()
            && let Some((old, was_right)) = self.rows.pop_front()
        {
            self.right -= usize::from(was_right);
            if let Some((right, rows)) = self.classes.get_mut(&old) {
                *right -= usize::from(was_right);
                *rows -= 1;
                if *rows == 0 {
                    self.classes.remove(&old);
                }
            }
        }
        let is_right = *prediction == label;
        self.right += usize::from(is_right);
        let (right, rows) = self.classes.entry(label.clone()).or_default();
        *right += usize::from(is_right);
        *rows += 1;
        self.rows.push_back((label, is_right));
    }

    /// [`super::accuracy`] of the rows there are.
    pub fn accuracy(&self) -> Option<f64> {
        (!self.rows.is_empty()).then(|| self.right as f64 / self.rows.len() as f64)
    }

    /// [`super::balanced_accuracy`] of the rows there are.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        (!self.rows.is_empty()).then(|| mean_recall(self.classes.values()))
    }

    /// How many rows there are.
    pub fn num_rows(&self) -> usize {
        self.rows.len()
    }
}

/// The mean of the last values: errors, squared errors, log losses.
#[derive(Debug, Clone)]
pub struct RollingMean {
    size: NonZeroUsize,
    values: VecDeque<f64>,
    sum: f64,
    /// Values until the sum is made anew, so that rounding never adds up.
    until_fresh: usize,
}

impl RollingMean {
    /// Over this many values.
    pub fn new(size: NonZeroUsize) -> Self {
        Self {
            size,
            values: VecDeque::new(),
            sum: 0.0,
            until_fresh: size.get(),
        }
    }

    /// Takes the next value; one that is not finite is left out. Gives the mean of the values there
    /// are, up to `size`.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if value.is_finite() {
            if self.values.len() == self.size.get()
                && let Some(old) = self.values.pop_front()
            {
                self.sum -= old;
            }
            self.values.push_back(value);
            self.sum += value;
            self.until_fresh -= 1;
            if self.until_fresh == 0 {
                self.sum = self.values.iter().sum();
                self.until_fresh = self.size.get();
            }
        }
        self.mean()
    }

    /// The mean of the values there are.
    pub fn mean(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| self.sum / self.values.len() as f64)
    }

    /// True when there are as many values as the window takes.
    pub fn is_full(&self) -> bool {
        self.values.len() == self.size.get()
    }

    /// How many values there are.
    pub fn num_rows(&self) -> usize {
        self.values.len()
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        *self = Self::new(self.size);
    }
}
