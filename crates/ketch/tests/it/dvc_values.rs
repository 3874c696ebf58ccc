//! Parameters and metrics shown and compared by the name of `dvc`: what DVC 3.67.1 answers. Which file comes
//! first and the order of JSON are left to chance there.

use crate::personality::Step::{Commit, Ends, Json, Lines, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};
use crate::support::{commit_all, pipeline};

const PIPELINE: &str = "\
params: [extra.toml]
metrics: [top.json, cached.json]
stages:
  t:
    cmd: cp src.json m.json; cp src.json cached.json; cp src2 y.yaml
    params: [lr, train, other.json: [x.y], py.py: [A, B.c]]
    metrics: [m.json: {cache: false}, y.yaml: {cache: false}]
    outs: [cached.json]
  d:
    cmd: mkdir -p dir/deep && cp src.json dir/deep/m.json
    deps: [src.json]
    metrics: [dir]
";

const STORY: &[Step] = &[
    Ends("init -q"),
    Same("metrics show"),
    Same("metrics show -a"),
    Same("params diff"),
    Same("metrics diff --json"),
    Write("dvc.yaml", PIPELINE),
    Write("sub/.keep", ""),
    Write(
        "src.json",
        r#"{"a":{"b":1.123456789,"s":"x|y"},"l":[1,2],"n":null,"t":true,"z":{}}"#,
    ),
    Write("src2", "k: 1\n"),
    Write(
        "params.yaml",
        "{lr: 0.1, train: {n: [1, 2], deep: {x: a}}, unused: 5, e: {}, lst: [{a: 1.0}], same: [1], big: 3000000000}\n",
    ),
    Write("other.json", r#"{"x": {"y": 1, "z": 2}}"#),
    Write("py.py", "A = 1\nclass B:\n    c = \"s\"\n    d = 3\n"),
    Write("extra.toml", "[t]\na = 1\n"),
    Write("top.json", "0.5\n"),
    Ends("repro -q"),
    Same("metrics diff"),
    Commit,
    Same("params diff"),
    Same("params diff --md"),
    Json("params diff --json"),
    Json("params diff --all --json"),
    Lines("params diff --all"),
    Lines("metrics diff --all"),
    Lines("metrics show"),
    Lines("metrics show -a --md"),
    Lines("metrics show -T"),
    Json("metrics show -aT --json"),
    Ends("metrics show -A"),
    Write(
        "params.yaml",
        "{lr: 0.2, train: {n: [1], deep: {x: b, q: 1}}, unused: 6, dd: null, e: 1, lst: [{a: 2}], same: [2], t: true, big: 3.5e+20}\n",
    ),
    Write("py.py", "A = 2\nclass B:\n    c = \"s\"\n"),
    Remove("other.json"),
    Write("extra.toml", "[t]\na = 2\n"),
    Write(
        "m.json",
        r#"{"a":{"b":2.123456789,"s":"y"},"l":[1,2],"n":1,"t":false,"new":1e-9,"half":0.000005}"#,
    ),
    Write("top.json", "1\n"),
    Lines("params diff"),
    Json("params diff --json"),
    Lines("params diff --md"),
    Lines("params diff --no-path"),
    Lines("params diff --deps"),
    Json("params diff --deps --json"),
    Same("params diff --targets params.yaml"),
    Same("params diff --targets params.yaml --md --no-path"),
    Json("params diff --targets params.yaml extra.toml --all --json"),
    Same("params diff --targets nope.yaml"),
    Same("params diff HEAD HEAD"),
    Json("params diff HEAD workspace --json"),
    Ends("params diff nosuch"),
    Ends("params diff HEAD nosuch"),
    Ends("params"),
    Lines("metrics diff"),
    Json("metrics diff --json"),
    Lines("metrics diff --md"),
    Lines("metrics diff --no-path"),
    Lines("metrics diff --precision 2"),
    Lines("metrics diff --precision 0"),
    Json("metrics diff --all --json"),
    Same("metrics diff --targets m.json"),
    Json("metrics diff --targets m.json params.yaml --json"),
    Same("metrics diff --targets nope.json"),
    Json("metrics diff -R --targets dir --all --json"),
    Ends("metrics diff nosuch"),
    Lines("metrics show -a"),
    Json("metrics show -a --json"),
    Json("metrics show --json"),
    Lines("metrics show --md"),
    Lines("metrics show --precision 2"),
    Lines("metrics show --precision 0"),
    Same("metrics show m.json"),
    Same("metrics show -R dir -a"),
    Json("metrics show dir params.yaml --json"),
    Same("metrics show nope.json"),
    Json("--cd sub metrics show --json"),
    Lines("--cd sub metrics show ../m.json ../dir"),
    Lines("--cd sub params diff"),
    Json("--cd sub metrics diff --json"),
    Same("--cd sub metrics diff --targets ../m.json"),
    Commit,
    Lines("params diff HEAD~1 HEAD"),
    Json("metrics diff HEAD~1 HEAD --json"),
    Json("metrics diff HEAD HEAD~1 --json"),
    // What is only in the cache.
    Remove("cached.json"),
    Remove("dir"),
    Json("metrics diff --all --json"),
    Json("metrics diff HEAD~1 HEAD --all --json"),
    Lines("metrics show"),
    Json("metrics show -a --json"),
    // One broken file leaves the others known.
    Write("y.yaml", "{\n"),
    Write("extra.toml", "[t\n"),
    Lines("metrics diff"),
    Lines("metrics show"),
    Lines("metrics show -a"),
    Lines("params diff HEAD~1"),
    Json("params diff HEAD~1 --json"),
    Write("top.json", "{\"a\": 1}\n"),
    Json("metrics diff --json"),
];

#[test]
fn values_are_compared_as_dvc_does() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared >= 50, "{compared}");
    }
}

#[test]
fn people_see_what_changed_and_what_could_not_be_read() {
    let project = pipeline();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let same = project.ketch(["params", "diff"]).success();
    assert_eq!(
        (same.stdout.as_str(), same.stderr.as_str()),
        ("", "no parameters differ\n")
    );
    project.write("params.yaml", "train:\n  factor: 3\n");
    let _ = project.ketch(["repro"]).success();
    project.write("broken.json", "{");
    let diff = project
        .ketch([
            "metrics",
            "diff",
            "--targets",
            "metrics.json",
            "broken.json",
        ])
        .success();
    insta::assert_snapshot!(diff.stdout, @"
    Path          Metric    HEAD    workspace    Change
    metrics.json  score     0.24    0.36         0.12
    ");
    insta::assert_snapshot!(diff.stderr, @"
    warning: not all metrics of HEAD are known: `broken.json` is neither there nor in the cache
    warning: not all metrics of workspace are known: broken.json:1:1: not valid JSON: EOF while parsing an object
    ");
    let diff = project.ketch(["params", "diff", "--json"]).success();
    insta::assert_snapshot!(diff.stdout, @r#"
    {
      "params.yaml": {
        "train.factor": {
          "old": 2,
          "new": 3,
          "diff": 1
        }
      }
    }
    "#);
}
