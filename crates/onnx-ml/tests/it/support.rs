//! Golden models: a folder with `model.onnx` and `golden.json`, inputs and reference answers.

use std::path::{Path, PathBuf};

use ketch_onnx_ml::{Limits, Model, Tensor, Values};
use serde_json::Value;

/// One golden folder, read.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) outputs: Vec<(String, Tensor)>,
}

pub(crate) fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The names of all golden folders, sorted.
pub(crate) fn golden_names() -> Vec<String> {
    let mut names: Vec<String> = golden_folder()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "there are golden models");
    names
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own files; fs_err is no dependency here"
)]
pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Golden {
    pub(crate) fn read(name: &str) -> Self {
        let folder = golden_folder().join(name);
        let golden: Value = serde_json::from_slice(&read(&folder.join("golden.json"))).unwrap();
        let tensors = |key: &str| {
            let list = golden[key].as_array().unwrap();
            list.iter()
                .map(|entry| (text(&entry["name"]), tensor(entry)))
                .collect()
        };
        Self {
            name: name.to_owned(),
            model: read(&folder.join("model.onnx")),
            inputs: tensors("inputs"),
            outputs: tensors("outputs"),
        }
    }

    pub(crate) fn load(&self) -> Model {
        Model::from_bytes(&self.model, &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The inputs as a run takes them.
    pub(crate) fn request(&self) -> Vec<(&str, Tensor)> {
        self.inputs
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.clone()))
            .collect()
    }

    /// Runs the model and compares each output.
    pub(crate) fn check(&self) {
        let answers = self.load().run(&self.request());
        let answers = answers.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert_eq!(answers.len(), self.outputs.len(), "{}", self.name);
        for ((name, answer), (expected_name, expected)) in answers.iter().zip(&self.outputs) {
            assert_eq!(name, expected_name, "{}", self.name);
            compare(&format!("{}: {name}", self.name), answer, expected);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(special) => special.parse().unwrap(),
        number => number.as_f64().unwrap(),
    }
}

fn tensor(entry: &Value) -> Tensor {
    let shape: Vec<usize> = entry["shape"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| usize::try_from(size.as_u64().unwrap()).unwrap())
        .collect();
    let values = entry["values"].as_array().unwrap().iter();
    match entry["type"].as_str().unwrap() {
        "float32" => Tensor::from_f32(&shape, values.map(|value| number(value) as f32).collect()),
        "float64" => Tensor::from_f64(&shape, values.map(number).collect()),
        "int64" => Tensor::from_i64(
            &shape,
            values.map(|value| value.as_i64().unwrap()).collect(),
        ),
        "string" => Tensor::from_strings(&shape, values.map(text).collect()),
        other => panic!("type {other}"),
    }
    .unwrap()
}

/// Labels must be equal; probabilities within 2e-6, regressions within that of their scale.
pub(crate) fn compare(what: &str, answer: &Tensor, expected: &Tensor) {
    let shape = |tensor: &Tensor| -> Vec<usize> {
        let shape = tensor.shape();
        let trailing = shape.len() - usize::from(shape.len() > 1 && shape.ends_with(&[1]));
        shape[..trailing].to_vec()
    };
    assert_eq!(shape(answer), shape(expected), "{what}: shape");
    let (Some(answer), Some(expected)) = (numbers(answer), numbers(expected)) else {
        assert_eq!(answer.values(), expected.values(), "{what}");
        return;
    };
    let scale = expected.iter().map(|value| value.abs()).fold(1.0, f64::max);
    for (element, (answer, expected)) in answer.iter().zip(&expected).enumerate() {
        assert!(
            (answer - expected).abs() <= 2e-6 * scale,
            "{what}: element {element} is {answer} and should be {expected}"
        );
    }
}

fn numbers(tensor: &Tensor) -> Option<Vec<f64>> {
    match tensor.values() {
        Values::Float32(values) => Some(values.iter().map(|&value| f64::from(value)).collect()),
        Values::Float64(values) => Some(values.clone()),
        _ => None,
    }
}
