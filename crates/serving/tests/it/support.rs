//! Models of the crate `onnx-ml` with the answers of the libraries that trained them, and
//! endpoints in a folder of their own.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use ketch_serving::{
    Canary, Endpoint, EndpointOptions, FeatureColumn, FeatureKind, FeatureValue, GoldenSample,
    Inference, LoadedModel, LogOptions, ModelSource, PredictionRecord, Recovered, RoutingTable,
    ServingError, Variant, load_model,
};
use serde_json::{Value, json};

/// Two classes, from 20 numbers in one matrix.
pub(crate) const LOGISTIC: &str = "logreg_bin";

/// The same, by another model.
pub(crate) const BOOSTING: &str = "hgb_bin";

pub(crate) fn golden_file(model: &str, file: &str) -> Vec<u8> {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../onnx-ml/tests/golden")
        .join(model)
        .join(file);
    fs_err::read(path).unwrap()
}

/// Inputs and answers of a model's maker in the protocol's form, as a golden sample has them.
pub(crate) fn golden_json(model: &str) -> Value {
    let golden: Value = serde_json::from_slice(&golden_file(model, "golden.json")).unwrap();
    let tensors = |key: &str| -> Vec<Value> {
        let list = golden[key].as_array().unwrap();
        list.iter()
            .map(|tensor| {
                let datatype = match tensor["type"].as_str().unwrap() {
                    "float32" => "FP32",
                    "float64" => "FP64",
                    "int64" => "INT64",
                    "string" => "BYTES",
                    other => panic!("{other}"),
                };
                let values = tensor["values"].as_array().unwrap();
                let values: Vec<Value> = values
                    .iter()
                    .map(|value| match value {
                        Value::String(text) if datatype != "BYTES" && text == "NaN" => Value::Null,
                        value => value.clone(),
                    })
                    .collect();
                json!({
                    "name": tensor["name"],
                    "shape": tensor["shape"],
                    "datatype": datatype,
                    "data": values,
                })
            })
            .collect()
    };
    json!({ "inputs": tensors("inputs"), "outputs": tensors("outputs") })
}

pub(crate) fn golden_sample(model: &str) -> GoldenSample {
    GoldenSample::parse(golden_json(model).to_string().as_bytes()).unwrap()
}

/// One row of the reference inputs, and the reference's class and probability of the second one.
pub(crate) fn reference_row(model: &str, row: usize) -> (Vec<f64>, f64, f64) {
    let golden = golden_json(model);
    let width = golden["inputs"][0]["shape"][1].as_u64().unwrap() as usize;
    let number = |value: &Value| value.as_f64().unwrap();
    let features = golden["inputs"][0]["data"].as_array().unwrap();
    (
        features[row * width..(row + 1) * width]
            .iter()
            .map(number)
            .collect(),
        number(&golden["outputs"][0]["data"][row]),
        number(&golden["outputs"][1]["data"][row * 2 + 1]),
    )
}

pub(crate) fn load(model: &str, version: u32) -> Arc<LoadedModel> {
    load_model(ModelSource {
        name: "rain",
        version,
        bytes: &golden_file(model, "model.onnx"),
        digest: "d",
        registered_digest: "d",
        golden: Some(&golden_sample(model)),
    })
    .unwrap()
}

/// A routing table of loaded versions.
pub(crate) fn routed(
    champion: &Arc<LoadedModel>,
    canary: Option<(&Arc<LoadedModel>, u8, &str)>,
) -> RoutingTable {
    let canary = canary.map(|(model, weight, rollout)| Canary {
        model: Arc::clone(model),
        weight,
        rollout: rollout.to_owned(),
    });
    let versions = canary.iter().map(|canary| &canary.model).chain([champion]);
    RoutingTable {
        loaded: versions
            .map(|model| (model.version(), Arc::clone(model)))
            .collect(),
        champion: Some(Arc::clone(champion)),
        canary,
    }
}

