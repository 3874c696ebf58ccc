//! Pipelines that make no sense, and those that are broken.

use ketch_project::ReproOptions;

use crate::sandbox::Sandbox;

fn complaint(sandbox: &Sandbox) -> (String, String) {
    let error = sandbox.try_repro(&ReproOptions::default()).unwrap_err();
    (error.to_string(), error.hint().unwrap_or_default())
}

fn with_pipeline(text: &str) -> (String, String) {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", text);
    complaint(&sandbox)
}

#[test]
fn a_circle_is_named() {
    let (message, hint) = with_pipeline(
        "stages:\n  a:\n    cmd: x\n    deps: [c.txt]\n    outs: [a.txt]\n  b:\n    cmd: x\n    deps: [a.txt]\n    outs: [b.txt]\n  c:\n    cmd: x\n    deps: [b.txt]\n    outs: [c.txt]\n",
    );
    assert_eq!(
        message,
        "stages depend on each other in a circle: a → c → b → a"
    );
    assert!(hint.contains("dependencies"), "{hint}");
    let (message, _) =
        with_pipeline("stages:\n  self:\n    cmd: x\n    deps: [d/x]\n    outs: [d]\n");
    assert_eq!(
        message,
        "stages depend on each other in a circle: self → self"
    );
}

#[test]
fn overlapping_outputs_are_named() {
    let (message, _) = with_pipeline(
        "stages:\n  a:\n    cmd: x\n    outs: [data/sub]\n  b:\n    cmd: x\n    outs: [data]\n",
    );
    assert_eq!(
        message,
        "`data` and `data/sub` overlap: outputs of stage `b` and stage `a`"
    );

    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    outs: [data]\n");
    sandbox.write(
        "data.dvc",
        "outs:\n- md5: b1946ac92492d2347c6235b4d2611184\n  hash: md5\n  path: data\n",
    );
    assert_eq!(
        complaint(&sandbox).0,
        "`data` and `data` overlap: outputs of `data.dvc` and stage `a`"
    );
}

#[test]
fn broken_files_are_named_with_the_line() {
    let (message, _) = with_pipeline("stages:\n  a:\n    cmd: x\n    depz: [y]\n");
    assert!(message.starts_with("dvc.yaml:4:5: "), "{message}");
    let (message, _) = with_pipeline("stages:\n  a: [\n");
    assert!(message.starts_with("dvc.yaml:"), "{message}");

    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", "stages: {}\n");
    sandbox.write("dvc.lock", "schema: '1.0'\n");
    assert!(
        complaint(&sandbox).0.starts_with("dvc.lock:"),
        "{}",
        complaint(&sandbox).0
    );

    let sandbox = Sandbox::new();
    sandbox.write("sub/x.dvc", "outs: 3\n");
    assert!(
        complaint(&sandbox).0.starts_with("sub/x.dvc:1:"),
        "{}",
        complaint(&sandbox).0
    );

    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", b"stages:\n  a:\n    cmd: \xff\n");
    assert!(
        complaint(&sandbox).0.contains("dvc.yaml"),
        "{}",
        complaint(&sandbox).0
    );
}

#[test]
fn missing_inputs_are_named() {
    let (message, hint) =
        with_pipeline("stages:\n  a:\n    cmd: x\n    deps: [nothing.csv]\n    outs: [o]\n");
    assert_eq!(
        message,
        "stage `a` depends on `nothing.csv`, which does not exist"
    );
    assert!(hint.contains("nothing.csv"));
    let pipeline = "stages:\n  a:\n    cmd: x\n    params: [lr]\n    outs: [o]\n";
    let (message, _) = with_pipeline(pipeline);
    assert_eq!(
        message,
        "stage `a` depends on `params.yaml`, which does not exist"
    );
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", pipeline);
    sandbox.write("params.yaml", "lt: 1\n");
    assert_eq!(
        complaint(&sandbox).0,
        "stage `a` wants parameter `lr`, which `params.yaml` does not have"
    );
}

#[test]
fn outputs_that_would_hurt_are_refused() {
    for output in ["..", ".", ".dvc", "../sibling"] {
        let sandbox = Sandbox::new();
        sandbox.write(
            "dvc.yaml",
            format!("stages:\n  a:\n    cmd: x\n    outs: ['{output}']\n"),
        );
        let (message, _) = complaint(&sandbox);
        assert!(
            message.contains("outside the project")
                || message.contains("output of the project itself"),
            "{output}: {message}"
        );
        assert!(sandbox.exists(".dvc/config") && sandbox.exists("dvc.yaml"));
    }
    let sandbox = Sandbox::new();
    sandbox.write("tracked", "x");
    sandbox.git(&["add", "tracked"]);
    sandbox.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: x\n    outs: [tracked]\n",
    );
    let (message, hint) = complaint(&sandbox);
    assert_eq!(
        message,
        "Git tracks `tracked`, so it cannot be a data output"
    );
    assert!(hint.contains("git rm -r --cached"));
    assert!(
        sandbox.exists("tracked"),
        "refused before anything was removed"
    );
}

#[test]
fn urls_are_refused_clearly() {
    let (message, hint) =
        with_pipeline("stages:\n  a:\n    cmd: x\n    deps: ['s3://bucket/key']\n    outs: [o]\n");
    assert_eq!(
        message,
        "stage `a` uses `s3://bucket/key`, which is not a local file"
    );
    assert!(hint.contains("import-url"));
}

#[test]
fn a_pipeline_of_two_thousand_stages() {
    use std::fmt::Write;
    let mut text = String::from("stages:\n");
    for number in (1..2000).rev() {
        let before = number - 1;
        write!(
            text,
            "  s{number}:\n    cmd: x\n    deps: [f{before}]\n    outs: [f{number}]\n"
        )
        .unwrap();
    }
    let sandbox = Sandbox::new();
    sandbox.write("f0", "");
    sandbox.write("dvc.yaml", text);
    let options = ReproOptions {
        mode: ketch_project::ReproMode::DryRun,
        targets: vec!["s500".into()],
        ..ReproOptions::default()
    };
    let report = sandbox.try_repro(&options).unwrap();
    assert_eq!(report.stages.len(), 500);
    assert_eq!(report.stages[499].stage, "s500");
}
