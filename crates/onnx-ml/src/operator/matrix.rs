//! Products of matrices, and `Softmax`.

use crate::error::{Failure, shown_shape};
use crate::limits::Budget;
use crate::operator::arithmetic::Broadcast;
use crate::operator::post_transform;
use crate::operator::{Built, Inputs, Operator, Specification, around_axis, normalized_axis};
use crate::tensor::{Tensor, Values};

/// Adds `left` (`inner` wide) times `right` (`columns` wide) to `result`, row by row.
///
/// The order of the sums does not depend on the number of rows.
fn multiply<T>(left: &[T], right: &[T], result: &mut [T], inner: usize, columns: usize)
where
    T: Copy + std::ops::AddAssign + std::ops::Mul<Output = T>,
{
    if inner == 0 || columns == 0 {
        return;
    }
    for (left_row, result_row) in left
        .chunks_exact(inner)
        .zip(result.chunks_exact_mut(columns))
    {
        for (&factor, right_row) in left_row.iter().zip(right.chunks_exact(columns)) {
            for (sum, &value) in result_row.iter_mut().zip(right_row) {
                *sum += factor * value;
            }
        }
    }
}

#[derive(Debug)]
struct MatMul;

pub(super) fn mat_mul(_: &mut Specification<'_>) -> Built {
    Ok(Box::new(MatMul))
}

impl Operator for MatMul {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (left, right) = (inputs.required(0)?, inputs.required(1)?);
        let mismatch = || -> Failure {
            let (left, right) = (shown_shape(left.shape()), shown_shape(right.shape()));
            format!("shapes {left} and {right} cannot be multiplied").into()
        };
        // A vector is one row on the left and one column on the right.
        let (left_batch, rows, inner) = match left.shape() {
            [] => return Err(mismatch()),
            [inner] => (&[][..], 1, *inner),
            [batch @ .., rows, inner] => (batch, *rows, *inner),
        };
        let (right_batch, right_inner, columns) = match right.shape() {
            [] => return Err(mismatch()),
            [inner] => (&[][..], *inner, 1),
            [batch @ .., inner, columns] => (batch, *inner, *columns),
        };
        if inner != right_inner {
            return Err(mismatch());
        }
        let batch = Broadcast::new(left_batch, right_batch).map_err(|_| mismatch())?;
        let mut full_shape = batch.shape.clone();
        full_shape.extend([rows, columns]);
        let count = budget.allocate(&full_shape)?;
        budget.work(count.saturating_mul(inner))?;
        let mut shape = batch.shape.clone();
        if left.shape().len() > 1 {
            shape.push(rows);
        }
        if right.shape().len() > 1 {
            shape.push(columns);
        }
        // Positions of the matrices that belong together; there are as many as results, or fewer.
        let matrices = |batch: &[usize]| {
            if count == 0 {
                0
            } else {
                batch.iter().product()
            }
        };
        let left_matrices: Vec<usize> = (0..matrices(left_batch)).collect();
        let right_matrices: Vec<usize> = (0..matrices(right_batch)).collect();
        let pairs = match count {
            0 => Vec::new(),
            _ => batch.apply(&left_matrices, &right_matrices, |a, b| (a, b)),
        };
        macro_rules! product {
            ($left:expr, $right:expr, $zero:expr) => {{
                let mut result = vec![$zero; count];
                for (into, (a, b)) in result.chunks_exact_mut((rows * columns).max(1)).zip(pairs) {
                    let left = &$left[a * rows * inner..(a + 1) * rows * inner];
                    let right = &$right[b * inner * columns..(b + 1) * inner * columns];
                    multiply(left, right, into, inner, columns);
                }
                result
            }};
        }
        let values = match (left.values(), right.values()) {
            (Values::Float32(a), Values::Float32(b)) => Values::Float32(product!(a, b, 0.0)),
            (Values::Float64(a), Values::Float64(b)) => Values::Float64(product!(a, b, 0.0)),
            (a, b) => {
                let (a, b) = (a.element_type(), b.element_type());
                return Err(format!("cannot multiply {a} with {b}").into());
            }
        };
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    transpose_left: bool,
    transpose_right: bool,
}

pub(super) fn gemm(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Gemm {
        alpha: specification.float("alpha")?.unwrap_or(1.0),
        beta: specification.float("beta")?.unwrap_or(1.0),
        transpose_left: specification.flag("transA", false)?,
        transpose_right: specification.flag("transB", false)?,
    }))
}

