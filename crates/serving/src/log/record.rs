//! One prediction as it is logged, and its columns.

use jiff::Timestamp;
use ketch_table::{ColumnKind, Schema, Table, TableBuilder, TableError};
use serde::Serialize;

use crate::routing::Variant;

/// Prefix of the columns that hold a model's inputs.
const INPUT_PREFIX: &str = "input.";

/// What the values of a feature are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// Numbers.
    Number,
    /// Categories.
    Text,
}

/// A feature's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeatureColumn {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: FeatureKind,
}

/// A feature's value in one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum FeatureValue {
    /// A number; NaN where the request had null.
    Number(f64),
    /// A category.
    Text(String),
}

impl FeatureValue {
    /// The value as a number; NaN for a category.
    pub fn number(&self) -> f64 {
        match self {
            Self::Number(value) => *value,
            Self::Text(_) => f64::NAN,
        }
    }
}

/// One answered row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictionRecord {
    /// The request's identifier, given by the caller or made by the server.
    pub request_id: String,
    /// The row within the request, from 0.
    pub row: i64,
    /// When it was answered.
    pub answered_at: Timestamp,
    /// Where the row stands in time, by the caller's own measure, when the request says.
    pub observed_at: Option<f64>,
    /// The version that answered.
    pub version: u32,
    /// In which part.
    pub variant: Variant,
    /// The rollout in progress, if any.
    pub rollout: Option<String>,
    /// From parsed request to answer, in microseconds.
    pub latency_us: i64,
    /// The inputs, in the order of the log's feature columns.
    pub features: Vec<FeatureValue>,
    /// The predicted class or value.
    pub predicted: Option<f64>,
    /// Probability of the positive class (two classes) or of the predicted one (more).
    pub score: Option<f64>,
}

impl PredictionRecord {
    /// About how many bytes the record takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.request_id.len()
            + self.rollout.as_ref().map_or(0, String::len)
            + self.features.len() * size_of::<FeatureValue>()
            + self
                .features
                .iter()
                .map(|value| match value {
                    FeatureValue::Number(_) => 0,
                    FeatureValue::Text(text) => text.len(),
                })
                .sum::<usize>()
    }
}

pub(super) fn schema(features: &[FeatureColumn]) -> Result<Schema, TableError> {
    let fixed = [
        ("request_id", ColumnKind::Text),
        ("row", ColumnKind::Int64),
        ("answered_at", ColumnKind::Timestamp),
        ("observed_at", ColumnKind::Float64),
        ("version", ColumnKind::Int64),
        ("variant", ColumnKind::Text),
        ("rollout", ColumnKind::Text),
        ("latency_us", ColumnKind::Int64),
        ("predicted", ColumnKind::Float64),
        ("score", ColumnKind::Float64),
    ];
    let inputs = features.iter().map(|feature| {
        let kind = match feature.kind {
            FeatureKind::Number => ColumnKind::Float64,
            FeatureKind::Text => ColumnKind::Text,
        };
        (format!("{INPUT_PREFIX}{}", feature.name), kind)
    });
    Schema::new(
        fixed
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind))
            .chain(inputs),
    )
}

pub(super) fn to_table(
    features: &[FeatureColumn],
    records: &[PredictionRecord],
) -> Result<Table, TableError> {
    let mut builder = TableBuilder::new()
        .str(
            "request_id",
            records.iter().map(|record| record.request_id.as_str()),
        )
        .i64("row", records.iter().map(|record| record.row))
        .timestamp(
            "answered_at",
            records.iter().map(|record| record.answered_at),
        )
        .f64(
            "observed_at",
            records.iter().map(|record| record.observed_at),
        )
        .i64(
            "version",
            records.iter().map(|record| i64::from(record.version)),
        )
        .str(
            "variant",
            records.iter().map(|record| record.variant.name()),
        )
        .str(
            "rollout",
            records.iter().map(|record| record.rollout.as_deref()),
        )
        .i64("latency_us", records.iter().map(|record| record.latency_us))
        .f64("predicted", records.iter().map(|record| record.predicted))
        .f64("score", records.iter().map(|record| record.score));
    for (index, feature) in features.iter().enumerate() {
        let name = format!("{INPUT_PREFIX}{}", feature.name);
        builder = match feature.kind {
            FeatureKind::Number => builder.f64(
                name,
                records
                    .iter()
                    .map(|record| record.features.get(index).map(FeatureValue::number)),
            ),
            FeatureKind::Text => builder.str(
                name,
                records
                    .iter()
                    .map(|record| match record.features.get(index) {
                        Some(FeatureValue::Text(text)) => Some(text.as_str()),
                        _ => None,
                    }),
            ),
        };
    }
    builder.build()
}

pub(super) fn feature_columns(table: &Table) -> Vec<FeatureColumn> {
    table
        .schema()
        .columns()
        .iter()
        .filter_map(|column| {
            let name = column.name.strip_prefix(INPUT_PREFIX)?;
            let kind = match column.kind {
                ColumnKind::Text => FeatureKind::Text,
                _ => FeatureKind::Number,
            };
            Some(FeatureColumn {
                name: name.to_owned(),
                kind,
            })
        })
        .collect()
}

pub(super) fn from_table(table: &Table) -> Result<Vec<PredictionRecord>, TableError> {
    let request_id = table.column_str("request_id")?;
    let row = table.column_i64("row")?;
    let answered_at = table.column_timestamp("answered_at")?;
    let observed_at = table.column_f64("observed_at")?;
    let version = table.column_i64("version")?;
    let variant = table.column_str("variant")?;
    let rollout = table.column_str("rollout")?;
    let latency_us = table.column_i64("latency_us")?;
    let predicted = table.column_f64("predicted")?;
    let score = table.column_f64("score")?;
    let mut features = vec![Vec::new(); table.num_rows()];
    for feature in feature_columns(table) {
        let name = format!("{INPUT_PREFIX}{}", feature.name);
        match feature.kind {
            FeatureKind::Number => {
                for (into, value) in features.iter_mut().zip(table.column_f64(&name)?) {
                    into.push(FeatureValue::Number(value.unwrap_or(f64::NAN)));
                }
            }
            FeatureKind::Text => {
                for (into, value) in features.iter_mut().zip(table.column_str(&name)?) {
                    into.push(FeatureValue::Text(value.unwrap_or_default().to_owned()));
                }
            }
        }
    }
    Ok(features
        .into_iter()
        .enumerate()
        .map(|(index, features)| PredictionRecord {
            request_id: request_id[index].unwrap_or_default().to_owned(),
            row: row[index].unwrap_or_default(),
            answered_at: answered_at[index].unwrap_or(Timestamp::UNIX_EPOCH),
            observed_at: observed_at[index],
            version: version[index]
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(0),
            variant: variant[index]
                .and_then(Variant::from_name)
                .unwrap_or(Variant::Pinned),
            rollout: rollout[index].map(str::to_owned),
            latency_us: latency_us[index].unwrap_or_default(),
            features,
            predicted: predicted[index],
            score: score[index],
        })
        .collect())
}
