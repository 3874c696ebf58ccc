//! Functions of each element by itself, and `Cast`.

use crate::error::{Failure, ModelError, shown};
use crate::limits::Budget;
use crate::operator::post_transform::logistic;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{ElementType, Tensor, Values};

#[derive(Debug, Clone, Copy)]
enum Unary {
    Abs,
    Neg,
    Relu,
    Ceil,
    Floor,
    Sqrt,
    Exp,
    Log,
    Erf,
    Sigmoid,
    Tanh,
    Reciprocal,
}

macro_rules! builders {
    ($($name:ident => $variant:ident),* $(,)?) => {
        $(pub(super) fn $name(_: &mut Specification<'_>) -> Built {
            Ok(Box::new(Unary::$variant))
        })*
    };
}
builders! {
    abs => Abs, neg => Neg, relu => Relu, ceil => Ceil, floor => Floor, sqrt => Sqrt, exp => Exp,
    log => Log, erf => Erf, sigmoid => Sigmoid, tanh => Tanh, reciprocal => Reciprocal,
}

impl Unary {
    fn on_f64(self) -> fn(f64) -> f64 {
        match self {
            Self::Abs => f64::abs,
            Self::Neg => |value| -value,
            // NaN stays NaN.
            Self::Relu => |value| if value < 0.0 { 0.0 } else { value },
            Self::Ceil => f64::ceil,
            Self::Floor => f64::floor,
            Self::Sqrt => f64::sqrt,
            Self::Exp => f64::exp,
            Self::Log => f64::ln,
            Self::Erf => error_function,
            Self::Sigmoid => logistic,
            Self::Tanh => f64::tanh,
            Self::Reciprocal => f64::recip,
        }
    }

    fn on_i64(self) -> Option<fn(i64) -> i64> {
        Some(match self {
            Self::Abs => i64::wrapping_abs,
            Self::Neg => i64::wrapping_neg,
            Self::Relu => |value| value.max(0),
            _ => return None,
        })
    }
}

