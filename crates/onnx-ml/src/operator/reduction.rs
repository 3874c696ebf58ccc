//! Many elements to one, along axes: sums, means, extremes, and where the extremes are.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::{Built, Inputs, Operator, Specification, around_axis, normalized_axis};
use crate::tensor::{Tensor, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Sum,
    Mean,
    Max,
    Min,
    SumSquare,
    L2,
    Product,
    LogSumExp,
}

#[derive(Debug)]
struct Reduction {
    fold: Fold,
    /// From the attribute; newer versions have the axes as an input.
    axes: Option<Vec<i64>>,
    keep: bool,
    /// Whether no axes means "nothing to do" rather than "all".
    none_is_none: bool,
}

fn reduction(specification: &mut Specification<'_>, fold: Fold) -> Built {
    let axes = specification.integers("axes")?;
    let keep = specification.flag("keepdims", true)?;
    let none_is_none = specification.flag("noop_with_empty_axes", false)?;
    if axes.is_some() && specification.inputs > 1 {
        return Err("axes as an attribute and as an input".into());
    }
    Ok(Box::new(Reduction {
        fold,
        axes,
        keep,
        none_is_none,
    }))
}

macro_rules! builders {
    ($($name:ident => $variant:ident),* $(,)?) => {
        $(pub(super) fn $name(specification: &mut Specification<'_>) -> Built {
            reduction(specification, Fold::$variant)
        })*
    };
}
builders! {
    sum => Sum, mean => Mean, max => Max, min => Min, sum_square => SumSquare, l2 => L2,
    product => Product, log_sum_exp => LogSumExp,
}

impl Fold {
    fn start(self) -> f64 {
        match self {
            Self::Max => f64::NEG_INFINITY,
            Self::Min => f64::INFINITY,
            Self::Product => 1.0,
            _ => 0.0,
        }
    }

    fn step(self, so_far: f64, value: f64) -> f64 {
        match self {
            Self::Sum | Self::Mean => so_far + value,
            Self::Product => so_far * value,
            Self::LogSumExp => so_far + value.exp(),
            Self::SumSquare | Self::L2 => so_far + value * value,
            Self::Max if value > so_far || value.is_nan() => value,
            Self::Min if value < so_far || value.is_nan() => value,
            Self::Max | Self::Min => so_far,
        }
    }

    fn end(self, folded: f64, count: usize) -> f64 {
        match self {
            Self::Mean => folded / count as f64,
            Self::L2 => folded.sqrt(),
            Self::LogSumExp => folded.ln(),
            _ => folded,
        }
    }

    /// Sums and extremes of integers, exactly.
    fn integer(self, so_far: Option<i64>, value: i64) -> Option<i64> {
        Some(match (self, so_far) {
            (Self::Sum, so_far) => so_far.unwrap_or(0).wrapping_add(value),
            (Self::SumSquare, so_far) => {
                so_far.unwrap_or(0).wrapping_add(value.wrapping_mul(value))
            }
            (Self::Max, so_far) => so_far.map_or(value, |so_far| so_far.max(value)),
            (Self::Min, so_far) => so_far.map_or(value, |so_far| so_far.min(value)),
            (Self::Product, so_far) => so_far.unwrap_or(1).wrapping_mul(value),
            (Self::Mean | Self::L2 | Self::LogSumExp, _) => return None,
        })
    }
}

