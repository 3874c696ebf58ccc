//! Operators that move elements or change shapes and compute nothing.

use crate::error::{Failure, shown_shape};
use crate::limits::{Budget, checked_product};
use crate::operator::arithmetic::Broadcast;
use crate::operator::{Built, Inputs, Operator, Specification, around_axis, normalized_axis};
use crate::tensor::{Tensor, Values, each_type, map_type};

#[derive(Debug)]
struct Identity;

pub(super) fn identity(_: &mut Specification<'_>) -> Built {
    Ok(Box::new(Identity))
}

pub(super) fn zip_map(specification: &mut Specification<'_>) -> Built {
    specification.ignore("classlabels_strings");
    specification.ignore("classlabels_int64s");
    Ok(Box::new(Identity))
}

impl Operator for Identity {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        Ok(vec![input.clone()])
    }
}

#[derive(Debug)]
struct Constant {
    value: Tensor,
}

pub(super) fn constant(specification: &mut Specification<'_>) -> Built {
    let mut found = Vec::new();
    found.extend(specification.tensor("value")?);
    if let Some(value) = specification.float("value_float")? {
        found.push(Tensor::from_f32(&[], vec![value])?);
    }
    if let Some(values) = specification.floats("value_floats")? {
        found.push(Tensor::from_f32(&[values.len()], values)?);
    }
    if let Some(value) = specification.integer("value_int")? {
        found.push(Tensor::from_i64(&[], vec![value])?);
    }
    if let Some(values) = specification.integers("value_ints")? {
        found.push(Tensor::from_i64(&[values.len()], values)?);
    }
    if let Some(value) = specification.text("value_string")? {
        found.push(Tensor::from_strings(&[], vec![value.to_owned()])?);
    }
    if let Some(values) = specification.texts("value_strings")? {
        let values: Vec<_> = values.into_iter().map(str::to_owned).collect();
        found.push(Tensor::from_strings(&[values.len()], values)?);
    }
    match (found.pop(), found.is_empty()) {
        (Some(value), true) => Ok(Box::new(Constant { value })),
        _ => Err("needs exactly one value".into()),
    }
}

impl Operator for Constant {
    fn run(&self, _: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        budget.allocate(self.value.shape())?;
        Ok(vec![self.value.clone()])
    }
}

#[derive(Debug)]
struct ConstantOfShape {
    value: Values,
}

pub(super) fn constant_of_shape(specification: &mut Specification<'_>) -> Built {
    let value = specification.tensor("value")?.map(Tensor::into_values);
    let value = value.unwrap_or_else(|| Values::Float32(vec![0.0]));
    if value.len() != 1 {
        return Err("the value is not a single element".into());
    }
    Ok(Box::new(ConstantOfShape { value }))
}

impl Operator for ConstantOfShape {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let shape = sizes(inputs.required(0)?)?;
        let count = budget.allocate(&shape)?;
        let values = map_type!(&self.value, value => repeated(value, count));
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

fn repeated<T: Clone>(value: &[T], count: usize) -> Vec<T> {
    vec![value[0].clone(); count]
}

fn permuted<T: Clone>(values: &[T], source: impl Fn(usize) -> usize) -> Vec<T> {
    (0..values.len())
        .map(|position| values[source(position)].clone())
        .collect()
}

/// A shape given as a tensor.
fn sizes(tensor: &Tensor) -> Result<Vec<usize>, Failure> {
    let sizes: Result<Vec<_>, _> = tensor
        .to_integers()?
        .into_iter()
        .map(usize::try_from)
        .collect();
    sizes.map_err(|_| "a shape has a negative size".into())
}

#[derive(Debug)]
struct Expand;

pub(super) fn expand(_: &mut Specification<'_>) -> Built {
    Ok(Box::new(Expand))
}

impl Operator for Expand {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let broadcast = Broadcast::new(input.shape(), &sizes(inputs.required(1)?)?)?;
        let count = budget.allocate(&broadcast.shape)?;
        // Only the left operand counts; the right one has the result's size and no content.
        let whole = Broadcast::new(input.shape(), &broadcast.shape)?;
        let nothing = vec![(); count];
        let values =
            map_type!(input.values(), values => whole.apply(values, &nothing, |value, ()| value));
        Ok(vec![Tensor::new(&broadcast.shape, values)?])
    }
}

#[derive(Debug)]
struct Reshape {
    /// Version 1 has it as an attribute.
    shape: Option<Vec<i64>>,
    zero_is_zero: bool,
}

