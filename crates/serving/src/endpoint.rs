//! A model's name under which requests arrive: route, run, record.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use camino::Utf8Path;
use jiff::Timestamp;

use crate::{
    error::ServingError,
    inference_protocol::{InferRequest, InferResponse, parse_tensor, write_tensor},
    log::{
        FeatureColumn, FeatureKind, FeatureValue, Label, LabelLog, LabelOutcome,
        LabelledPrediction, LogOptions, LogStatistics, PredictionLog, PredictionRecord, Recorded,
    },
    routing::{Route, RoutingTable, Variant},
    scoring,
    tensor::NamedTensor,
};

/// Rows that one request may hold.
const MAXIMUM_ROWS: usize = 10_000;

/// Longest identifier of a request.
const MAXIMUM_ID: usize = 256;

/// Hears of every answered row, in the order of the answers of each caller.
pub trait PredictionObserver: Send + Sync {
    /// A row was answered. Must not block.
    fn predicted(&self, record: &PredictionRecord);
}

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct EndpointOptions<'a> {
    /// The registered model's name.
    pub name: &'a str,
    /// Folder of the prediction log.
    pub predictions: &'a Utf8Path,
    /// Folder of the label log.
    pub labels: &'a Utf8Path,
    /// The features by name, when the model takes them in one unnamed matrix.
    pub features: &'a [FeatureColumn],
    /// The request parameter that places a row in time.
    pub time_parameter: Option<&'a str>,
    /// Bounds of the prediction log.
    pub log: LogOptions,
}

/// The answer to a request, and where it came from.
#[derive(Debug, Clone)]
pub struct Inference {
    /// The message for the caller.
    pub response: InferResponse,
    /// The version that answered.
    pub version: u32,
    /// In which part.
    pub variant: Variant,
    /// The rollout in progress, if any.
    pub rollout: Option<String>,
}

/// A model's name under which requests arrive.
pub struct Endpoint {
    name: String,
    features: Vec<FeatureColumn>,
    time_parameter: Option<String>,
    routing: ArcSwap<RoutingTable>,
    predictions: PredictionLog,
    labels: Mutex<LabelLog>,
    observer: Mutex<Option<Arc<dyn PredictionObserver>>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What an endpoint found in its logs when it opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Every logged prediction, oldest first.
    pub predictions: Vec<PredictionRecord>,
    /// Those with labels, in the order in which the labels came.
    pub labelled: Vec<LabelledPrediction>,
}

impl Endpoint {
    /// Opens the logs; nothing is routed until a table is published.
    pub fn open(options: &EndpointOptions<'_>) -> Result<(Self, Recovered), ServingError> {
        let (predictions, records) =
            PredictionLog::open(options.predictions, options.features, options.log)?;
        let (labels, labelled) = LabelLog::open(options.labels, &records)?;
        let endpoint = Self {
            name: options.name.to_owned(),
            features: options.features.to_vec(),
            time_parameter: options.time_parameter.map(str::to_owned),
            routing: ArcSwap::from_pointee(RoutingTable::default()),
            predictions,
            labels: Mutex::new(labels),
            observer: Mutex::new(None),
        };
        Ok((
            endpoint,
            Recovered {
                predictions: records,
                labelled,
            },
        ))
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The features, in the order of the log's columns.
    pub fn features(&self) -> &[FeatureColumn] {
        &self.features
    }

    /// The table in force.
    pub fn routing(&self) -> Arc<RoutingTable> {
        self.routing.load_full()
    }

    /// Publishes a table; requests in flight finish on the version that began them.
    pub fn publish(&self, table: RoutingTable) {
        self.routing.store(Arc::new(table));
    }

    /// Sets who hears of every answered row.
    pub fn observe(&self, observer: Arc<dyn PredictionObserver>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = Some(observer);
    }

    /// Counters of the prediction log.
    pub fn log_statistics(&self) -> LogStatistics {
        self.predictions.statistics()
    }

    /// Answers a request. `id` is the request's identifier, given or made; `pin` the version that
    /// its path names.
    pub fn infer(
        &self,
        id: &str,
        request: InferRequest,
        pin: Option<u32>,
        now: Timestamp,
    ) -> Result<Inference, ServingError> {
        let started = Instant::now();
        if id.is_empty() || id.len() > MAXIMUM_ID || id.chars().any(char::is_control) {
            return Err(ServingError::bad_request(format!(
                "`id` must have 1 to {MAXIMUM_ID} printable characters"
            )));
        }
        let observed_at = self.observed_at(&request)?;
        let wanted: Vec<String> = request
            .outputs
            .into_iter()
            .map(|output| output.name)
            .collect();
        let inputs = request
            .inputs
            .into_iter()
            .map(parse_tensor)
            .collect::<Result<Vec<_>, _>>()?;
        let rows = rows(&inputs)?;

        let route = self.route(id, pin)?;
        let outputs = route.model.run(&inputs)?;
        let unknown = wanted
            .iter()
            .find(|name| outputs.iter().all(|output| &output.name != *name));
        if let Some(name) = unknown {
            return Err(ServingError::bad_request(format!(
                "the model has no output `{name}`"
            )));
        }
        self.record(
            id,
            &route,
            &Answer {
                inputs: &inputs,
                outputs: &outputs,
                rows,
            },
            |record| {
                record.observed_at = observed_at;
                record.answered_at = now;
                record.latency_us =
                    i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
            },
        );
        let response = InferResponse {
            model_name: self.name.clone(),
            model_version: route.model.version().to_string(),
            id: id.to_owned(),
            outputs: outputs
                .iter()
                .filter(|output| wanted.is_empty() || wanted.contains(&output.name))
                .map(write_tensor)
                .collect(),
        };
        Ok(Inference {
            response,
            version: route.model.version(),
            variant: route.variant,
            rollout: route.rollout,
        })
    }

    /// Takes labels in; the joined ones come back for the loop.
    pub fn label(
        &self,
        labels: &[Label],
        now: Timestamp,
    ) -> Result<Vec<LabelOutcome>, ServingError> {
        self.labels().label(labels, now, &self.predictions)
    }

    /// Makes every prediction and label so far outlive a power cut, for a decision that rests on
    /// them.
    pub fn sync(&self) -> Result<(), ServingError> {
        self.predictions.flush()?;
        self.labels().sync()
    }

    /// Rolls the label log; the prediction log rolls when the endpoint is dropped.
    pub fn close(&self) -> Result<(), ServingError> {
        self.predictions.flush()?;
        self.labels().close()
    }

    fn labels(&self) -> std::sync::MutexGuard<'_, LabelLog> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, id: &str, pin: Option<u32>) -> Result<Route, ServingError> {
        let routing = self.routing.load();
        match pin {
            Some(version) => routing
                .pinned(version)
                .ok_or_else(|| ServingError::UnknownVersion {
                    model: self.name.clone(),
                    version,
                }),
            None => routing.route(id).ok_or_else(|| ServingError::NoChampion {
                model: self.name.clone(),
            }),
        }
    }

