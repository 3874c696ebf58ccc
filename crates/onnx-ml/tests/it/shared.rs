//! All rows of all golden models, the large ones too, where the shared folder is at hand.

use std::path::{Path, PathBuf};

use ketch_onnx_ml::{ElementType, Limits, Model, ModelError, Tensor};

use crate::support::{compare, read};

/// What the reference answers of these models cannot be compared with: neural networks.
const REFUSED: [(&str, &str); 2] = [("torch_cnn_ts", "Conv"), ("torch_lstm_ts", "LSTM")];

/// The folder named by `KETCH_SHARED` (its `golden/models`), or the one beside the checkout.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's switch, not a library's setting"
)]
fn shared_models() -> Option<PathBuf> {
    let folder = match std::env::var_os("KETCH_SHARED") {
        Some(shared) => Path::new(&shared).join("golden/models"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/models"),
    };
    folder.is_dir().then_some(folder)
}

#[test]
fn every_shared_model_answers_as_its_library_on_every_row() {
    let Some(models) = shared_models() else {
        eprintln!("skipped: no shared golden models (set KETCH_SHARED)");
        return;
    };
    let mut checked = 0;
    for entry in models.read_dir().unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let model = Model::from_bytes(&read(&folder.join("model.onnx")), &Limits::default());
        if let Some((_, expected)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            let Err(ModelError::UnsupportedOperator { operator, .. }) = model else {
                panic!("{name} should be refused: {model:?}");
            };
            assert_eq!(operator, *expected);
            continue;
        }
        let model = model.unwrap_or_else(|error| panic!("{name}: {error}"));
        let inputs: Vec<(&str, Tensor)> = model
            .inputs()
            .iter()
            .map(|input| (input.name.as_str(), shared_input(&folder, &input.name)))
            .collect();
        let answers = model
            .run(&inputs)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for (output, answer) in &answers {
            let expected = read_npy(&folder.join(format!("ref_{output}.npy")));
            compare(&format!("{name}: {output}"), answer, &expected);
        }
        checked += 1;
    }
    assert!(checked >= 17, "only {checked} models were there");
}

fn shared_input(folder: &Path, name: &str) -> Tensor {
    let array = folder.join(format!("in_{name}.npy"));
    if array.exists() {
        return read_npy(&array);
    }
    let json = read(&folder.join(format!("in_{name}.json")));
    let texts: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    let texts: Vec<String> = texts
        .iter()
        .map(|text| {
            text.as_str()
                .or_else(|| text[0].as_str())
                .unwrap()
                .to_owned()
        })
        .collect();
    Tensor::from_strings(&[texts.len(), 1], texts).unwrap()
}

/// A `.npy` file, version 1, of one of the types the golden files have.
fn read_npy(path: &Path) -> Tensor {
    let bytes = read(path);
    assert_eq!(&bytes[..7], b"\x93NUMPY\x01", "{}", path.display());
    let header_end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..header_end]).unwrap();
    let data = &bytes[header_end..];
    let shape_text = header
        .split_once("'shape': (")
        .unwrap()
        .1
        .split_once(')')
        .unwrap()
        .0;
    let sizes = shape_text
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    let shape: Vec<usize> = sizes.map(|size| size.parse().unwrap()).collect();
    let fortran = header.contains("'fortran_order': True");
    let element_type = match header {
        header if header.contains("'<f4'") => ElementType::Float32,
        header if header.contains("'<f8'") => ElementType::Float64,
        header if header.contains("'<i8'") => ElementType::Int64,
        header => panic!("{header}"),
    };
    match element_type {
        ElementType::Float32 => {
            let values = data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes));
            Tensor::from_f32(&shape, row_major(values.collect(), &shape, fortran))
        }
        ElementType::Float64 => {
            let values = data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from_le_bytes(bytes));
            Tensor::from_f64(&shape, row_major(values.collect(), &shape, fortran))
        }
        _ => {
            let values = data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i64::from_le_bytes(bytes));
            Tensor::from_i64(&shape, row_major(values.collect(), &shape, fortran))
        }
    }
    .unwrap()
}

fn row_major<T: Copy>(values: Vec<T>, shape: &[usize], fortran: bool) -> Vec<T> {
    match *shape {
        [rows, columns] if fortran => (0..rows * columns)
            .map(|position| values[position % columns * rows + position / columns])
            .collect(),
        _ => values,
    }
}