pub(super) fn reshape(specification: &mut Specification<'_>) -> Built {
    let shape = specification.integers("shape")?;
    let zero_is_zero = specification.flag("allowzero", false)?;
    Ok(Box::new(Reshape {
        shape,
        zero_is_zero,
    }))
}

impl Operator for Reshape {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let wanted = match &self.shape {
            Some(shape) => shape.clone(),
            None => inputs.required(1)?.to_integers()?,
        };
        let mut shape = Vec::with_capacity(wanted.len());
        let mut open = None;
        for (axis, &size) in wanted.iter().enumerate() {
            shape.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if !self.zero_is_zero => *input
                    .shape()
                    .get(axis)
                    .ok_or("a size of 0 has no counterpart")?,
                size => usize::try_from(size).map_err(|_| format!("a size of {size}"))?,
            });
        }
        if let Some(axis) = open {
            let rest = checked_product(&shape).ok_or("the shape is too large")?;
            shape[axis] = match rest {
                0 if input.is_empty() => 0,
                0 => return Err("a size of -1 beside a size of 0".into()),
                rest if input.len().is_multiple_of(rest) => input.len() / rest,
                _ => {
                    let from = shown_shape(input.shape());
                    return Err(format!("shape {from} cannot become {wanted:?}").into());
                }
            };
        }
        Ok(vec![input.reshaped(&shape)?])
    }
}

#[derive(Debug)]
struct Flatten {
    axis: i64,
}

pub(super) fn flatten(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Flatten {
        axis: specification.integer("axis")?.unwrap_or(1),
    }))
}

impl Operator for Flatten {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let rank = input.shape().len();
        // The axis may also be one past the last.
        let axis = match self.axis {
            axis if axis == rank as i64 => rank,
            axis => normalized_axis(axis, rank)?,
        };
        let (outer, inner) = input.shape().split_at(axis);
        Ok(vec![input.reshaped(&[
            outer.iter().product(),
            inner.iter().product(),
        ])?])
    }
}

#[derive(Debug)]
struct Shape {
    start: i64,
    end: Option<i64>,
}

pub(super) fn shape(specification: &mut Specification<'_>) -> Built {
    let start = specification.integer("start")?.unwrap_or(0);
    let end = specification.integer("end")?;
    Ok(Box::new(Shape { start, end }))
}

impl Operator for Shape {
    fn run(&self, inputs: &Inputs<'_>, _: &Budget) -> Result<Vec<Tensor>, Failure> {
        let shape = inputs.required(0)?.shape();
        let rank = shape.len() as i64;
        let bound = |axis: i64| {
            let axis = if axis < 0 {
                axis.saturating_add(rank)
            } else {
                axis
            };
            axis.clamp(0, rank) as usize
        };
        let (start, end) = (bound(self.start), bound(self.end.unwrap_or(rank)));
        let sizes: Vec<_> = shape
            .get(start..end)
            .unwrap_or_default()
            .iter()
            .map(|&size| size as i64)
            .collect();
        Ok(vec![Tensor::from_i64(&[sizes.len()], sizes)?])
    }
}

#[derive(Debug)]
struct Concat {
    axis: i64,
}

pub(super) fn concat(specification: &mut Specification<'_>) -> Built {
    let axis = specification
        .integer("axis")?
        .ok_or("attribute `axis` is missing")?;
    Ok(Box::new(Concat { axis }))
}

impl Operator for Concat {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let tensors = inputs.all()?;
        let first = tensors.first().ok_or("has no inputs")?;
        let axis = normalized_axis(self.axis, first.shape().len())?;
        let mut shape = first.shape().to_vec();
        shape[axis] = 0;
        for tensor in &tensors {
            let fits = tensor.shape().len() == shape.len()
                && (0..shape.len())
                    .all(|other| other == axis || tensor.shape()[other] == first.shape()[other]);
            if !fits {
                let (left, right) = (shown_shape(first.shape()), shown_shape(tensor.shape()));
                return Err(format!("shapes {left} and {right} cannot be joined").into());
            }
            if tensor.element_type() != first.element_type() {
                let (left, right) = (first.element_type(), tensor.element_type());
                return Err(format!("{left} and {right} cannot be joined").into());
            }
            shape[axis] = shape[axis]
                .checked_add(tensor.shape()[axis])
                .ok_or("the shape is too large")?;
        }
        let count = budget.allocate(&shape)?;
        let outer: usize = if count == 0 {
            0
        } else {
            shape[..axis].iter().product()
        };
        macro_rules! join {
            ($($variant:ident),*) => {
                match first.values() {
                    $(Values::$variant(_) => {
                        let mut joined = Vec::with_capacity(count);
                        for block in 0..outer {
                            for tensor in &tensors {
                                if let Values::$variant(values) = tensor.values() {
                                    let size = values.len() / outer;
                                    joined.extend_from_slice(&values[block * size..][..size]);
                                }
                            }
                        }
                        Values::$variant(joined)
                    })*
                }
            };
        }
        let values = join!(Float32, Float64, Int64, Int32, Bool, String);
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

#[derive(Debug)]
struct Transpose {
    permutation: Option<Vec<i64>>,
}

pub(super) fn transpose(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Transpose {
        permutation: specification.integers("perm")?,
    }))
}