fn transposed<T: Copy>(matrix: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column]))
        .collect()
}

impl Operator for Gemm {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (left, right) = (inputs.required(0)?, inputs.required(1)?);
        let (&[left_rows, left_columns], &[right_rows, right_columns]) =
            (left.shape(), right.shape())
        else {
            return Err("needs two matrices".into());
        };
        let (rows, inner) = if self.transpose_left {
            (left_columns, left_rows)
        } else {
            (left_rows, left_columns)
        };
        let (right_inner, columns) = if self.transpose_right {
            (right_columns, right_rows)
        } else {
            (right_rows, right_columns)
        };
        if inner != right_inner {
            let (left, right) = (shown_shape(left.shape()), shown_shape(right.shape()));
            return Err(format!("shapes {left} and {right} cannot be multiplied").into());
        }
        let shape = [rows, columns];
        let count = budget.allocate(&shape)?;
        budget.work(count.saturating_mul(inner))?;
        macro_rules! product {
            ($variant:ident, $left:expr, $right:expr, $type:ty) => {{
                let (mut a, mut b) = (
                    std::borrow::Cow::from($left),
                    std::borrow::Cow::from($right),
                );
                if self.transpose_left {
                    a = transposed($left, left_rows, left_columns).into();
                }
                if self.transpose_right {
                    b = transposed($right, right_rows, right_columns).into();
                }
                let mut result = vec![<$type>::from(0.0_f32); count];
                multiply(&a, &b, &mut result, inner, columns);
                let alpha = <$type>::from(self.alpha);
                let beta = <$type>::from(self.beta);
                if let Some(bias) = inputs.optional(2) {
                    let Values::$variant(bias_values) = bias.values() else {
                        return Err("the bias is of another type".into());
                    };
                    let broadcast = Broadcast::new(&shape, bias.shape())?;
                    if broadcast.shape != shape {
                        return Err("the bias is larger than the product".into());
                    }
                    result = broadcast.apply(&result, bias_values, |value, bias| {
                        alpha * value + beta * bias
                    });
                } else {
                    for value in &mut result {
                        *value *= alpha;
                    }
                }
                Values::$variant(result)
            }};
        }
        let values = match (left.values(), right.values()) {
            (Values::Float32(a), Values::Float32(b)) => {
                product!(Float32, a.as_slice(), b.as_slice(), f32)
            }
            (Values::Float64(a), Values::Float64(b)) => {
                product!(Float64, a.as_slice(), b.as_slice(), f64)
            }
            (a, b) => {
                let (a, b) = (a.element_type(), b.element_type());
                return Err(format!("cannot multiply {a} with {b}").into());
            }
        };
        Ok(vec![Tensor::new(&shape, values)?])
    }
}

#[derive(Debug)]
struct Softmax {
    axis: i64,
    /// Before version 13, all dimensions from the axis on count as one.
    to_the_end: bool,
}

pub(super) fn softmax(specification: &mut Specification<'_>) -> Built {
    let to_the_end = specification.version < 13;
    let axis = specification
        .integer("axis")?
        .unwrap_or(if to_the_end { 1 } else { -1 });
    Ok(Box::new(Softmax { axis, to_the_end }))
}

impl Operator for Softmax {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let shape = input.shape();
        let count = budget.allocate(shape)?;
        let axis = normalized_axis(self.axis, shape.len())?;
        let (outer, size, inner) = if self.to_the_end {
            (
                shape[..axis].iter().product(),
                shape[axis..].iter().product(),
                1,
            )
        } else {
            around_axis(shape, axis)
        };
        let mut values = input.to_f64()?;
        if count > 0 {
            let mut scores = vec![0.0; size];
            for block in 0..outer {
                for offset in 0..inner {
                    let start = block * size * inner + offset;
                    for (position, score) in scores.iter_mut().enumerate() {
                        *score = values[start + position * inner];
                    }
                    post_transform::softmax(&mut scores);
                    for (position, score) in scores.iter().enumerate() {
                        values[start + position * inner] = *score;
                    }
                }
            }
        }
        let values = match input.values() {
            Values::Float32(_) => {
                Values::Float32(values.into_iter().map(|value| value as f32).collect())
            }
            Values::Float64(_) => Values::Float64(values),
            other => return Err(format!("needs numbers, not {}", other.element_type()).into()),
        };
        Ok(vec![Tensor::new(shape, values)?])
    }
}
