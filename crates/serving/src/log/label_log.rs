//! Labels as they arrive, joined with the predictions they belong to.

use std::collections::{HashMap, HashSet, VecDeque};

use camino::Utf8Path;
use jiff::Timestamp;
use ketch_table::{ColumnKind, Schema, Table, TableBuilder, TableError};
use serde::{Deserialize, Serialize};

use super::{
    prediction_log::{PredictionLog, read_predictions},
    record::PredictionRecord,
    table_log::{TableLog, read_folder},
};
use crate::{error::ServingError, routing::Variant};

/// Predictions that may wait for their label; older ones are forgotten.
const MAXIMUM_PENDING: usize = 200_000;

/// Rows of a Parquet part.
const ROLL_ROWS: usize = 8_192;

/// What turned out to be true for one predicted row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The request's identifier.
    pub request_id: String,
    /// The row within the request, from 0.
    #[serde(default)]
    pub row: i64,
    /// The true class or value.
    pub label: f64,
}

/// A prediction with its label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelledPrediction {
    /// The prediction.
    pub prediction: PredictionRecord,
    /// The true class or value.
    pub label: f64,
}

impl LabelledPrediction {
    /// Whether the predicted class was wrong; a missing prediction counts as wrong.
    pub fn is_wrong(&self) -> bool {
        self.prediction.predicted != Some(self.label)
    }
}

/// What became of a label.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelOutcome {
    /// It belongs to a prediction and is its first.
    Joined(Box<LabelledPrediction>),
    /// The same label was there already.
    Duplicate,
    /// Another label was there; the new one counts from now on, the old one stays in the log.
    Corrected,
    /// No prediction with this identifier and row is waiting for a label.
    Unknown,
}

type Key = (String, i64);

/// Appends labels to Parquet and joins them with predictions.
///
/// A label is written only after its prediction has been, so that whatever the label log holds
/// can be joined again after a crash.
#[derive(Debug)]
pub struct LabelLog {
    log: TableLog,
    pending: HashMap<Key, PredictionRecord>,
    order: VecDeque<Key>,
    labels: HashMap<Key, f64>,
    unflushed: HashSet<Key>,
}

impl LabelLog {
    /// Opens the log and joins what is there with the predictions of the same model. The result
    /// is in the order in which the labels came.
    pub fn open(
        folder: &Utf8Path,
        predictions: &[PredictionRecord],
    ) -> Result<(Self, Vec<LabelledPrediction>), ServingError> {
        let (log, tables) = TableLog::open("label", folder, &schema()?, ROLL_ROWS)?;
        let mut labels = Self {
            log,
            pending: HashMap::new(),
            order: VecDeque::new(),
            labels: HashMap::new(),
            unflushed: HashSet::new(),
        };
        let served = || {
            predictions
                .iter()
                .filter(|record| record.variant != Variant::Pinned)
        };
        served().for_each(|record| labels.remember(record));
        labels.unflushed.clear();
        // Also those that are too old to wait for a label now: they had one when they did wait.
        let mut known: HashMap<Key, &PredictionRecord> = served()
            .map(|record| ((record.request_id.clone(), record.row), record))
            .collect();
        let mut joined = Vec::new();
        for label in read_labels(&tables)? {
            let key = (label.request_id, label.row);
            if let Some(prediction) = known.remove(&key) {
                joined.push(LabelledPrediction {
                    prediction: prediction.clone(),
                    label: label.label,
                });
            }
            if labels.pending.remove(&key).is_some() || labels.labels.contains_key(&key) {
                labels.labels.insert(key, label.label);
            }
        }
        Ok((labels, joined))
    }

    /// Keeps a prediction until its label comes.
    pub fn remember(&mut self, record: &PredictionRecord) {
        let key = (record.request_id.clone(), record.row);
        if self.pending.insert(key.clone(), record.clone()).is_none() {
            self.order.push_back(key.clone());
        }
        self.unflushed.insert(key);
        while self.order.len() > MAXIMUM_PENDING {
            if let Some(oldest) = self.order.pop_front() {
                self.pending.remove(&oldest);
                self.labels.remove(&oldest);
                self.unflushed.remove(&oldest);
            }
        }
    }