pub(crate) fn columns() -> Vec<FeatureColumn> {
    (0..20)
        .map(|index| FeatureColumn {
            name: format!("x{index}"),
            kind: FeatureKind::Number,
        })
        .collect()
}

/// Room on the disk for an endpoint's logs.
pub(crate) struct Room {
    _folder: tempfile::TempDir,
    pub(crate) path: Utf8PathBuf,
}

impl Room {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    pub(crate) fn predictions(&self) -> Utf8PathBuf {
        self.path.join("predictions")
    }

    pub(crate) fn labels(&self) -> Utf8PathBuf {
        self.path.join("labels")
    }

    /// What another process would find if this one were gone at this moment.
    pub(crate) fn crashed(&self) -> Self {
        let copy = Self::new();
        for folder in ["predictions", "labels"] {
            copy_folder(&self.path.join(folder), &copy.path.join(folder));
        }
        copy
    }
}

fn copy_folder(from: &Utf8Path, to: &Utf8Path) {
    if !from.exists() {
        return;
    }
    fs_err::create_dir_all(to).unwrap();
    for name in names(from) {
        fs_err::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// The names of a folder's files, sorted.
pub(crate) fn names(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<String> = folder
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn open_in(folder: &Utf8Path, log: LogOptions) -> (Endpoint, Recovered) {
    Endpoint::open(&EndpointOptions {
        name: "rain",
        predictions: &folder.join("predictions"),
        labels: &folder.join("labels"),
        features: &columns(),
        time_parameter: Some("day"),
        log,
    })
    .unwrap()
}

/// An endpoint whose champion is version 1.
pub(crate) fn serving(folder: &Utf8Path, log: LogOptions) -> (Endpoint, Recovered) {
    let (endpoint, recovered) = open_in(folder, log);
    endpoint.publish(routed(&load(LOGISTIC, 1), None));
    (endpoint, recovered)
}

pub(crate) fn request(rows: &[Vec<f64>]) -> Value {
    json!({ "inputs": [{
        "name": "X",
        "shape": [rows.len(), rows.first().map_or(0, Vec::len)],
        "datatype": "FP32",
        "data": rows,
    }] })
}

pub(crate) fn infer(
    endpoint: &Endpoint,
    id: &str,
    request: Value,
) -> Result<Inference, ServingError> {
    infer_pinned(endpoint, id, request, None)
}

pub(crate) fn infer_pinned(
    endpoint: &Endpoint,
    id: &str,
    request: Value,
    pin: Option<u32>,
) -> Result<Inference, ServingError> {
    let request = serde_json::from_value(request).unwrap();
    endpoint.infer(id, request, pin, at(0))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// A record as an endpoint would make it.
pub(crate) fn record(number: u32) -> PredictionRecord {
    PredictionRecord {
        request_id: format!("r{number}"),
        row: i64::from(number % 3),
        answered_at: at(i64::from(number)),
        observed_at: (!number.is_multiple_of(4)).then(|| f64::from(number) / 2.0),
        version: 1 + number % 2,
        variant: [Variant::Champion, Variant::Canary][number as usize % 2],
        rollout: (number % 2 == 1).then(|| "rollout-1".to_owned()),
        latency_us: i64::from(number),
        features: vec![
            FeatureValue::Number(f64::from(number) * 0.1),
            FeatureValue::Text(format!("città {number}")),
        ],
        predicted: (!number.is_multiple_of(5)).then(|| f64::from(number % 2)),
        score: Some(1.0 / f64::from(number + 1)),
    }
}

/// The columns of [`record`].
pub(crate) fn record_columns() -> Vec<FeatureColumn> {
    vec![
        FeatureColumn {
            name: "amount".to_owned(),
            kind: FeatureKind::Number,
        },
        FeatureColumn {
            name: "city".to_owned(),
            kind: FeatureKind::Text,
        },
    ]
}
