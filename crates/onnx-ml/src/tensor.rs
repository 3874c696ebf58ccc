//! Typed, shaped arrays in row-major order.

use std::fmt;

use crate::error::{Failure, ModelError, shown_shape};
use crate::limits::checked_product;

/// The element types the evaluator computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// 32-bit floating point, ONNX `FLOAT`.
    Float32,
    /// 64-bit floating point, ONNX `DOUBLE`.
    Float64,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit signed integer.
    Int32,
    /// Truth value.
    Bool,
    /// UTF-8 text.
    String,
}

impl ElementType {
    /// The type for a number of ONNX's `TensorProto.DataType`.
    pub(crate) fn from_onnx(number: i64) -> Result<Self, ModelError> {
        Ok(match number {
            1 => Self::Float32,
            6 => Self::Int32,
            7 => Self::Int64,
            8 => Self::String,
            9 => Self::Bool,
            11 => Self::Float64,
            other => {
                let name = match other {
                    0 => "undefined",
                    2 => "uint8",
                    3 => "int8",
                    4 => "uint16",
                    5 => "int16",
                    10 => "float16",
                    12 => "uint32",
                    13 => "uint64",
                    14 | 15 => "complex",
                    16 => "bfloat16",
                    _ => "of a newer kind",
                };
                return Err(ModelError::UnsupportedFeature {
                    feature: format!("element type `{name}` ({other})"),
                });
            }
        })
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int64 => "int64",
            Self::Int32 => "int32",
            Self::Bool => "bool",
            Self::String => "string",
        })
    }
}

/// The elements of a [`Tensor`], in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// See [`ElementType::Float32`].
    Float32(Vec<f32>),
    /// See [`ElementType::Float64`].
    Float64(Vec<f64>),
    /// See [`ElementType::Int64`].
    Int64(Vec<i64>),
    /// See [`ElementType::Int32`].
    Int32(Vec<i32>),
    /// See [`ElementType::Bool`].
    Bool(Vec<bool>),
    /// See [`ElementType::String`].
    String(Vec<String>),
}

/// Runs the same code for the vector of whichever type a [`Values`] holds.
macro_rules! each_type {
    ($values:expr, $vector:ident => $code:expr) => {
        match $values {
            $crate::tensor::Values::Float32($vector) => $code,
            $crate::tensor::Values::Float64($vector) => $code,
            $crate::tensor::Values::Int64($vector) => $code,
            $crate::tensor::Values::Int32($vector) => $code,
            $crate::tensor::Values::Bool($vector) => $code,
            $crate::tensor::Values::String($vector) => $code,
        }
    };
}
/// Like [`each_type`], and wraps the result in the same type again.
macro_rules! map_type {
    ($values:expr, $vector:ident => $code:expr) => {
        match $values {
            $crate::tensor::Values::Float32($vector) => $crate::tensor::Values::Float32($code),
            $crate::tensor::Values::Float64($vector) => $crate::tensor::Values::Float64($code),
            $crate::tensor::Values::Int64($vector) => $crate::tensor::Values::Int64($code),
            $crate::tensor::Values::Int32($vector) => $crate::tensor::Values::Int32($code),
            $crate::tensor::Values::Bool($vector) => $crate::tensor::Values::Bool($code),
            $crate::tensor::Values::String($vector) => $crate::tensor::Values::String($code),
        }
    };
}
pub(crate) use {each_type, map_type};

