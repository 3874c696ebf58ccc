//! Element-wise arithmetic on two or more tensors, with broadcasting.

use crate::error::{Failure, shown_shape};
use crate::limits::Budget;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
}

macro_rules! builders {
    ($($name:ident => $variant:ident),*) => {
        $(pub(super) fn $name(_: &mut Specification<'_>) -> Built {
            Ok(Box::new(Arithmetic::$variant))
        })*
    };
}
builders!(add => Add, sub => Sub, mul => Mul, div => Div, pow => Pow, max => Max, min => Min);

/// `Sum` adds any number of tensors; one addition after the other is the same.
pub(super) fn sum(_: &mut Specification<'_>) -> Built {
    Ok(Box::new(Arithmetic::Add))
}

macro_rules! float_function {
    ($name:ident, $type:ty) => {
        fn $name(self) -> fn($type, $type) -> $type {
            match self {
                Self::Add => |a, b| a + b,
                Self::Sub => |a, b| a - b,
                Self::Mul => |a, b| a * b,
                Self::Div => |a, b| a / b,
                Self::Pow => <$type>::powf,
                // NaN in, NaN out, as NumPy has it.
                Self::Max => |a, b| if a > b || a.is_nan() { a } else { b },
                Self::Min => |a, b| if a < b || a.is_nan() { a } else { b },
            }
        }
    };
}
macro_rules! integer_function {
    ($name:ident, $type:ty) => {
        fn $name(self) -> fn($type, $type) -> $type {
            match self {
                Self::Add => <$type>::wrapping_add,
                Self::Sub => <$type>::wrapping_sub,
                Self::Mul => <$type>::wrapping_mul,
                Self::Div => <$type>::wrapping_div,
                Self::Pow => |a, b| a.wrapping_pow(b.clamp(0, 64) as u32),
                Self::Max => <$type>::max,
                Self::Min => <$type>::min,
            }
        }
    };
}

impl Arithmetic {
    float_function!(on_f32, f32);
    float_function!(on_f64, f64);
    integer_function!(on_i64, i64);
    integer_function!(on_i32, i32);

    /// Integers have no infinity, no NaN and no fractions to answer with.
    fn check_integers(self, mut right: impl Iterator<Item = i64>) -> Result<(), Failure> {
        match self {
            Self::Div if right.any(|value| value == 0) => Err("integer division by zero".into()),
            Self::Pow if right.any(|value| !(0..=64).contains(&value)) => {
                Err("integer power with an exponent below 0 or above 64".into())
            }
            _ => Ok(()),
        }
    }

    fn compute(self, left: &Tensor, right: &Tensor, budget: &Budget) -> Result<Tensor, Failure> {
        let broadcast = Broadcast::new(left.shape(), right.shape())?;
        budget.allocate(&broadcast.shape)?;
        let values = match (left.values(), right.values()) {
            (Values::Float32(a), Values::Float32(b)) => {
                Values::Float32(broadcast.apply(a, b, self.on_f32()))
            }
            (Values::Float64(a), Values::Float64(b)) => {
                Values::Float64(broadcast.apply(a, b, self.on_f64()))
            }
            (Values::Int64(a), Values::Int64(b)) => {
                self.check_integers(b.iter().copied())?;
                Values::Int64(broadcast.apply(a, b, self.on_i64()))
            }
            (Values::Int32(a), Values::Int32(b)) => {
                self.check_integers(b.iter().map(|&value| value.into()))?;
                Values::Int32(broadcast.apply(a, b, self.on_i32()))
            }
            // Only the exponent may be of another type.
            (Values::Float32(a), _) if self == Self::Pow => {
                let exponents = right.to_f64()?;
                Values::Float32(broadcast.apply(a, &exponents, |a, b| f64::from(a).powf(b) as f32))
            }
            (a, b) => {
                return Err(format!(
                    "cannot combine {} with {}",
                    a.element_type(),
                    b.element_type()
                )
                .into());
            }
        };
        Ok(Tensor::new(&broadcast.shape, values)?)
    }
}

impl Operator for Arithmetic {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let tensors = inputs.all()?;
        let (first, others) = tensors.split_first().ok_or("has no inputs")?;
        let mut result: Option<Tensor> = None;
        for other in others {
            result = Some(self.compute(result.as_ref().unwrap_or(first), other, budget)?);
        }
        Ok(vec![result.unwrap_or_else(|| (*first).clone())])
    }
}

