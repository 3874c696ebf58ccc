//! The drift detection method.

use super::{Change, Detector};

/// DDM: an alarm when the error rate is three of its standard deviations above the best it was.
/// Values are errors, 0 or 1; only increases are found. Gama et al., SBIA 2004.
///
/// On stationary errors it is not silent: about one alarm in 10 000 values. `since` is where the
/// warning before the alarm began, which may be too early.
#[derive(Debug, Clone)]
pub struct Ddm {
    parameters: DdmParameters,
    seen: usize,
    state: State,
}

/// The parameters of [`Ddm`]; the defaults are River's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DdmParameters {
    /// No alarm before this many values.
    pub warm_start: usize,
    /// Standard deviations above the best at which the change may have begun.
    pub warning: f64,
    /// Standard deviations above the best at which it is an alarm.
    pub drift: f64,
}

impl Default for DdmParameters {
    fn default() -> Self {
        Self {
            warm_start: 30,
            warning: 2.0,
            drift: 3.0,
        }
    }
}

#[derive(Debug, Clone)]
struct State {
    count: f64,
    total: f64,
    rate: f64,
    best: Option<(f64, f64)>,
    /// Count and total before the value that began the warning we are in.
    warned: Option<(f64, f64)>,
}

impl State {
    fn new() -> Self {
        Self {
            count: 0.0,
            total: 0.0,
            rate: 0.0,
            best: None,
            warned: None,
        }
    }
}

impl Default for Ddm {
    fn default() -> Self {
        Self::new(DdmParameters::default())
    }
}

impl Ddm {
    /// A detector with these parameters.
    pub fn new(parameters: DdmParameters) -> Self {
        Self {
            parameters,
            seen: 0,
            state: State::new(),
        }
    }
}

impl Detector for Ddm {
    fn name(&self) -> &'static str {
        "ddm"
    }

    fn update(&mut self, value: f64) -> Option<Change> {
        if !value.is_finite() {
            return None;
        }
        let index = self.seen;
        self.seen += 1;
        let state = &mut self.state;
        let before = (state.count, state.total);
        state.count += 1.0;
        state.total += value;
        state.rate += (value - state.rate) / state.count;
        let deviation = (state.rate * (1.0 - state.rate) / state.count)
            .max(0.0)
            .sqrt();
        if state.count <= self.parameters.warm_start as f64 {
            return None;
        }
        let level = state.rate + deviation;
        let (best_rate, best_deviation) = match state.best {
            Some(best) if level > best.0 + best.1 => best,
            _ => *state.best.insert((state.rate, deviation)),
        };
        if level > best_rate + self.parameters.warning * best_deviation {
            state.warned.get_or_insert(before);
        } else {
            state.warned = None;
        }
        if level <= best_rate + self.parameters.drift * best_deviation {
            return None;
        }
        let (count, total) = state.warned.unwrap_or(before);
        let after = state.count - count;
        let change = Change {
            index,
            since: index + 1 - after as usize,
            mean_before: if count > 0.0 {
                total / count
            } else {
                best_rate
            },
            mean_after: (state.total - total) / after,
        };
        self.state = State::new();
        Some(change)
    }
}
