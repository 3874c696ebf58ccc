//! Tensors and signatures in the words of the Open Inference Protocol, free of any runtime.

use serde::{Deserialize, Serialize};

/// Element types of the Open Inference Protocol that a runtime here can take or give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum DataType {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp32,
    Fp64,
    Bytes,
}

impl DataType {
    /// The protocol's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Whether values of the type are whole numbers.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::Bool | Self::Fp32 | Self::Fp64 | Self::Bytes)
    }
}

/// Values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// `BOOL`.
    Bool(Vec<bool>),
    /// Every whole-number type; the data type of the specification keeps the width.
    Integer(Vec<i64>),
    /// `FP32`.
    Float32(Vec<f32>),
    /// `FP64`.
    Float64(Vec<f64>),
    /// `BYTES`, which must be UTF-8 here.
    Text(Vec<String>),
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Float32(values) => values.len(),
            Self::Float64(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element as a number; `None` for text or an index beyond the end.
    pub fn number(&self, index: usize) -> Option<f64> {
        match self {
            Self::Bool(values) => values.get(index).map(|&value| f64::from(u8::from(value))),
            Self::Integer(values) => values.get(index).map(|&value| value as f64),
            Self::Float32(values) => values.get(index).map(|&value| f64::from(value)),
            Self::Float64(values) => values.get(index).copied(),
            Self::Text(_) => None,
        }
    }

    /// The element as text; `None` for anything but text.
    pub fn text(&self, index: usize) -> Option<&str> {
        match self {
            Self::Text(values) => values.get(index).map(String::as_str),
            _ => None,
        }
    }
}

/// A shape and the values that fill it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Rows first.
    pub shape: Vec<usize>,
    /// Row-major values; as many as the shape's product.
    pub data: TensorData,
}

impl Tensor {
    /// Number of rows: the first dimension, or one for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements in a row: the product of the other dimensions.
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
}

/// A tensor with the name by which the model knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// The input's or output's name.
    pub name: String,
    /// The element type, with its width.
    pub datatype: DataType,
    /// The values.
    pub tensor: Tensor,
}

/// An input or output as the model declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// The name.
    pub name: String,
    /// The element type.
    pub datatype: DataType,
    /// The shape; −1 where any length is taken.
    pub shape: Vec<i64>,
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Inputs in the model's order.
    pub inputs: Vec<TensorSpec>,
    /// Outputs in the model's order.
    pub outputs: Vec<TensorSpec>,
}
