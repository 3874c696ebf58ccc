//! Golden samples: answers of the model's maker that a runtime must reproduce before the version
//! may see traffic.

use serde::Deserialize;

use crate::{
    error::ServingError,
    inference_protocol::{JsonTensor, parse_tensor},
    runtime::RunnableModel,
    tensor::{NamedTensor, TensorData},
};

/// How far a probability may be from the maker's. Float32 exports of tree ensembles differ from
/// scikit-learn's float64 by up to 2e-6 (reference: serving measurements of 30 models).
const TOLERANCE: f64 = 1e-5;

/// Inputs, and what the model's maker answers for them.
///
/// The file is JSON with two lists in the form of the Open Inference Protocol:
/// `{"inputs": [{name, shape, datatype, data}], "outputs": [{name, shape, datatype, data}]}`.
#[derive(Debug, Clone)]
pub struct GoldenSample {
    inputs: Vec<NamedTensor>,
    outputs: Vec<NamedTensor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GoldenFile {
    inputs: Vec<JsonTensor>,
    outputs: Vec<JsonTensor>,
}

impl GoldenSample {
    /// Reads the file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServingError> {
        let format = |message: String| ServingError::GoldenFormat { message };
        let file: GoldenFile =
            serde_json::from_slice(bytes).map_err(|error| format(error.to_string()))?;
        let tensors = |list: Vec<JsonTensor>| {
            list.into_iter()
                .map(|tensor| parse_tensor(tensor).map_err(|error| format(error.to_string())))
                .collect::<Result<Vec<_>, _>>()
        };
        let golden = Self {
            inputs: tensors(file.inputs)?,
            outputs: tensors(file.outputs)?,
        };
        let rows = golden.inputs.first().map_or(0, |input| input.tensor.rows());
        if rows == 0 || golden.outputs.is_empty() {
            return Err(format(
                "it needs at least one row and one output".to_owned(),
            ));
        }
        Ok(golden)
    }

    /// Runs the sample and describes the first difference.
    pub fn check(&self, model: &dyn RunnableModel) -> Result<(), String> {
        let answers = model
            .run(&self.inputs)
            .map_err(|error| format!("the model fails: {error}"))?;
        for expected in &self.outputs {
            let Some(answer) = answers.iter().find(|answer| answer.name == expected.name) else {
                return Err(format!("the model has no output `{}`", expected.name));
            };
            if answer.tensor.shape != expected.tensor.shape {
                return Err(format!(
                    "output `{}` has shape {:?}, expected {:?}",
                    expected.name, answer.tensor.shape, expected.tensor.shape
                ));
            }
            let width = expected.tensor.width().max(1);
            for index in 0..expected.tensor.data.len() {
                if !same(&answer.tensor.data, &expected.tensor.data, index) {
                    return Err(format!(
                        "output `{}`, row {}: answers {}, expected {}",
                        expected.name,
                        index / width,
                        shown(&answer.tensor.data, index),
                        shown(&expected.tensor.data, index)
                    ));
                }
            }
        }
        Ok(())
    }
}

fn same(answer: &TensorData, expected: &TensorData, index: usize) -> bool {
    match (answer.number(index), expected.number(index)) {
        (Some(answer), Some(expected)) => {
            (answer.is_nan() && expected.is_nan())
                || (answer - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
        }
        (None, None) => answer.text(index) == expected.text(index),
        _ => false,
    }
}

fn shown(data: &TensorData, index: usize) -> String {
    data.number(index)
        .map(|number| number.to_string())
        .or_else(|| data.text(index).map(|text| format!("`{text}`")))
        .unwrap_or_else(|| "nothing".to_owned())
}
