//! Projects to test with.

use camino::Utf8PathBuf;
use ketch_testkit::TestProject;
use serde_json::{Value, json};

/// An empty project whose `ketch` is the one under test.
pub(crate) fn project() -> TestProject {
    TestProject::with_binary(env!("CARGO_BIN_EXE_ketch"))
}

/// Tells whoever runs the tests something that is no failure.
#[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
pub(crate) fn say(message: &str) {
    eprintln!("{message}");
}

/// A committed project with a pipeline of two small shell commands.
pub(crate) fn pipeline() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("rows.txt", "3\n4\n5\n");
    project.write("params.yaml", "train:\n  factor: 2\n");
    project.write(
        "dvc.yaml",
        "stages:
  prepare:
    cmd: sort -r rows.txt > sorted.txt
    deps:
    - rows.txt
    outs:
    - sorted.txt
  train:
    cmd: >-
      echo fitting &&
      f=$(sed -n 's/.*factor: //p' params.yaml) &&
      awk -v f=\"$f\" '{s += f * $1} END {print \"{\\\"score\\\": \" s / 100 \"}\"}' sorted.txt > metrics.json
    deps:
    - sorted.txt
    params:
    - train.factor
    metrics:
    - metrics.json:
        cache: false
",
    );
    project
}

/// Commits everything that is not ignored.
pub(crate) fn commit_all(project: &TestProject) {
    let _ = project.git(["add", "--all"]).success();
    let _ = project
        .git(["commit", "--quiet", "--message", "All of it"])
        .success();
}

/// Inputs of the model in [`model_project`].
pub(crate) const FEATURES: usize = 20;

/// A project whose pipeline "trains" a real model: one that scikit-learn fitted and skl2onnx
/// exported, with its answers as the golden sample.
pub(crate) fn model_project() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let names: Vec<String> = (0..FEATURES).map(|place| format!("f{place}")).collect();
    let features = names
        .iter()
        .map(|name| format!("{name:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    project.write(
        "ketch.toml",
        format!(
            "[model.m]
artifact = \"model.onnx\"
golden = \"golden.json\"
reference = \"reference.csv\"
metric = {{ key = \"score\" }}
label = \"y\"
features = [{features}]
[model.m.gate]
min = 0.5
"
        ),
    );
    let row = |value: usize| {
        let values: Vec<String> = (0..=FEATURES).map(|_| (value % 2).to_string()).collect();
        values.join(",")
    };
    let rows: Vec<String> = (0..20).map(row).collect();
    project.write(
        "seed/reference.csv",
        format!("{},y\n{}\n", names.join(","), rows.join("\n")),
    );
    project.write(
        "seed/model.onnx",
        fs_err::read(golden_folder().join("model.onnx")).expect("a model"),
    );
    project.write("seed/golden.json", golden_sample().to_string());
    project.write("params.yaml", "train: {score: 0.75}\n");
    project.write(
        "dvc.yaml",
        "stages:
  prepare:
    cmd: cp seed/reference.csv reference.csv
    deps: [seed/reference.csv]
    outs: [reference.csv]
  train:
    cmd:
    - cp seed/model.onnx model.onnx
    - cp seed/golden.json golden.json
    - 'sed \"s/train: {score: \\\\(.*\\\\)}/{\\\"score\\\": \\\\1}/\" params.yaml > metrics.json'
    deps: [reference.csv, seed/golden.json, seed/model.onnx]
    params: [train.score]
    outs: [golden.json, model.onnx]
    metrics:
    - metrics.json: {cache: false}
",
    );
    project
}

/// The inputs of the golden sample's first row.
pub(crate) fn first_row() -> Value {
    golden_sample()["inputs"][0]["data"]
        .as_array()
        .expect("a list")[..FEATURES]
        .into()
}

/// Three rows of the answers that scikit-learn 1.9.1 gave, in the form of a golden sample.
fn golden_sample() -> Value {
    const ROWS: usize = 3;
    let text = fs_err::read_to_string(golden_folder().join("golden.json")).expect("its answers");
    let made: Value = serde_json::from_str(&text).expect("JSON");
    let tensors = |list: &Value| -> Vec<Value> {
        let tensor = |tensor: &Value| {
            let mut shape: Vec<u64> =
                serde_json::from_value(tensor["shape"].clone()).expect("a shape");
            let width: u64 = shape[1..].iter().product();
            shape[0] = ROWS as u64;
            let values = &tensor["values"].as_array().expect("a list")[..ROWS * width as usize];
            let datatype = match tensor["type"].as_str().expect("a type") {
                "float32" => "FP32",
                "int64" => "INT64",
                other => panic!("no golden sample has {other}"),
            };
            json!({ "name": tensor["name"], "shape": shape, "datatype": datatype, "data": values })
        };
        list.as_array()
            .expect("a list")
            .iter()
            .map(tensor)
            .collect()
    };
    json!({ "inputs": tensors(&made["inputs"]), "outputs": tensors(&made["outputs"]) })
}

fn golden_folder() -> Utf8PathBuf {
    Utf8PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../onnx-ml/tests/golden/logreg_bin"
    ))
}