impl Operator for Unary {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let values = match (self, input.values()) {
            // The only one hot enough to have a path of its own.
            (Self::Relu, Values::Float32(values)) => Values::Float32(
                values
                    .iter()
                    .map(|&value| if value < 0.0 { 0.0 } else { value })
                    .collect(),
            ),
            (_, Values::Float32(values)) => {
                let function = self.on_f64();
                Values::Float32(
                    values
                        .iter()
                        .map(|&value| function(value.into()) as f32)
                        .collect(),
                )
            }
            (_, Values::Float64(values)) => {
                Values::Float64(values.iter().copied().map(self.on_f64()).collect())
            }
            (_, other) => match (self.on_i64(), other) {
                (Some(function), Values::Int64(values)) => {
                    Values::Int64(values.iter().copied().map(function).collect())
                }
                (Some(function), Values::Int32(values)) => Values::Int32(
                    values
                        .iter()
                        .map(|&value| function(value.into()) as i32)
                        .collect(),
                ),
                _ => return Err(format!("cannot take {} values", other.element_type()).into()),
            },
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

/// The error function to about 1e-15: its Taylor series near zero, the continued fraction of its
/// complement elsewhere (Abramowitz and Stegun 7.1.6 and 7.1.14).
fn error_function(value: f64) -> f64 {
    const NEAR: f64 = 2.5;
    const FAR: f64 = 6.0;
    let size = value.abs();
    let result = if size.is_nan() {
        return value;
    } else if size < NEAR {
        let square = size * size;
        let (mut term, mut sum, mut order) = (size, size, 0.0);
        while term > sum * 1e-17 {
            order += 1.0;
            term *= 2.0 * square / (2.0 * order + 1.0);
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() * sum
    } else if size < FAR {
        let mut fraction = size;
        for step in (1..=60).rev() {
            fraction = size + f64::from(step) / 2.0 / fraction;
        }
        1.0 - (-size * size).exp() / fraction * std::f64::consts::FRAC_2_SQRT_PI / 2.0
    } else {
        1.0
    };
    result.copysign(value)
}

#[derive(Debug)]
struct Clip {
    /// Version 6 has the bounds as attributes, later ones as inputs.
    low: Option<f32>,
    high: Option<f32>,
}

pub(super) fn clip(specification: &mut Specification<'_>) -> Built {
    let mut bounds = Clip {
        low: None,
        high: None,
    };
    if specification.version < 11 {
        bounds = Clip {
            low: specification.float("min")?,
            high: specification.float("max")?,
        };
    }
    Ok(Box::new(bounds))
}

impl Operator for Clip {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let bound = |position: usize, own: Option<f32>| -> Result<Option<f64>, Failure> {
            match inputs.optional(position) {
                None => Ok(own.map(f64::from)),
                Some(tensor) => match tensor.to_f64()?.as_slice() {
                    [bound] => Ok(Some(*bound)),
                    _ => Err("a bound is not a single number".into()),
                },
            }
        };
        let low = bound(1, self.low)?.unwrap_or(f64::NEG_INFINITY);
        let high = bound(2, self.high)?.unwrap_or(f64::INFINITY);
        let clipped = |value: f64| {
            let value = if value < low { low } else { value };
            if value > high { high } else { value }
        };
        let values = match input.values() {
            Values::Float32(values) => Values::Float32(
                values
                    .iter()
                    .map(|&value| clipped(value.into()) as f32)
                    .collect(),
            ),
            Values::Float64(values) => {
                Values::Float64(values.iter().map(|&value| clipped(value)).collect())
            }
            Values::Int64(values) => Values::Int64(
                values
                    .iter()
                    .map(|&value| value.max(low as i64).min(high as i64))
                    .collect(),
            ),
            other => return Err(format!("cannot clip {}", other.element_type()).into()),
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

#[derive(Debug)]
struct Cast {
    to: ElementType,
}

pub(super) fn cast(specification: &mut Specification<'_>) -> Built {
    // How to round to eight-bit floats, which are refused anyway.
    specification.ignore("saturate");
    specification.ignore("round_mode");
    let to = specification
        .integer("to")?
        .ok_or("attribute `to` is missing")?;
    Ok(Box::new(Cast {
        to: ElementType::from_onnx(to)?,
    }))
}

impl Operator for Cast {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let values = match input.values() {
            same if same.element_type() == self.to => same.clone(),
            Values::Float32(values) => numbers(values, self.to, f64::from, |value| value as i64)?,
            Values::Float64(values) => {
                numbers(values, self.to, |value| value, |value| value as i64)?
            }
            Values::Int64(values) => numbers(values, self.to, |value| value as f64, |value| value)?,
            Values::Int32(values) => numbers(values, self.to, f64::from, i64::from)?,
            Values::Bool(values) => {
                numbers(values, self.to, |value| u8::from(value).into(), i64::from)?
            }
            Values::String(values) => parsed(values, self.to)?,
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

fn numbers<T: Copy + std::fmt::Display>(
    values: &[T],
    to: ElementType,
    float: impl Fn(T) -> f64,
    integer: impl Fn(T) -> i64,
) -> Result<Values, Failure> {
    let values = values.iter().copied();
    Ok(match to {
        ElementType::Float32 => Values::Float32(values.map(|value| float(value) as f32).collect()),
        ElementType::Float64 => Values::Float64(values.map(float).collect()),
        ElementType::Int64 => Values::Int64(values.map(integer).collect()),
        ElementType::Int32 => Values::Int32(values.map(|value| integer(value) as i32).collect()),
        ElementType::Bool => Values::Bool(values.map(|value| float(value) != 0.0).collect()),
        ElementType::String => Values::String(values.map(|value| value.to_string()).collect()),
    })
}

fn parsed(values: &[String], to: ElementType) -> Result<Values, Failure> {
    fn all<T: std::str::FromStr>(values: &[String]) -> Result<Vec<T>, Failure> {
        values
            .iter()
            .map(|text| {
                text.trim().parse().map_err(|_| {
                    Failure::from(format!("`{}` is not a number of that type", shown(text)))
                })
            })
            .collect()
    }
    Ok(match to {
        ElementType::Float32 => Values::Float32(all(values)?),
        ElementType::Float64 => Values::Float64(all(values)?),
        ElementType::Int64 => Values::Int64(all(values)?),
        ElementType::Int32 => Values::Int32(all(values)?),
        ElementType::Bool | ElementType::String => {
            let feature = format!("a cast from string to {to}");
            return Err(ModelError::UnsupportedFeature { feature }.into());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `scipy.special.erf` (`SciPy` 1.17).
    #[test]
    fn the_error_function_is_exact_to_fourteen_digits() {
        let table = [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.4, 0.999_311_486_103_354_9),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (7.0, 1.0),
        ];
        for (value, expected) in table {
            assert!(
                (error_function(value) - expected).abs() < 1e-14,
                "erf({value})"
            );
            assert_eq!(error_function(-value), -error_function(value));
        }
        assert!(error_function(f64::NAN).is_nan());
        assert_eq!(error_function(f64::INFINITY), 1.0);
    }
}
