use camino::Utf8Path;
use ketch_project::{ProjectError, lineage, metrics};

use crate::sandbox::Sandbox;

const PIPELINE: &str = "\
stages:
  prepare:
    cmd: head -c 3 raw > prepared
    deps: [raw]
    params:
    - prepare.first
    - other.json:
      - k
    outs: [prepared]
  train:
    cmd:
    - cp prepared model
    - echo '{\"a\":{\"b\":0.5},\"list\":[1,2],\"t\":\"x\"}' > m.json
    deps: [prepared]
    outs: [model]
    metrics:
    - m.json:
        cache: false
";

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", PIPELINE);
    sandbox.write("params.yaml", "prepare: {first: 12}\n");
    sandbox.write("other.json", "{\"k\": [1, \"x\"]}");
    sandbox.write("raw", "hello\n");
    sandbox
}

#[test]
fn an_output_knows_what_it_came_from() {
    let sandbox = project();
    let error = lineage(&sandbox.open(), "model".into()).unwrap_err();
    assert!(matches!(error, ProjectError::NotRecorded { .. }), "{error}");
    sandbox.repro();
    let commit = sandbox.commit("first");
    let found = lineage(&sandbox.open(), "model".into()).unwrap();
    assert_eq!(found.commit.as_ref().unwrap().as_str(), commit);
    assert!(!found.dirty);
    assert_eq!(found.stage, "train");
    assert!(found.command.starts_with("cp prepared model\necho "));
    assert_eq!(found.deps[0].0, "prepared");
    let outs: Vec<_> = found.outs.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(outs, ["m.json", "model"]);
    let upstream = &found.upstream[0];
    assert_eq!(found.upstream.len(), 1);
    assert_eq!(upstream.stage, "prepare");
    assert_eq!(
        upstream.deps[0].1.to_string(),
        "b1946ac92492d2347c6235b4d2611184"
    );
    assert_eq!(
        upstream.params,
        [
            ("prepare.first".into(), "12".into()),
            ("other.json:k".into(), "[1, x]".into())
        ]
    );
    sandbox.write("params.yaml", "prepare: {first: 13}\n");
    assert!(lineage(&sandbox.open(), "model".into()).unwrap().dirty);
    let error = lineage(&sandbox.open(), "raw".into()).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownTarget { .. }),
        "{error}"
    );
}

#[test]
fn metrics_are_numbers_by_path() {
    let sandbox = project();
    assert!(metrics(&sandbox.open()).unwrap().is_empty());
    sandbox.repro();
    let found = metrics(&sandbox.open()).unwrap();
    let numbers: Vec<_> = found[Utf8Path::new("m.json")]
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    assert_eq!(numbers, [("a.b", 0.5), ("list.0", 1.0), ("list.1", 2.0)]);
    sandbox.write("m.json", "{broken");
    let error = metrics(&sandbox.open()).unwrap_err();
    assert!(error.to_string().contains("m.json"), "{error}");
}
