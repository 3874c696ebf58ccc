//! The test of Page and Hinkley.

use super::{Change, Detector, Direction};

/// A cumulative sum of the deviations from the mean so far, with a tolerance and slow forgetting;
/// an alarm when it is far from its extreme. Page, Biometrika 41 (1954) 100. The sum wanders while
/// nothing changes, so `since` may be hundreds of values too early; [`super::Adwin`] dates better.
#[derive(Debug, Clone)]
pub struct PageHinkley {
    parameters: PageHinkleyParameters,
    direction: Direction,
    seen: usize,
    state: State,
}

/// The parameters of [`PageHinkley`]; the defaults are River's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageHinkleyParameters {
    /// No alarm before this many values.
    pub min_values: usize,
    /// Deviations up to this are tolerated.
    pub delta: f64,
    /// An alarm when the sum is farther than this from its extreme.
    pub threshold: f64,
    /// How much of the sum is kept at each value.
    pub alpha: f64,
}

impl Default for PageHinkleyParameters {
    fn default() -> Self {
        Self {
            min_values: 30,
            delta: 0.005,
            threshold: 50.0,
            alpha: 1.0 - 0.0001,
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    count: f64,
    mean: f64,
    total: f64,
    up: Sum,
    down: Sum,
}

/// A cumulative sum and where it had its extreme.
#[derive(Debug, Clone)]
struct Sum {
    value: f64,
    extreme: f64,
    /// The values' count and total at the extreme.
    count: f64,
    total: f64,
}

impl State {
    fn new() -> Self {
        let sum = |extreme| Sum {
            value: 0.0,
            extreme,
            count: 0.0,
            total: 0.0,
        };
        // River starts the maximum of the sum that falls at −1.
        Self {
            count: 0.0,
            mean: 0.0,
            total: 0.0,
            up: sum(f64::INFINITY),
            down: sum(-1.0),
        }
    }
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self::new(PageHinkleyParameters::default())
    }
}

impl PageHinkley {
    /// A detector of changes in both directions.
    pub fn new(parameters: PageHinkleyParameters) -> Self {
        Self {
            parameters,
            direction: Direction::Both,
            seen: 0,
            state: State::new(),
        }
    }

    /// The same detector for changes in this direction.
    #[must_use]
    pub fn watching(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}

impl Detector for PageHinkley {
    fn name(&self) -> &'static str {
        "page-hinkley"
    }

    fn update(&mut self, value: f64) -> Option<Change> {
        if !value.is_finite() {
            return None;
        }
        let PageHinkleyParameters {
            min_values,
            delta,
            threshold,
            alpha,
        } = self.parameters;
        let index = self.seen;
        self.seen += 1;
        let state = &mut self.state;
        state.count += 1.0;
        state.total += value;
        state.mean += (value - state.mean) / state.count;
        let deviation = value - state.mean;
        state.up.value = alpha * state.up.value + deviation - delta;
        state.down.value = alpha * state.down.value + deviation + delta;
        for (sum, beyond) in [
            (&mut state.up, f64::lt as fn(&f64, &f64) -> bool),
            (&mut state.down, f64::gt),
        ] {
            if beyond(&sum.value, &sum.extreme) {
                sum.extreme = sum.value;
                (sum.count, sum.total) = (state.count, state.total);
            }
        }
        if state.count < min_values as f64 {
            return None;
        }
        let risen = state.up.value - state.up.extreme > threshold;
        let fallen = state.down.extreme - state.down.value > threshold;
        let sum = match self.direction {
            _ if risen => &state.up,
            Direction::Both if fallen => &state.down,
            _ => return None,
        };
        // The sum runs away from its extreme since the value after it.
        let after = state.count - sum.count;
        let change = Change {
            index,
            since: index + 1 - after as usize,
            mean_before: if sum.count > 0.0 {
                sum.total / sum.count
            } else {
                state.mean
            },
            mean_after: if after > 0.0 {
                (state.total - sum.total) / after
            } else {
                value
            },
        };
        self.state = State::new();
        Some(change)
    }
}
