//! Running a version on logged features instead of a request: for gates and comparisons.

use crate::{
    error::ServingError,
    log::{FeatureColumn, FeatureValue},
    model::LoadedModel,
    tensor::{DataType, NamedTensor, Tensor, TensorData, TensorSpec},
};

/// Rows scored at a time.
const BATCH: usize = 1_000;

/// What a version answers for one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredRow {
    /// The predicted class or value.
    pub predicted: Option<f64>,
    /// Probability of the positive class (two classes) or of the predicted one (more).
    pub score: Option<f64>,
}

/// Answers of a version for rows of features, in their order.
///
/// # Errors
/// When the features do not fill the version's inputs, or the model fails.
pub fn score_rows(
    model: &LoadedModel,
    columns: &[FeatureColumn],
    rows: &[&[FeatureValue]],
) -> Result<Vec<ScoredRow>, ServingError> {
    let mut scored = Vec::with_capacity(rows.len());
    for batch in rows.chunks(BATCH) {
        let outputs = model.run(&inputs(model, columns, batch)?)?;
        scored.extend((0..batch.len()).map(|row| ScoredRow {
            predicted: predicted(&outputs, row),
            score: score(&outputs, row),
        }));
    }
    Ok(scored)
}

/// The first output with one value in each row: a classifier's label, a regressor's value.
pub(crate) fn predicted(outputs: &[NamedTensor], row: usize) -> Option<f64> {
    outputs
        .iter()
        .find(|output| output.tensor.width() == 1)?
        .tensor
        .data
        .number(row)
}

/// Probability of the positive class where there are two, else of the likeliest one.
pub(crate) fn score(outputs: &[NamedTensor], row: usize) -> Option<f64> {
    let output = outputs.iter().find(|output| {
        output.tensor.width() > 1
            && matches!(
                output.tensor.data,
                TensorData::Float32(_) | TensorData::Float64(_)
            )
    })?;
    let width = output.tensor.width();
    let of_class = |class: usize| output.tensor.data.number(row * width + class);
    if width == 2 {
        of_class(1)
    } else {
        (0..width).filter_map(of_class).max_by(f64::total_cmp)
    }
}

fn inputs(
    model: &LoadedModel,
    columns: &[FeatureColumn],
    rows: &[&[FeatureValue]],
) -> Result<Vec<NamedTensor>, ServingError> {
    let specs = &model.signature().inputs;
    if let [matrix] = specs.as_slice()
        && matrix.datatype != DataType::Bytes
    {
        let values = rows
            .iter()
            .flat_map(|row| row.iter().map(FeatureValue::number))
            .collect();
        return Ok(vec![numbers(
            matrix,
            vec![rows.len(), columns.len()],
            values,
        )]);
    }
    specs
        .iter()
        .map(|spec| {
            let position = columns.iter().position(|column| column.name == spec.name);
            let position = position.ok_or_else(|| {
                ServingError::bad_request(format!("no feature is called `{}`", spec.name))
            })?;
            let values = rows.iter().filter_map(|row| row.get(position));
            Ok(if spec.datatype == DataType::Bytes {
                let texts = values.map(|value| match value {
                    FeatureValue::Text(text) => text.clone(),
                    FeatureValue::Number(number) => number.to_string(),
                });
                NamedTensor {
                    name: spec.name.clone(),
                    datatype: DataType::Bytes,
                    tensor: Tensor {
                        shape: vec![rows.len(), 1],
                        data: TensorData::Text(texts.collect()),
                    },
                }
            } else {
                let values = values.map(FeatureValue::number).collect();
                numbers(spec, vec![rows.len(), 1], values)
            })
        })
        .collect()
}

fn numbers(spec: &TensorSpec, shape: Vec<usize>, values: Vec<f64>) -> NamedTensor {
    let data = match spec.datatype {
        DataType::Fp32 => TensorData::Float32(values.iter().map(|&value| value as f32).collect()),
        DataType::Bool => TensorData::Bool(values.iter().map(|&value| value != 0.0).collect()),
        datatype if datatype.is_integer() => {
            TensorData::Integer(values.iter().map(|&value| value as i64).collect())
        }
        _ => TensorData::Float64(values),
    };
    NamedTensor {
        name: spec.name.clone(),
        datatype: spec.datatype,
        tensor: Tensor { shape, data },
    }
}
