//! Answers equal those of the library that trained the model, and requests are checked.

use ketch_onnx_ml::{ElementType, Limits, Model, ModelError, OperatorUse, Tensor};

use crate::support::{Golden, golden_names};

fn answered() -> impl Iterator<Item = Golden> {
    golden_names()
        .into_iter()
        .filter(|name| !name.starts_with("refused_"))
        .map(|name| Golden::read(&name))
}

#[test]
fn every_golden_model_answers_as_its_library() {
    let mut count = 0;
    for golden in answered() {
        golden.check();
        count += 1;
    }
    assert!(count >= 20, "only {count} golden models");
}

#[test]
fn a_row_alone_and_in_a_batch_have_the_same_answer() {
    for golden in answered() {
        let model = golden.load();
        let all = model.run(&golden.request()).unwrap();
        for row in [0, 7, 99] {
            let request: Vec<_> = golden
                .request()
                .into_iter()
                .map(|(name, tensor)| (name, one_row(&tensor, row)))
                .collect();
            for ((name, alone), (_, batch)) in model.run(&request).unwrap().iter().zip(&all) {
                assert_eq!(alone, &one_row(batch, row), "{}: {name}", golden.name);
            }
        }
    }
}

fn one_row(tensor: &Tensor, row: usize) -> Tensor {
    use ketch_onnx_ml::Values;
    let mut shape = tensor.shape().to_vec();
    let width: usize = shape[1..].iter().product();
    shape[0] = 1;
    let range = row * width..(row + 1) * width;
    let values = match tensor.values() {
        Values::Float32(values) => Values::Float32(values[range].to_vec()),
        Values::Float64(values) => Values::Float64(values[range].to_vec()),
        Values::Int64(values) => Values::Int64(values[range].to_vec()),
        Values::String(values) => Values::String(values[range].to_vec()),
        other => panic!("{other:?}"),
    };
    Tensor::new(&shape, values).unwrap()
}

#[test]
fn no_rows_have_no_answers() {
    let model = Golden::read("gb100").load();
    let none = Tensor::from_f32(&[0, 20], Vec::new()).unwrap();
    let answers = model.run(&[("X", none)]).unwrap();
    assert_eq!(answers[0].1.shape(), [0]);
    assert_eq!(answers[1].1.shape(), [0, 3]);
}

#[test]
fn a_model_says_what_it_is() {
    let model = Golden::read("ct_logreg").load();
    let names: Vec<_> = model
        .inputs()
        .iter()
        .map(|input| input.name.as_str())
        .collect();
    assert_eq!(names, ["age", "income", "city", "job"]);
    assert_eq!(model.inputs()[2].element_type, ElementType::String);
    assert_eq!(model.inputs()[0].shape, [None, Some(1)]);
    assert_eq!(model.outputs()[1].name, "probabilities");
    assert_eq!(model.outputs()[1].shape, [None, Some(2)]);
    assert_eq!(model.producer().name, "skl2onnx");
    assert!(model.operators().contains(&OperatorUse {
        domain: "ai.onnx.ml".to_owned(),
        operator: "OneHotEncoder".to_owned()
    }));
    let versions: Vec<_> = model
        .opset_imports()
        .iter()
        .map(|import| (import.domain.as_str(), import.version))
        .collect();
    assert_eq!(versions, [("ai.onnx.ml", 1), ("", 11)]);
}

#[test]
fn a_neural_network_is_refused_by_its_operators_name() {
    for (name, operator) in [
        ("refused_torch_cnn", "Conv"),
        ("refused_torch_lstm", "LSTM"),
    ] {
        let golden = Golden::read(name);
        let error = Model::from_bytes(&golden.model, &Limits::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("operator `{operator}` is not supported by the onnx-ml evaluator")
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn requests_that_do_not_fit_are_refused_with_the_inputs_name() {
    let model = Golden::read("logreg").load();
    let row = |width: usize| Tensor::from_f32(&[1, width], vec![0.0; width]).unwrap();
    let message = |inputs: &[(&str, Tensor)]| model.run(inputs).unwrap_err().to_string();
    assert_eq!(message(&[]), "input `X` is missing");
    assert_eq!(
        message(&[("x", row(20))]),
        "the model has no input `x`; its inputs are `X`"
    );
    assert_eq!(
        message(&[("X", row(20)), ("X", row(20))]),
        "input `X` is given twice"
    );
    assert_eq!(
        message(&[("X", row(19))]),
        "input `X` must have shape [?, 20], not [1, 19]"
    );
    let doubles = Tensor::from_f64(&[1, 20], vec![0.0; 20]).unwrap();
    assert_eq!(
        message(&[("X", doubles)]),
        "input `X` must be float32, not float64"
    );
    let error = Tensor::from_f32(&[2, 3], vec![0.0; 5]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a tensor of shape [2, 3] cannot hold 5 values"
    );
}

#[test]
fn limits_hold_for_the_file_and_for_a_run() {
    let golden = Golden::read("gb100");
    let mut limits = Limits::default();
    limits.max_model_bytes = 1000;
    let error = Model::from_bytes(&golden.model, &limits).unwrap_err();
    assert_eq!(error.to_string(), "the model file: more than 1000 bytes");
    let mut limits = Limits::default();
    limits.max_run_steps = 10_000;
    let model = Model::from_bytes(&golden.model, &limits).unwrap();
    let error = model.run(&golden.request()).unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::Limit {
                what: "steps in one run",
                ..
            }
        ),
        "{error}"
    );
    let mut limits = Limits::default();
    limits.max_model_elements = 1000;
    assert!(matches!(
        Model::from_bytes(&golden.model, &limits).unwrap_err(),
        ModelError::Limit { .. }
    ));
}