    fn observed_at(&self, request: &InferRequest) -> Result<Option<f64>, ServingError> {
        let Some(name) = &self.time_parameter else {
            return Ok(None);
        };
        match request.parameters.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(|| {
                ServingError::bad_request(format!("parameter `{name}` must be a number"))
            }),
        }
    }

    fn record(
        &self,
        id: &str,
        route: &Route,
        answer: &Answer<'_>,
        complete: impl Fn(&mut PredictionRecord),
    ) {
        let observer = self
            .observer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for row in 0..answer.rows {
            let mut record = PredictionRecord {
                request_id: id.to_owned(),
                row: row as i64,
                answered_at: Timestamp::UNIX_EPOCH,
                observed_at: None,
                version: route.model.version(),
                variant: route.variant,
                rollout: route.rollout.clone(),
                latency_us: 0,
                features: answer.features(row, &self.features),
                predicted: scoring::predicted(answer.outputs, row),
                score: scoring::score(answer.outputs, row),
            };
            complete(&mut record);
            // First the log's queue, then the memory: a label that finds the prediction there can
            // have it written before itself. A dropped prediction can have no label, and the
            // observer must not see what a replay of the log will not show it again.
            let recorded = self.predictions.record(record.clone());
            if route.variant != Variant::Pinned && recorded == Recorded::Queued {
                self.labels().remember(&record);
                if let Some(observer) = &observer {
                    observer.predicted(&record);
                }
            }
        }
    }
}

fn rows(inputs: &[NamedTensor]) -> Result<usize, ServingError> {
    let Some(first) = inputs.first() else {
        return Err(ServingError::bad_request("`inputs` is empty"));
    };
    let rows = first.tensor.rows();
    if let Some(other) = inputs.iter().find(|input| input.tensor.rows() != rows) {
        return Err(ServingError::bad_request(format!(
            "input `{}` has {} rows, input `{}` has {rows}",
            other.name,
            other.tensor.rows(),
            first.name
        )));
    }
    if rows == 0 || rows > MAXIMUM_ROWS {
        return Err(ServingError::bad_request(format!(
            "a request has 1 to {MAXIMUM_ROWS} rows, not {rows}"
        )));
    }
    Ok(rows)
}

/// Inputs and outputs of one request, seen row by row.
struct Answer<'a> {
    inputs: &'a [NamedTensor],
    outputs: &'a [NamedTensor],
    rows: usize,
}

impl Answer<'_> {
    /// The row's features: those of a matrix by position, those of single columns by name.
    fn features(&self, row: usize, columns: &[FeatureColumn]) -> Vec<FeatureValue> {
        let missing = |kind| match kind {
            FeatureKind::Number => FeatureValue::Number(f64::NAN),
            FeatureKind::Text => FeatureValue::Text(String::new()),
        };
        columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let (data, index) = match self.inputs {
                    [matrix] if matrix.tensor.width() == columns.len() => {
                        (&matrix.tensor.data, row * matrix.tensor.width() + position)
                    }
                    inputs => match inputs.iter().find(|input| input.name == column.name) {
                        Some(input) => (&input.tensor.data, row * input.tensor.width()),
                        None => return missing(column.kind),
                    },
                };
                match column.kind {
                    FeatureKind::Number => data.number(index).map(FeatureValue::Number),
                    FeatureKind::Text => data
                        .text(index)
                        .map(|text| FeatureValue::Text(text.to_owned())),
                }
                .unwrap_or_else(|| missing(column.kind))
            })
            .collect()
    }
}