/// Two shapes made one by the usual rule: from the last dimension on, equal sizes or 1.
pub(super) struct Broadcast {
    pub(super) shape: Vec<usize>,
    /// For each operand and dimension of `shape`: how far apart neighbours are; 0 repeats.
    strides: [Vec<usize>; 2],
}

impl Broadcast {
    pub(super) fn new(left: &[usize], right: &[usize]) -> Result<Self, Failure> {
        let rank = left.len().max(right.len());
        let size = |shape: &[usize], axis: usize| {
            (axis + shape.len())
                .checked_sub(rank)
                .map_or(1, |axis| shape[axis])
        };
        let mut shape = Vec::with_capacity(rank);
        for axis in 0..rank {
            shape.push(match (size(left, axis), size(right, axis)) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => {
                    let (left, right) = (shown_shape(left), shown_shape(right));
                    return Err(format!("shapes {left} and {right} do not go together").into());
                }
            });
        }
        let strides = [left, right].map(|operand| {
            let mut strides = vec![0; rank];
            let mut stride = 1_usize;
            for axis in (0..rank).rev() {
                let size = size(operand, axis);
                strides[axis] = if size == 1 { 0 } else { stride };
                stride = stride.saturating_mul(size);
            }
            strides
        });
        Ok(Self { shape, strides })
    }

    /// The function of every pair, in the order of the result.
    pub(super) fn apply<A: Clone, B: Clone, C>(
        &self,
        left: &[A],
        right: &[B],
        function: impl Fn(A, B) -> C,
    ) -> Vec<C> {
        let pair = |(a, b): (&A, &B)| function(a.clone(), b.clone());
        let count: usize = self.shape.iter().product();
        if left.len() == count && right.len() == count {
            return left.iter().zip(right).map(pair).collect();
        }
        if let ([a], true) = (left, right.len() == count) {
            return right.iter().map(|b| pair((a, b))).collect();
        }
        if let ([b], true) = (right, left.len() == count) {
            return left.iter().map(|a| pair((a, b))).collect();
        }
        let mut result = Vec::with_capacity(count);
        self.for_each(|a, b| result.push(pair((&left[a], &right[b]))));
        result
    }

    /// Calls with the two operands' positions for each position of the result.
    fn for_each(&self, mut call: impl FnMut(usize, usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let mut index = vec![0; self.shape.len()];
        let (mut left, mut right) = (0, 0);
        loop {
            call(left, right);
            let mut axis = self.shape.len();
            loop {
                let Some(next) = axis.checked_sub(1) else {
                    return;
                };
                axis = next;
                let [left_stride, right_stride] = [self.strides[0][axis], self.strides[1][axis]];
                index[axis] += 1;
                if index[axis] < self.shape[axis] {
                    left += left_stride;
                    right += right_stride;
                    break;
                }
                index[axis] = 0;
                left -= left_stride * (self.shape[axis] - 1);
                right -= right_stride * (self.shape[axis] - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_follows_the_rule() {
        let broadcast = Broadcast::new(&[2, 1], &[3]).unwrap();
        assert_eq!(broadcast.shape, [2, 3]);
        let sums = broadcast.apply(&[10, 20], &[1, 2, 3], |a, b| a + b);
        assert_eq!(sums, [11, 12, 13, 21, 22, 23]);
        assert!(Broadcast::new(&[2], &[3]).is_err());
        let empty = Broadcast::new(&[0, 3], &[3]).unwrap();
        assert!(
            empty
                .apply(&[], &[1, 2, 3], |a: i32, b: i32| a + b)
                .is_empty()
        );
    }

    #[test]
    fn integer_division_by_zero_is_an_error() {
        let one = Tensor::from_i64(&[1], vec![1]).unwrap();
        let zero = Tensor::from_i64(&[1], vec![0]).unwrap();
        let budget = Budget::new(&crate::Limits::default());
        assert!(Arithmetic::Div.compute(&one, &zero, &budget).is_err());
        assert!(Arithmetic::Pow.compute(&one, &zero, &budget).is_ok());
    }
}