impl Values {
    /// The number of elements.
    pub fn len(&self) -> usize {
        each_type!(self, vector => vector.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn element_type(&self) -> ElementType {
        match self {
            Self::Float32(_) => ElementType::Float32,
            Self::Float64(_) => ElementType::Float64,
            Self::Int64(_) => ElementType::Int64,
            Self::Int32(_) => ElementType::Int32,
            Self::Bool(_) => ElementType::Bool,
            Self::String(_) => ElementType::String,
        }
    }
}

/// A shaped array; the last dimension varies fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

impl Tensor {
    /// A tensor of `values` with `shape`; the product of the dimensions must be their number.
    pub fn new(shape: &[usize], values: Values) -> Result<Self, ModelError> {
        if checked_product(shape) != Some(values.len()) {
            return Err(ModelError::TensorShape {
                shape: shown_shape(shape),
                values: values.len(),
            });
        }
        Ok(Self {
            shape: shape.to_vec(),
            values,
        })
    }

    /// A `float32` tensor; see [`Tensor::new`].
    pub fn from_f32(shape: &[usize], values: Vec<f32>) -> Result<Self, ModelError> {
        Self::new(shape, Values::Float32(values))
    }

    /// A `float64` tensor; see [`Tensor::new`].
    pub fn from_f64(shape: &[usize], values: Vec<f64>) -> Result<Self, ModelError> {
        Self::new(shape, Values::Float64(values))
    }

    /// An `int64` tensor; see [`Tensor::new`].
    pub fn from_i64(shape: &[usize], values: Vec<i64>) -> Result<Self, ModelError> {
        Self::new(shape, Values::Int64(values))
    }

    /// An `int32` tensor; see [`Tensor::new`].
    pub fn from_i32(shape: &[usize], values: Vec<i32>) -> Result<Self, ModelError> {
        Self::new(shape, Values::Int32(values))
    }

    /// A `bool` tensor; see [`Tensor::new`].
    pub fn from_bool(shape: &[usize], values: Vec<bool>) -> Result<Self, ModelError> {
        Self::new(shape, Values::Bool(values))
    }

    /// A `string` tensor; see [`Tensor::new`].
    pub fn from_strings(shape: &[usize], values: Vec<String>) -> Result<Self, ModelError> {
        Self::new(shape, Values::String(values))
    }

    /// The sizes of the dimensions; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements.
    pub fn element_type(&self) -> ElementType {
        self.values.element_type()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The elements in row-major order, without a copy.
    pub fn into_values(self) -> Values {
        self.values
    }

    /// The elements when they are `float32`.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Values::Float32(values) = &self.values {
            Some(values)
        } else {
            None
        }
    }

    /// The elements when they are `float64`.
    pub fn as_f64(&self) -> Option<&[f64]> {
        if let Values::Float64(values) = &self.values {
            Some(values)
        } else {
            None
        }
    }

    /// The elements when they are `int64`.
    pub fn as_i64(&self) -> Option<&[i64]> {
        if let Values::Int64(values) = &self.values {
            Some(values)
        } else {
            None
        }
    }

    /// The elements when they are `bool`.
    pub fn as_bool(&self) -> Option<&[bool]> {
        if let Values::Bool(values) = &self.values {
            Some(values)
        } else {
            None
        }
    }

    /// The elements when they are strings.
    pub fn as_strings(&self) -> Option<&[String]> {
        if let Values::String(values) = &self.values {
            Some(values)
        } else {
            None
        }
    }

    /// The same elements with another shape of the same size.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Result<Self, Failure> {
        Ok(Self::new(shape, self.values.clone())?)
    }

    /// Rows and columns: all but the last dimension together, and the last one.
    pub(crate) fn rows_and_width(&self) -> Result<(usize, usize), Failure> {
        match self.shape.as_slice() {
            [] => Ok((1, 1)),
            [width] => Ok((1, *width)),
            [rows @ .., width] => {
                let rows = checked_product(rows).ok_or("the shape is too large")?;
                Ok((rows, *width))
            }
        }
    }

    /// All elements as `f64`; an error for text.
    pub(crate) fn to_f64(&self) -> Result<Vec<f64>, Failure> {
        Ok(match &self.values {
            Values::Float32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::Float64(values) => values.clone(),
            Values::Int64(values) => values.iter().map(|&value| value as f64).collect(),
            Values::Int32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Values::Bool(values) => values
                .iter()
                .map(|&value| f64::from(u8::from(value)))
                .collect(),
            Values::String(_) => return Err("needs numbers, not strings".into()),
        })
    }

    /// All elements as integers (axes, shapes, indices); an error for other types.
    pub(crate) fn to_integers(&self) -> Result<Vec<i64>, Failure> {
        match &self.values {
            Values::Int64(values) => Ok(values.clone()),
            Values::Int32(values) => Ok(values.iter().map(|&value| i64::from(value)).collect()),
            other => Err(format!("needs integers, not {}", other.element_type()).into()),
        }
    }
}
