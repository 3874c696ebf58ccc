//! Messages of the Open Inference Protocol v2 in their JSON form, as values.
//!
//! Source: the protocol's REST specification. `data` may be nested or flat, row-major; numbers are
//! checked against the declared type instead of being bent into it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::{
    error::ServingError,
    tensor::{DataType, NamedTensor, Tensor, TensorData},
};

/// Elements that one request may hold.
const MAXIMUM_ELEMENTS: usize = 1_000_000;

/// Levels of nesting that `data` may have.
const MAXIMUM_DEPTH: usize = 8;

/// `POST v2/models/NAME/infer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InferRequest {
    /// The caller's identifier of the request; the key by which labels come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Free parameters of the request.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// The inputs by name.
    pub inputs: Vec<JsonTensor>,
    /// The outputs that are wanted; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<RequestedOutput>,
}

/// An output that is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestedOutput {
    /// The output's name.
    pub name: String,
    /// Free parameters of the output.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
}

/// A tensor in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsonTensor {
    /// The input's or output's name.
    pub name: String,
    /// The shape, rows first.
    pub shape: Vec<usize>,
    /// The element type.
    pub datatype: DataType,
    /// Free parameters of the tensor.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parameters: Map<String, Value>,
    /// The elements, nested or flat.
    pub data: Value,
}

/// The answer to an [`InferRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InferResponse {
    /// The model's name.
    pub model_name: String,
    /// The version that answered.
    pub model_version: String,
    /// The request's identifier, given or made.
    pub id: String,
    /// The outputs.
    pub outputs: Vec<JsonTensor>,
}

/// Reads a tensor: shape and elements must agree and fit the element type.
pub fn parse_tensor(tensor: JsonTensor) -> Result<NamedTensor, ServingError> {
    let JsonTensor {
        name,
        shape,
        datatype,
        parameters: _,
        data,
    } = tensor;
    let bad = |message: String| ServingError::bad_request(format!("input `{name}`: {message}"));
    let expected = shape
        .iter()
        .try_fold(1_usize, |product, &length| product.checked_mul(length))
        .filter(|&product| product <= MAXIMUM_ELEMENTS)
        .ok_or_else(|| {
            bad(format!(
                "shape {shape:?} is over {MAXIMUM_ELEMENTS} elements"
            ))
        })?;
    let mut flat = Vec::with_capacity(expected);
    flatten(data, &mut flat, 0).map_err(&bad)?;
    if flat.len() != expected {
        return Err(bad(format!(
            "shape {shape:?} holds {expected} elements, `data` has {}",
            flat.len()
        )));
    }
    let data = elements(datatype, flat).map_err(&bad)?;
    Ok(NamedTensor {
        datatype,
        tensor: Tensor { shape, data },
        name,
    })
}

/// Writes a tensor with flat data. Numbers that JSON cannot hold (NaN, ±∞) become null.
pub fn write_tensor(tensor: &NamedTensor) -> JsonTensor {
    let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
    let data = match &tensor.tensor.data {
        TensorData::Bool(values) => values.iter().map(|&value| Value::Bool(value)).collect(),
        TensorData::Integer(values) => values.iter().map(|&value| Value::from(value)).collect(),
        TensorData::Float32(values) => values.iter().map(|&value| shortest(value)).collect(),
        TensorData::Float64(values) => values.iter().map(|&value| float(value)).collect(),
        TensorData::Text(values) => values
            .iter()
            .map(|value| Value::String(value.clone()))
            .collect(),
    };
    JsonTensor {
        name: tensor.name.clone(),
        shape: tensor.tensor.shape.clone(),
        datatype: tensor.datatype,
        parameters: Map::new(),
        data: Value::Array(data),
    }
}

/// The shortest decimal that reads back as the same float32, instead of its float64 expansion.
fn shortest(value: f32) -> Value {
    value
        .to_string()
        .parse()
        .ok()
        .and_then(Number::from_f64)
        .map_or(Value::Null, Value::Number)
}

fn flatten(value: Value, into: &mut Vec<Value>, depth: usize) -> Result<(), String> {
    match value {
        Value::Array(values) => {
            if depth == MAXIMUM_DEPTH {
                return Err(format!("`data` is nested more than {MAXIMUM_DEPTH} deep"));
            }
            values
                .into_iter()
                .try_for_each(|value| flatten(value, into, depth + 1))
        }
        Value::Object(_) => Err("`data` holds an object".to_owned()),
        _ if depth == 0 => Err("`data` is not a list".to_owned()),
        value => {
            if into.len() == MAXIMUM_ELEMENTS {
                return Err(format!("`data` has more than {MAXIMUM_ELEMENTS} elements"));
            }
            into.push(value);
            Ok(())
        }
    }
}