    /// Writes labels that arrived together and says what became of each.
    pub fn label(
        &mut self,
        arrived: &[Label],
        at: Timestamp,
        predictions: &PredictionLog,
    ) -> Result<Vec<LabelOutcome>, ServingError> {
        let key = |label: &Label| (label.request_id.clone(), label.row);
        if arrived
            .iter()
            .any(|label| self.unflushed.contains(&key(label)))
        {
            predictions.flush()?;
            self.unflushed.clear();
        }
        let mut planned: HashMap<Key, f64> = HashMap::new();
        let plan: Vec<_> = arrived
            .iter()
            .map(|label| {
                let key = key(label);
                let known = planned.get(&key).or_else(|| self.labels.get(&key));
                let plan = match known {
                    Some(before) if *before == label.label => Planned::Duplicate,
                    Some(_) => Planned::Correct,
                    None if self.pending.contains_key(&key) => Planned::Join,
                    None => return Planned::Unknown,
                };
                planned.insert(key, label.label);
                plan
            })
            .collect();
        let written: Vec<_> = arrived
            .iter()
            .zip(&plan)
            .filter(|(_, planned)| matches!(planned, Planned::Join | Planned::Correct))
            .map(|(label, _)| label)
            .collect();
        // First the disk, then the memory: a label is never counted and then lost.
        self.log
            .append(to_table(&written, at).map_err(write_error)?)?;
        // The labels are on the disk; when the part cannot be rolled now, the next ones try again.
        let _ = self.log.roll_when_due();
        Ok(arrived
            .iter()
            .zip(plan)
            .map(|(label, planned)| match planned {
                Planned::Duplicate => LabelOutcome::Duplicate,
                Planned::Unknown => LabelOutcome::Unknown,
                Planned::Correct => {
                    self.labels.insert(key(label), label.label);
                    LabelOutcome::Corrected
                }
                Planned::Join => {
                    self.labels.insert(key(label), label.label);
                    self.pending
                        .remove(&key(label))
                        .map_or(LabelOutcome::Unknown, |prediction| {
                            LabelOutcome::Joined(Box::new(LabelledPrediction {
                                prediction,
                                label: label.label,
                            }))
                        })
                }
            })
            .collect())
    }

    /// Makes every label so far outlive a power cut.
    pub fn sync(&self) -> Result<(), ServingError> {
        self.log.sync()
    }

    /// Turns what is open into a Parquet part.
    pub fn close(&mut self) -> Result<(), ServingError> {
        self.log.roll()
    }
}

enum Planned {
    Join,
    Duplicate,
    Correct,
    Unknown,
}

fn write_error(source: TableError) -> ServingError {
    ServingError::Log {
        log: "label",
        action: "written",
        source,
    }
}

fn read_error(source: TableError) -> ServingError {
    ServingError::Log {
        log: "label",
        action: "read",
        source,
    }
}

fn schema() -> Result<Schema, ServingError> {
    Schema::new([
        ("request_id", ColumnKind::Text),
        ("row", ColumnKind::Int64),
        ("label", ColumnKind::Float64),
        ("labelled_at", ColumnKind::Timestamp),
    ])
    .map_err(write_error)
}

fn to_table(labels: &[&Label], at: Timestamp) -> Result<Table, TableError> {
    TableBuilder::new()
        .str(
            "request_id",
            labels.iter().map(|label| label.request_id.as_str()),
        )
        .i64("row", labels.iter().map(|label| label.row))
        .f64("label", labels.iter().map(|label| label.label))
        .timestamp("labelled_at", labels.iter().map(|_| at))
        .build()
}

fn read_labels(tables: &[Table]) -> Result<Vec<Label>, ServingError> {
    let mut labels = Vec::new();
    for table in tables {
        let request_id = table.column_str("request_id").map_err(read_error)?;
        let row = table.column_i64("row").map_err(read_error)?;
        let label = table.column_f64("label").map_err(read_error)?;
        for index in 0..table.num_rows() {
            labels.push(Label {
                request_id: request_id[index].unwrap_or_default().to_owned(),
                row: row[index].unwrap_or_default(),
                label: label[index].unwrap_or(f64::NAN),
            });
        }
    }
    Ok(labels)
}

/// Predictions of a model with their labels, from the folders of both logs, in the order in which
/// the labels came; a corrected label counts as corrected.
pub fn read_labelled(
    predictions: &Utf8Path,
    labels: &Utf8Path,
) -> Result<Vec<LabelledPrediction>, ServingError> {
    let mut waiting: HashMap<Key, PredictionRecord> = read_predictions(predictions)?
        .1
        .into_iter()
        .map(|record| ((record.request_id.clone(), record.row), record))
        .collect();
    let mut joined: Vec<LabelledPrediction> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for label in read_labels(&read_folder("label", labels)?)? {
        let key = (label.request_id, label.row);
        if let Some(&place) = places.get(&key) {
            joined[place].label = label.label;
        } else if let Some(prediction) = waiting.remove(&key) {
            places.insert(key, joined.len());
            joined.push(LabelledPrediction {
                prediction,
                label: label.label,
            });
        }
    }
    Ok(joined)
}
