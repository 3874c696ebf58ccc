//! ONNX files of classical models, run by ketch's own evaluator.

use ketch_onnx_ml::{ElementType, Limits, Model, ModelError, Tensor as OnnxTensor, Values};

use super::{RunnableModel, Runtime, RuntimeError};
use crate::tensor::{DataType, NamedTensor, Signature, Tensor, TensorData, TensorSpec};

/// The evaluator of crate `onnx-ml`.
#[derive(Debug)]
pub(super) struct OnnxMl;

#[derive(Debug)]
struct OnnxMlModel {
    model: Model,
    signature: Signature,
}

impl Runtime for OnnxMl {
    fn name(&self) -> &'static str {
        "onnx-ml"
    }

    fn recognises(&self, bytes: &[u8]) -> bool {
        // A ModelProto begins with its first field, the IR version: tag 1, a varint.
        bytes.first() == Some(&0x08)
    }

    fn load(&self, bytes: &[u8]) -> Result<Box<dyn RunnableModel>, RuntimeError> {
        let model =
            Model::from_bytes(bytes, &Limits::default()).map_err(|error| described(&error))?;
        let specs = |infos: &[ketch_onnx_ml::ValueInfo]| {
            infos
                .iter()
                .map(|info| {
                    Ok(TensorSpec {
                        name: info.name.clone(),
                        datatype: data_type(info.element_type)?,
                        shape: info
                            .shape
                            .iter()
                            .map(|length| length.map_or(-1, |length| length as i64))
                            .collect(),
                    })
                })
                .collect::<Result<Vec<_>, RuntimeError>>()
        };
        let signature = Signature {
            inputs: specs(model.inputs())?,
            outputs: specs(model.outputs())?,
        };
        Ok(Box::new(OnnxMlModel { model, signature }))
    }
}

impl RunnableModel for OnnxMlModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, RuntimeError> {
        let converted = inputs
            .iter()
            .map(|input| {
                let spec = self
                    .signature
                    .inputs
                    .iter()
                    .find(|spec| spec.name == input.name);
                let Some(spec) = spec else {
                    let known: Vec<_> = self
                        .signature
                        .inputs
                        .iter()
                        .map(|spec| spec.name.as_str())
                        .collect();
                    return Err(RuntimeError::Input {
                        message: format!(
                            "the model has no input `{}`; it takes: {}",
                            input.name,
                            known.join(", ")
                        ),
                    });
                };
                Ok((input.name.as_str(), to_onnx(input, spec.datatype)?))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let answers = self
            .model
            .run(&converted)
            .map_err(|error| RuntimeError::Input {
                message: described(&error).to_string(),
            })?;
        answers
            .into_iter()
            .map(|(name, tensor)| from_onnx(name, tensor))
            .collect()
    }
}

/// The error with its chain of causes, since the protocol has room for one line.
fn described(error: &ModelError) -> RuntimeError {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    RuntimeError::Model { message }
}

fn data_type(element: ElementType) -> Result<DataType, RuntimeError> {
    Ok(match element {
        ElementType::Float32 => DataType::Fp32,
        ElementType::Float64 => DataType::Fp64,
        ElementType::Int64 => DataType::Int64,
        ElementType::Int32 => DataType::Int32,
        ElementType::Bool => DataType::Bool,
        ElementType::String => DataType::Bytes,
        other => {
            return Err(RuntimeError::Model {
                message: format!("element type {other} has no name in the protocol"),
            });
        }
    })
}

/// Converts to what the model declares; only widening conversions are made.
fn to_onnx(input: &NamedTensor, wanted: DataType) -> Result<OnnxTensor, RuntimeError> {
    let shape = &input.tensor.shape;
    let tensor = match (&input.tensor.data, wanted) {
        (TensorData::Float32(values), DataType::Fp32) => {
            OnnxTensor::from_f32(shape, values.clone())
        }
        (TensorData::Float64(values), DataType::Fp64) => {
            OnnxTensor::from_f64(shape, values.clone())
        }
        // Clients that only know float64 (JSON from JavaScript or R) are common.
        (TensorData::Float64(values), DataType::Fp32) => {
            OnnxTensor::from_f32(shape, values.iter().map(|&value| value as f32).collect())
        }
        (TensorData::Float32(values), DataType::Fp64) => OnnxTensor::from_f64(
            shape,
            values.iter().map(|&value| f64::from(value)).collect(),
        ),
        (TensorData::Integer(values), DataType::Fp32) => {
            OnnxTensor::from_f32(shape, values.iter().map(|&value| value as f32).collect())
        }
        (TensorData::Integer(values), DataType::Fp64) => {
            OnnxTensor::from_f64(shape, values.iter().map(|&value| value as f64).collect())
        }
        (TensorData::Integer(values), DataType::Int64) => {
            OnnxTensor::from_i64(shape, values.clone())
        }
        (TensorData::Integer(values), DataType::Int32) => {
            let narrow = values
                .iter()
                .map(|&value| i32::try_from(value))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| RuntimeError::Input {
                    message: format!("input `{}`: a value does not fit INT32", input.name),
                })?;
            OnnxTensor::from_i32(shape, narrow)
        }
        (TensorData::Bool(values), DataType::Bool) => OnnxTensor::from_bool(shape, values.clone()),
        (TensorData::Text(values), DataType::Bytes) => {
            OnnxTensor::from_strings(shape, values.clone())
        }
        _ => {
            return Err(RuntimeError::Input {
                message: format!(
                    "input `{}` is {}, the model takes {}",
                    input.name,
                    input.datatype.name(),
                    wanted.name()
                ),
            });
        }
    };
    tensor.map_err(|error| RuntimeError::Input {
        message: described(&error).to_string(),
    })
}

fn from_onnx(name: String, tensor: OnnxTensor) -> Result<NamedTensor, RuntimeError> {
    let shape = tensor.shape().to_vec();
    let datatype = data_type(tensor.element_type())?;
    let data = match tensor.into_values() {
        Values::Float32(values) => TensorData::Float32(values),
        Values::Float64(values) => TensorData::Float64(values),
        Values::Int64(values) => TensorData::Integer(values),
        Values::Int32(values) => TensorData::Integer(values.into_iter().map(i64::from).collect()),
        Values::Bool(values) => TensorData::Bool(values),
        Values::String(values) => TensorData::Text(values),
        _ => {
            return Err(RuntimeError::Model {
                message: format!("output `{name}` has no form in the protocol"),
            });
        }
    };
    Ok(NamedTensor {
        name,
        datatype,
        tensor: Tensor { shape, data },
    })
}
