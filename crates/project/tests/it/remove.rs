//! Several things that are no longer tracked, at once.

use ketch_project::{ProjectError, RemoveOptions, RemoveReport, RemovedOutputs, remove};
use ketch_store::Silent;

use crate::sandbox::Sandbox;

const PIPELINE: &str = "# why
stages: # both of them
  first:
    cmd: cp raw one
    deps: [raw]
    outs: [one]
  second:
    cmd: cp one two
    deps: [one]
    outs: [two]
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("raw", "1\n");
    sandbox.write("dvc.yaml", PIPELINE);
    sandbox
        .try_repro(&ketch_project::ReproOptions::default())
        .unwrap();
    sandbox
}

fn without(sandbox: &Sandbox, targets: &[&str]) -> Result<RemoveReport, ProjectError> {
    let options = RemoveOptions {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        outputs: RemovedOutputs::Keep,
        trash: "now".to_owned(),
    };
    remove(&sandbox.open(), &options, &Silent)
}

#[test]
fn a_pipeline_and_one_of_its_stages_go_together() {
    for targets in [
        ["dvc.yaml", "first"],
        ["second", "dvc.yaml"],
        ["dvc.yaml", "dvc.yaml"],
    ] {
        let sandbox = sandbox();
        let report = without(&sandbox, &targets).unwrap();
        assert_eq!(report.removed, ["dvc.yaml"]);
        for gone in ["dvc.yaml", "dvc.lock", ".gitignore"] {
            assert!(!sandbox.exists(gone), "{gone} after {targets:?}");
        }
        assert_eq!(sandbox.read("two"), "1\n");
    }
}

#[test]
fn all_stages_of_a_file_are_all_of_it() {
    let sandbox = sandbox();
    let report = without(&sandbox, &["first", "second", "first"]).unwrap();
    assert_eq!(report.removed, ["first", "second"]);
    for gone in ["dvc.yaml", "dvc.lock", ".gitignore"] {
        assert!(!sandbox.exists(gone), "{gone}");
    }
}

#[test]
fn nothing_goes_where_something_cannot() {
    let sandbox = sandbox();
    let before = ["dvc.yaml", "dvc.lock", ".gitignore"].map(|file| sandbox.read(file));
    let error = without(&sandbox, &["first", "dvc.yaml", "third"]).unwrap_err();
    assert!(error.to_string().contains("third"), "{error}");
    // What one stage is written with goes with the other.
    let anchored = PIPELINE
        .replace("deps: [raw]", "deps: &raw [raw]")
        .replace("deps: [one]", "deps: *raw");
    sandbox.write("dvc.yaml", &anchored);
    without(&sandbox, &["first"]).unwrap_err();
    assert_eq!(sandbox.read("dvc.yaml"), anchored);
    sandbox.write("dvc.yaml", PIPELINE);
    let after = ["dvc.yaml", "dvc.lock", ".gitignore"].map(|file| sandbox.read(file));
    assert_eq!(before, after);
}
