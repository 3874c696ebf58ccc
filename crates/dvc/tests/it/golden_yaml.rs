//! `golden/dvc-yaml.json`: 147 values and what DVC 3.67.1 with ruamel.yaml 0.19.1 writes for each.

use indexmap::IndexMap;
use ketch_dvc::yaml::{self, Value};
use serde_json::Value as Json;

fn mapping(key: &str, value: Value) -> Value {
    Value::Mapping(IndexMap::from([(key.into(), value)]))
}

/// Parameters are recorded by their Python `repr`; what DVC wrote for them is YAML that we read.
fn parameter(expected: &str) -> Value {
    let root = yaml::parse(expected, "expected").unwrap().to_value();
    let mut value = &root;
    for key in ["stages", "s", "params", "params.yaml", "k"] {
        value = &value.as_mapping().unwrap()[key];
    }
    value.clone()
}

#[test]
fn writes_and_reads_what_dvc_writes() {
    let cases: Vec<IndexMap<String, String>> =
        serde_json::from_str(include_str!("../golden/dvc-yaml.json")).unwrap();
    assert_eq!(cases.len(), 147);
    let mut different = Vec::new();
    let mut spoiled = Vec::new();
    for case in &cases {
        let text = Value::String(case["value"].clone());
        for (place, expected) in case.iter().filter(|(place, _)| *place != "value") {
            let value = match place.as_str() {
                "as_cmd_in_lock" => mapping("stages", mapping("s", mapping("cmd", text.clone()))),
                "as_path" => mapping("outs", Value::Sequence(vec![mapping("path", text.clone())])),
                "as_key" => mapping(&case["value"], Value::Int(1)),
                "as_param" => {
                    let value = parameter(expected);
                    assert_eq!(python_repr(&value), case["value"], "{expected}");
                    mapping(
                        "stages",
                        mapping(
                            "s",
                            mapping("params", mapping("params.yaml", mapping("k", value))),
                        ),
                    )
                }
                other => panic!("no such place: {other}"),
            };
            let written = yaml::emit(&value);
            if written != *expected {
                different.push(format!("{place}\n  ours {written:?}\n  dvc  {expected:?}"));
            }
            let readable = yaml::emit_readable(&value);
            let read = yaml::parse(&readable, "readable").unwrap().to_value();
            assert!(read == value || case["value"] == "nan", "{readable:?}");
            if readable != *expected {
                spoiled.push((place.as_str(), &case["value"]));
                let read = yaml::parse(expected, "expected").map(|read| read.to_value());
                assert!(
                    read.is_err() || read.is_ok_and(|read| read != value),
                    "{expected:?}"
                );
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differ\n{}",
        different.len(),
        different.join("\n")
    );
    // A raw U+2028, three long keys and a run of blanks at a fold: see `emit_readable`.
    assert_eq!(spoiled.len(), 8, "{spoiled:?}");
}

/// Python's `repr` of the parameters that the golden file has.
fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Sequence(items) => {
            format!(
                "[{}]",
                items.iter().map(python_repr).collect::<Vec<_>>().join(", ")
            )
        }
        Value::Mapping(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("'{key}': {}", python_repr(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => yaml::emit(scalar)
            .trim_end()
            .trim_start_matches('.')
            .replace("-.", "-"),
    }
}

#[test]
fn the_golden_file_is_the_one_described() {
    let cases: Json = serde_json::from_str(include_str!("../golden/dvc-yaml.json")).unwrap();
    let with = |place: &str| {
        cases
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case.get(place).is_some())
            .count()
    };
    assert_eq!(
        (
            with("as_cmd_in_lock"),
            with("as_path"),
            with("as_key"),
            with("as_param")
        ),
        (119, 119, 119, 28)
    );
}

#[test]
fn an_escape_in_the_last_column_does_not_fold_yet() {
    // DVC 3.67.1 with ruamel.yaml 0.19.1.
    let path = "p/mnfja j hr o pw d pd    y  k qf lcdy b w  b fa]OrV!#<:%^qR9c0'x/\\ b ccd  tfju  hvzgp   towddn ";
    let value = mapping(
        "stages",
        mapping(
            "train",
            mapping("outs", Value::Sequence(vec![mapping("path", path.into())])),
        ),
    );
    assert_eq!(
        yaml::emit(&value),
        "stages:\n  train:\n    outs:\n    - path: \"p/mnfja j hr o pw d pd    y  k qf lcdy b w  b fa]OrV!#<:%^qR9c0'x/\\\\\\\n        \\ b ccd  tfju  hvzgp   towddn \"\n"
    );
}
