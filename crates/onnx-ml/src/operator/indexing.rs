//! Operators that pick elements: `Gather`, `Slice`, `ArrayFeatureExtractor`.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::shaping::take;
use crate::operator::{Built, Inputs, Operator, Specification, normalized_axis};
use crate::tensor::Tensor;

/// Indices counted from either end of `size` elements.
fn positions(indices: &[i64], size: usize) -> Result<Vec<usize>, Failure> {
    indices
        .iter()
        .map(|&index| {
            let position = if index < 0 {
                index.checked_add(size as i64)
            } else {
                Some(index)
            };
            position
                .and_then(|position| usize::try_from(position).ok())
                .filter(|&position| position < size)
                .ok_or_else(|| format!("index {index} of {size} elements").into())
        })
        .collect()
}

#[derive(Debug)]
struct Gather {
    axis: i64,
}

pub(super) fn gather(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Gather {
        axis: specification.integer("axis")?.unwrap_or(0),
    }))
}

impl Operator for Gather {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let axis = normalized_axis(self.axis, input.shape().len())?;
        let positions = positions(&indices.to_integers()?, input.shape()[axis])?;
        let taken = take(input, axis, &positions, budget)?;
        // The indices' shape takes the place of the axis.
        let mut shape = input.shape()[..axis].to_vec();
        shape.extend(indices.shape());
        shape.extend(&input.shape()[axis + 1..]);
        Ok(vec![Tensor::new(&shape, taken.into_values())?])
    }
}

#[derive(Debug)]
struct ArrayFeatureExtractor;

pub(super) fn array_feature_extractor(_: &mut Specification<'_>) -> Built {
    Ok(Box::new(ArrayFeatureExtractor))
}

impl Operator for ArrayFeatureExtractor {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (input, indices) = (inputs.required(0)?, inputs.required(1)?);
        let Some(axis) = input.shape().len().checked_sub(1) else {
            return Err("needs at least one dimension".into());
        };
        let positions = positions(&indices.to_integers()?, input.shape()[axis])?;
        let taken = take(input, axis, &positions, budget)?;
        // A vector counts as one row.
        if axis == 0 {
            return Ok(vec![Tensor::new(
                &[1, positions.len()],
                taken.into_values(),
            )?]);
        }
        Ok(vec![taken])
    }
}

#[derive(Debug)]
struct Slice {
    /// Before version 10, starts, ends and axes are attributes.
    old: Option<[Vec<i64>; 3]>,
}

pub(super) fn slice(specification: &mut Specification<'_>) -> Built {
    let mut old = None;
    if specification.version < 10 {
        let starts = specification
            .integers("starts")?
            .ok_or("attribute `starts` is missing")?;
        let ends = specification
            .integers("ends")?
            .ok_or("attribute `ends` is missing")?;
        let axes = specification.integers("axes")?;
        let axes = axes.unwrap_or_else(|| (0..).take(starts.len()).collect());
        old = Some([starts, ends, axes]);
    } else if specification.inputs < 3 {
        return Err("starts and ends are missing".into());
    }
    Ok(Box::new(Slice { old }))
}

impl Operator for Slice {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let [starts, ends, axes] = if let Some(old) = &self.old {
            old.clone()
        } else {
            let starts = inputs.required(1)?.to_integers()?;
            let axes = match inputs.optional(3) {
                Some(axes) => axes.to_integers()?,
                None => (0..).take(starts.len()).collect(),
            };
            [starts, inputs.required(2)?.to_integers()?, axes]
        };
        let steps = match inputs.optional(4) {
            Some(steps) => steps.to_integers()?,
            None => vec![1; starts.len()],
        };
        let rank = input.shape().len();
        if ends.len() != starts.len()
            || axes.len() != starts.len()
            || steps.len() != starts.len()
            || starts.len() > rank
        {
            return Err("starts, ends, axes and steps do not go together".into());
        }
        let mut result: Option<Tensor> = None;
        for (position, &axis) in axes.iter().enumerate() {
            let current = result.as_ref().unwrap_or(input);
            let axis = normalized_axis(axis, rank)?;
            let (start, end, step) = (starts[position], ends[position], steps[position]);
            let size = current.shape()[axis];
            // An axis of a tensor without elements may have any size.
            budget.work(size)?;
            let picked = range(start, end, step, size)?;
            result = Some(take(current, axis, &picked, budget)?);
        }
        Ok(vec![result.unwrap_or_else(|| input.clone())])
    }
}

/// The positions Python's `[start:end:step]` picks from `size` elements.
fn range(start: i64, end: i64, step: i64, size: usize) -> Result<Vec<usize>, Failure> {
    let size = i64::try_from(size).map_err(|_| "the shape is too large")?;
    let from_start = |index: i64| {
        if index < 0 {
            index.saturating_add(size)
        } else {
            index
        }
    };
    let (start, end) = (from_start(start), from_start(end));
    let mut picked = Vec::new();
    if step == 0 {
        return Err("a step of 0".into());
    }
    if step > 0 {
        let (mut position, end) = (start.clamp(0, size), end.clamp(0, size));
        while position < end {
            picked.push(position as usize);
            position = position.saturating_add(step);
        }
    } else {
        let (mut position, end) = (start.clamp(-1, size - 1), end.clamp(-1, size - 1));
        while position > end {
            picked.push(position as usize);
            position = position.saturating_add(step);
        }
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_are_pythons() {
        assert_eq!(range(1, i64::MAX, 2, 6).unwrap(), [1, 3, 5]);
        assert_eq!(range(-2, 6, 1, 6).unwrap(), [4, 5]);
        assert_eq!(range(-1, i64::MIN, -2, 5).unwrap(), [4, 2, 0]);
        assert_eq!(range(0, 5, 1, 0).unwrap(), [0_usize; 0]);
        assert!(range(0, 5, 0, 5).is_err());
    }
}