impl Operator for Transpose {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let rank = input.shape().len();
        budget.allocate(input.shape())?;
        let axes = match &self.permutation {
            None => (0..rank).rev().collect(),
            Some(axes) => axes
                .iter()
                .map(|&axis| normalized_axis(axis, rank))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            return Err(format!("attribute `perm` is no order of {rank} dimensions").into());
        }
        let shape: Vec<usize> = axes.iter().map(|&axis| input.shape()[axis]).collect();
        let strides: Vec<usize> = axes
            .iter()
            .map(|&axis| input.shape()[axis + 1..].iter().product())
            .collect();
        let source = |mut position: usize| {
            let mut offset = 0;
            for (&size, &stride) in shape.iter().zip(&strides).rev() {
                offset += position % size * stride;
                position /= size;
            }
            offset
        };
        let values = map_type!(input.values(), values => {
            permuted(values, source)
        });
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

/// Where sizes of 1 go away or come in; newer versions have the axes as an input.
#[derive(Debug)]
struct Squeeze {
    axes: Option<Vec<i64>>,
    insert: bool,
}

pub(super) fn squeeze(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Squeeze {
        axes: specification.integers("axes")?,
        insert: false,
    }))
}

pub(super) fn unsqueeze(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Squeeze {
        axes: specification.integers("axes")?,
        insert: true,
    }))
}

impl Operator for Squeeze {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let axes = match (&self.axes, inputs.optional(1)) {
            (Some(axes), _) => Some(axes.clone()),
            (None, Some(tensor)) => Some(tensor.to_integers()?),
            (None, None) => None,
        };
        let old = input.shape();
        let shape: Vec<usize> = match axes {
            None if self.insert => return Err("the axes are missing".into()),
            None => old.iter().copied().filter(|&size| size != 1).collect(),
            Some(axes) => {
                let rank = if self.insert {
                    old.len() + axes.len()
                } else {
                    old.len()
                };
                let mut marked = vec![false; rank];
                for axis in axes {
                    if std::mem::replace(&mut marked[normalized_axis(axis, rank)?], true) {
                        return Err(format!("axis {axis} twice").into());
                    }
                }
                if self.insert {
                    let mut sizes = old.iter();
                    let size = |&marked: &bool| {
                        if marked {
                            1
                        } else {
                            sizes.next().copied().unwrap_or(1)
                        }
                    };
                    marked.iter().map(size).collect()
                } else {
                    if old
                        .iter()
                        .zip(&marked)
                        .any(|(&size, &marked)| marked && size != 1)
                    {
                        let shape = shown_shape(old);
                        return Err(format!("a dimension of {shape} is not 1").into());
                    }
                    let kept = old.iter().zip(&marked).filter(|&(_, &marked)| !marked);
                    kept.map(|(&size, _)| size).collect()
                }
            }
        };
        Ok(vec![input.reshaped(&shape)?])
    }
}

/// The elements of `tensor` at `positions` of `axis`, in that order.
pub(super) fn take(
    tensor: &Tensor,
    axis: usize,
    positions: &[usize],
    budget: &Budget,
) -> Result<Tensor, Failure> {
    let (outer, size, inner) = around_axis(tensor.shape(), axis);
    let mut shape = tensor.shape().to_vec();
    shape[axis] = positions.len();
    let count = budget.allocate(&shape)?;
    if let Some(position) = positions.iter().find(|&&position| position >= size) {
        return Err(format!("index {position} of {size}").into());
    }
    let blocks = if count == 0 { 0 } else { outer };
    let values = map_type!(tensor.values(), values => {
        let mut taken = Vec::with_capacity(count);
        for block in 0..blocks {
            for &position in positions {
                taken.extend_from_slice(&values[(block * size + position) * inner..][..inner]);
            }
        }
        taken
    });
    debug_assert_eq!(each_type!(&values, values => values.len()), count);
    Ok(Tensor::new(&shape, values)?)
}