fn elements(datatype: DataType, values: Vec<Value>) -> Result<TensorData, String> {
    let wrong = |index: usize, value: &Value| {
        format!(
            "element {index} is {}, not {}",
            kind(value),
            datatype.name()
        )
    };
    macro_rules! collect {
        ($read:expr) => {
            values
                .into_iter()
                .enumerate()
                .map(|(index, value)| $read(&value).ok_or_else(|| wrong(index, &value)))
                .collect::<Result<Vec<_>, String>>()?
        };
    }
    Ok(match datatype {
        DataType::Bool => TensorData::Bool(collect!(Value::as_bool)),
        // A missing measurement is null in JSON and NaN to a model.
        DataType::Fp32 => TensorData::Float32(collect!(|value: &Value| match value {
            Value::Null => Some(f32::NAN),
            value => value
                .as_f64()
                .map(|number| number as f32)
                .filter(|number| number.is_finite()),
        })),
        DataType::Fp64 => TensorData::Float64(collect!(|value: &Value| match value {
            Value::Null => Some(f64::NAN),
            value => value.as_f64(),
        })),
        DataType::Bytes => {
            TensorData::Text(collect!(|value: &Value| value.as_str().map(str::to_owned)))
        }
        integer => {
            let range = integer_range(integer);
            TensorData::Integer(collect!(|value: &Value| value
                .as_i64()
                .filter(|number| range.contains(number))))
        }
    })
}

fn integer_range(datatype: DataType) -> std::ops::RangeInclusive<i64> {
    match datatype {
        DataType::Uint8 => 0..=i64::from(u8::MAX),
        DataType::Uint16 => 0..=i64::from(u16::MAX),
        DataType::Uint32 => 0..=i64::from(u32::MAX),
        DataType::Uint64 => 0..=i64::MAX,
        DataType::Int8 => i64::from(i8::MIN)..=i64::from(i8::MAX),
        DataType::Int16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        DataType::Int32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number out of range or of another kind",
        Value::String(_) => "text",
        Value::Array(_) | Value::Object(_) => "nested",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tensor(shape: &[usize], datatype: DataType, data: Value) -> JsonTensor {
        JsonTensor {
            name: "X".to_owned(),
            shape: shape.to_vec(),
            datatype,
            parameters: Map::new(),
            data,
        }
    }

    fn refusal(tensor: JsonTensor) -> String {
        parse_tensor(tensor).unwrap_err().to_string()
    }

    #[test]
    fn nested_and_flat_data_are_the_same_tensor() {
        let nested = tensor(&[2, 2], DataType::Fp32, json!([[1.5, 2], [3, null]]));
        let flat = tensor(&[2, 2], DataType::Fp32, json!([1.5, 2, 3, null]));
        let (nested, flat) = (parse_tensor(nested).unwrap(), parse_tensor(flat).unwrap());
        assert_eq!(format!("{nested:?}"), format!("{flat:?}"));
        assert_eq!(nested.tensor.data.number(1), Some(2.0));
        assert!(nested.tensor.data.number(3).unwrap().is_nan());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(
            refusal(tensor(&[1, 3], DataType::Fp32, json!([1, 2]))),
            "input `X`: shape [1, 3] holds 3 elements, `data` has 2"
        );
        assert_eq!(
            refusal(tensor(&[2], DataType::Int64, json!([1, "two"]))),
            "input `X`: element 1 is text, not INT64"
        );
        assert_eq!(
            refusal(tensor(&[1], DataType::Uint8, json!([256]))),
            "input `X`: element 0 is a number out of range or of another kind, not UINT8"
        );
        assert_eq!(
            refusal(tensor(&[1], DataType::Fp32, json!([1e39]))),
            "input `X`: element 0 is a number out of range or of another kind, not FP32"
        );
        assert_eq!(
            refusal(tensor(&[1], DataType::Fp32, json!(1))),
            "input `X`: `data` is not a list"
        );
        assert!(refusal(tensor(&[usize::MAX, 2], DataType::Fp32, json!([]))).contains("over"));
        let deep = (0..20).fold(json!(1), |inner, _| json!([inner]));
        assert!(refusal(tensor(&[1], DataType::Fp32, deep)).contains("nested more than"));
    }

    proptest! {
        #[test]
        fn writing_then_reading_gives_the_same_tensor(values in prop::collection::vec(-1e30_f32..1e30, 1..40)) {
            let original = NamedTensor {
                name: "X".to_owned(),
                datatype: DataType::Fp32,
                tensor: Tensor { shape: vec![values.len(), 1], data: TensorData::Float32(values) },
            };
            prop_assert_eq!(parse_tensor(write_tensor(&original)).unwrap(), original);
        }
    }
}