impl Operator for Reduction {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let rank = input.shape().len();
        let mut axes = match (&self.axes, inputs.optional(1)) {
            (Some(axes), _) => axes.clone(),
            (None, Some(tensor)) => tensor.to_integers()?,
            (None, None) => Vec::new(),
        };
        if axes.is_empty() {
            if self.none_is_none {
                return Ok(vec![input.clone()]);
            }
            axes = (0..rank as i64).collect();
        }
        let mut reduced = vec![false; rank];
        for axis in axes {
            reduced[normalized_axis(axis, rank)?] = true;
        }
        let kept_shape: Vec<usize> = input
            .shape()
            .iter()
            .zip(&reduced)
            .map(|(&size, &reduced)| if reduced { 1 } else { size })
            .collect();
        let count = budget.allocate(&kept_shape)?;
        budget.work(input.len())?;
        let each = input.len().checked_div(count).unwrap_or(0);
        if each == 0 && count > 0 && matches!(self.fold, Fold::Max | Fold::Min | Fold::Mean) {
            return Err("nothing to reduce".into());
        }
        let targets = Targets::new(input.shape(), &reduced);
        let values = match input.values() {
            Values::Int64(values) => {
                let mut folded = vec![None; count];
                for (&value, target) in values.iter().zip(targets.clone()) {
                    folded[target] = self.fold.integer(folded[target], value);
                    if folded[target].is_none() {
                        return Err("needs floating-point numbers".into());
                    }
                }
                let none = self.fold.start() as i64;
                Values::Int64(
                    folded
                        .into_iter()
                        .map(|value| value.unwrap_or(none))
                        .collect(),
                )
            }
            Values::Float32(_) | Values::Float64(_) => {
                let mut numbers = input.to_f64()?;
                let mut largest = Vec::new();
                if self.fold == Fold::LogSumExp {
                    // Less the largest, so that the exponential cannot overflow.
                    largest = fold(Fold::Max, &numbers, &targets, count);
                    for (value, target) in numbers.iter_mut().zip(targets.clone()) {
                        if largest[target].is_finite() {
                            *value -= largest[target];
                        }
                    }
                }
                let mut folded = fold(self.fold, &numbers, &targets, count);
                for (position, value) in folded.iter_mut().enumerate() {
                    *value = self.fold.end(*value, each);
                    if let Some(largest) = largest.get(position).filter(|value| value.is_finite()) {
                        *value += largest;
                    }
                }
                match input.values() {
                    Values::Float32(_) => {
                        Values::Float32(folded.into_iter().map(|value| value as f32).collect())
                    }
                    _ => Values::Float64(folded),
                }
            }
            other => return Err(format!("cannot reduce {}", other.element_type()).into()),
        };
        let shape = if self.keep {
            kept_shape
        } else {
            let kept = input
                .shape()
                .iter()
                .zip(&reduced)
                .filter(|&(_, &reduced)| !reduced);
            kept.map(|(&size, _)| size).collect()
        };
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

fn fold(fold: Fold, values: &[f64], targets: &Targets, count: usize) -> Vec<f64> {
    let mut folded = vec![fold.start(); count];
    for (&value, target) in values.iter().zip(targets.clone()) {
        folded[target] = fold.step(folded[target], value);
    }
    folded
}

/// For each element in order, the position it is folded into.
#[derive(Clone)]
struct Targets {
    shape: Vec<usize>,
    strides: Vec<usize>,
    index: Vec<usize>,
    target: usize,
}

impl Targets {
    fn new(shape: &[usize], reduced: &[bool]) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut stride = 1_usize;
        for axis in (0..shape.len()).rev() {
            if !reduced[axis] {
                strides[axis] = stride;
                stride = stride.saturating_mul(shape[axis]);
            }
        }
        Self {
            shape: shape.to_vec(),
            strides,
            index: vec![0; shape.len()],
            target: 0,
        }
    }
}

impl Iterator for Targets {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let current = self.target;
        for axis in (0..self.shape.len()).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.shape[axis] {
                self.target += self.strides[axis];
                break;
            }
            self.index[axis] = 0;
            self.target -= self.strides[axis] * self.shape[axis].saturating_sub(1);
        }
        Some(current)
    }
}

#[derive(Debug)]
struct ArgExtreme {
    largest: bool,
    axis: i64,
    keep: bool,
    last: bool,
}

fn arg_extreme(specification: &mut Specification<'_>, largest: bool) -> Built {
    Ok(Box::new(ArgExtreme {
        largest,
        axis: specification.integer("axis")?.unwrap_or(0),
        keep: specification.flag("keepdims", true)?,
        last: specification.flag("select_last_index", false)?,
    }))
}

pub(super) fn arg_max(specification: &mut Specification<'_>) -> Built {
    arg_extreme(specification, true)
}

pub(super) fn arg_min(specification: &mut Specification<'_>) -> Built {
    arg_extreme(specification, false)
}

impl Operator for ArgExtreme {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let axis = normalized_axis(self.axis, input.shape().len())?;
        let (outer, size, inner) = around_axis(input.shape(), axis);
        let mut shape = input.shape().to_vec();
        shape[axis] = 1;
        let count = budget.allocate(&shape)?;
        budget.work(input.len())?;
        if size == 0 && count > 0 {
            return Err("nothing to choose from".into());
        }
        let values = input.to_f64()?;
        let mut positions = Vec::with_capacity(count);
        if count > 0 {
            for block in 0..outer {
                for offset in 0..inner {
                    let at = |position: usize| values[(block * size + position) * inner + offset];
                    let mut best = 0;
                    for position in 1..size {
                        let (value, so_far) = (at(position), at(best));
                        let better = if self.largest {
                            value > so_far
                        } else {
                            value < so_far
                        };
                        if better || self.last && value == so_far {
                            best = position;
                        }
                    }
                    positions.push(best as i64);
                }
            }
        }
        if !self.keep {
            shape.remove(axis);
        }
        Ok(vec![Tensor::from_i64(&shape, positions)?])
    }
}
