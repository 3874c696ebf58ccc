//! Operators that treat each column by itself: `Scaler`, `Imputer`, `Binarizer`, and
//! `Normalizer`, which treats each row.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};

/// A list with one value for all columns or one for each.
fn per_column<T>(list: &[T], width: usize, what: &str) -> Result<(), Failure> {
    if list.len() == 1 || list.len() == width {
        return Ok(());
    }
    Err(format!("{} {what} for {width} columns", list.len()).into())
}

#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn scaler(specification: &mut Specification<'_>) -> Built {
    let offset = specification.floats("offset")?.unwrap_or_default();
    let scale = specification.floats("scale")?.unwrap_or_default();
    // What is left out changes nothing.
    Ok(Box::new(Scaler {
        offset: if offset.is_empty() { vec![0.0] } else { offset },
        scale: if scale.is_empty() { vec![1.0] } else { scale },
    }))
}

impl Operator for Scaler {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let (_, width) = input.rows_and_width()?;
        per_column(&self.offset, width, "offsets")?;
        per_column(&self.scale, width, "scales")?;
        budget.allocate(input.shape())?;
        let columns = self
            .offset
            .iter()
            .cycle()
            .zip(self.scale.iter().cycle())
            .take(width);
        let scaled = match input.values() {
            Values::Float32(values) => values
                .iter()
                .zip(columns.cycle())
                .map(|(&value, (&offset, &scale))| (value - offset) * scale)
                .collect(),
            _ => input
                .to_f64()?
                .into_iter()
                .zip(columns.cycle())
                .map(|(value, (&offset, &scale))| {
                    ((value - f64::from(offset)) * f64::from(scale)) as f32
                })
                .collect(),
        };
        Ok(vec![Tensor::from_f32(input.shape(), scaled)?])
    }
}

/// What stands for "missing" and what replaces it.
#[derive(Debug)]
enum Imputer {
    Floats { missing: f32, imputed: Vec<f32> },
    Integers { missing: i64, imputed: Vec<i64> },
}

pub(super) fn imputer(specification: &mut Specification<'_>) -> Built {
    let floats = specification
        .floats("imputed_value_floats")?
        .unwrap_or_default();
    let integers = specification
        .integers("imputed_value_int64s")?
        .unwrap_or_default();
    let missing_float = specification.float("replaced_value_float")?.unwrap_or(0.0);
    let missing_integer = specification.integer("replaced_value_int64")?.unwrap_or(0);
    Ok(Box::new(match (floats.is_empty(), integers.is_empty()) {
        (false, true) => Imputer::Floats {
            missing: missing_float,
            imputed: floats,
        },
        (true, false) => Imputer::Integers {
            missing: missing_integer,
            imputed: integers,
        },
        _ => return Err("needs imputed values of one type".into()),
    }))
}

impl Operator for Imputer {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let (_, width) = input.rows_and_width()?;
        budget.allocate(input.shape())?;
        let values = match (self, input.values()) {
            (Self::Floats { missing, imputed }, Values::Float32(values)) => {
                let is_missing =
                    |value: f32| value == *missing || value.is_nan() && missing.is_nan();
                Values::Float32(replaced(values, width, imputed, is_missing)?)
            }
            (Self::Floats { missing, imputed }, Values::Float64(values)) => {
                let imputed: Vec<_> = imputed.iter().map(|&value| f64::from(value)).collect();
                let is_missing =
                    |value: f64| value == f64::from(*missing) || value.is_nan() && missing.is_nan();
                Values::Float64(replaced(values, width, &imputed, is_missing)?)
            }
            (Self::Integers { missing, imputed }, Values::Int64(values)) => {
                Values::Int64(replaced(values, width, imputed, |value| value == *missing)?)
            }
            (_, other) => {
                return Err(format!("cannot impute {} values", other.element_type()).into());
            }
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

fn replaced<T: Copy>(
    values: &[T],
    width: usize,
    imputed: &[T],
    is_missing: impl Fn(T) -> bool,
) -> Result<Vec<T>, Failure> {
    per_column(imputed, width, "imputed values")?;
    let columns = imputed.iter().cycle().take(width).cycle();
    let replace = |(&value, &imputed): (&T, &T)| if is_missing(value) { imputed } else { value };
    Ok(values.iter().zip(columns).map(replace).collect())
}

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

pub(super) fn binarizer(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(Binarizer {
        threshold: specification.float("threshold")?.unwrap_or(0.0),
    }))
}

impl Operator for Binarizer {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let values = match input.values() {
            Values::Float32(values) => Values::Float32(
                values
                    .iter()
                    .map(|&value| f32::from(u8::from(value > self.threshold)))
                    .collect(),
            ),
            Values::Float64(values) => {
                let threshold = f64::from(self.threshold);
                Values::Float64(
                    values
                        .iter()
                        .map(|&value| f64::from(u8::from(value > threshold)))
                        .collect(),
                )
            }
            other => return Err(format!("cannot binarize {}", other.element_type()).into()),
        };
        Ok(vec![Tensor::new(input.shape(), values)?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Normalizer {
    Largest,
    L1,
    L2,
}

pub(super) fn normalizer(specification: &mut Specification<'_>) -> Built {
    Ok(Box::new(match specification.text("norm")? {
        None | Some("MAX") => Normalizer::Largest,
        Some("L1") => Normalizer::L1,
        Some("L2") => Normalizer::L2,
        Some(_) => return Err("attribute `norm` has an unknown value".into()),
    }))
}

impl Operator for Normalizer {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let (_, width) = input.rows_and_width()?;
        let count = budget.allocate(input.shape())?;
        let mut normalized = Vec::with_capacity(count);
        for row in input.to_f64()?.chunks_exact(width.max(1)) {
            let norm = match self {
                Self::Largest => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Self::L1 => row.iter().map(|value| value.abs()).sum(),
                Self::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
            };
            // A row of zeros stays one.
            let norm = if norm == 0.0 { 1.0 } else { norm };
            normalized.extend(row.iter().map(|value| (value / norm) as f32));
        }
        Ok(vec![Tensor::from_f32(input.shape(), normalized)?])
    }
}
