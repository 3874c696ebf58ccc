//! `repro` and its flags, by the name of `dvc`: which stages DVC 3.67.1 runs, and what it records.

use crate::personality::Step::{Commit, Ends, File, Files, Remove, Write};
use crate::personality::{Step, assert_same_answers};

/// A pipeline of which every stage tells that it ran; `right` does what is asked for besides.
macro_rules! pipeline {
    ($right:literal) => {
        concat!(
            "\
stages:
  src:
    cmd: echo src >> ran; echo 1 > src
    outs: [src]
  left:
    cmd: echo left >> ran; cp src left
    deps: [src]
    params: [depth]
    outs: [left]
  right:
    cmd: echo right >> ran; ",
            $right,
            "wc -l < src > right
    deps: [src]
    outs: [right]
    metrics:
    - m.json: {cache: false}
  join:
    cmd: [echo join >> ran, cat left right > join]
    deps: [left, right]
    outs: [join]
  alone:
    cmd: echo alone >> ran; cp data alone
    deps: [data]
    outs:
    - alone: {persist: true}
  always:
    cmd: echo always >> ran
    always_changed: true
"
        )
    };
}

const PIPELINE: &str = pipeline!(r#"echo '{"a":1}' > m.json; "#);

/// The metric is not made.
const BROKEN: &str = pipeline!("");

const SUB: &str = "\
stages:
  deep:
    cmd: echo deep >> ../ran; cat ../join > deep
    deps: [../join]
    outs: [deep]
";

const STORY: &[Step] = &[
    Ends("init -q"),
    Write("data", "d\n"),
    Write("ran", ""),
    Write("params.yaml", "depth: 1\n"),
    Ends("add -q data"),
    Write("sub/dvc.yaml", SUB),
    Write("dvc.yaml", PIPELINE),
    // (Of a pipeline that never ran DVC can say nothing: `repro --dry` fails.)
    Ends("repro -q left"),
    Files,
    Ends("repro -q"),
    Files,
    Ends("repro -q"),
    Files,
    Commit,
    Ends("repro -q -P"),
    Files,
    Ends("repro -q -f right"),
    Files,
    Ends("repro -q -s -f join"),
    Files,
    // One parameter, and what follows from it.
    Write("params.yaml", "depth: 2\n"),
    Ends("repro -q --single-item join"),
    Files,
    Ends("repro -q --downstream right"),
    Files,
    Ends("repro -q --downstream left"),
    Files,
    Write("params.yaml", "depth: 3\n"),
    Ends("repro -q --force-downstream left join"),
    Files,
    Ends("repro -q -p alone"),
    Files,
    // Run like that before.
    Write("params.yaml", "depth: 2\n"),
    Ends("repro -q left"),
    Files,
    Write("params.yaml", "depth: 1\n"),
    Ends("repro -q --no-run-cache left"),
    Files,
    Remove("left"),
    Ends("repro -q left"),
    Files,
    Ends("repro -q --glob ri*"),
    // (A pattern that matches nothing stands for everything to DVC.)
    Ends("repro -q -R sub"),
    Files,
    Ends("repro -q sub/dvc.yaml:deep"),
    Ends("repro -q sub/dvc.yaml"),
    Ends("--cd sub repro -q"),
    Ends("--cd sub repro -q deep"),
    Ends("repro nothing"),
    Ends("repro nothing.yaml"),
    Ends("repro data.dvc"),
    Files,
    // Nothing of it goes into the cache.
    Write("data", "changed\n"),
    Ends("repro -q alone"),
    Files,
    Write("params.yaml", "depth: 9\n"),
    Ends("repro -q --no-commit left"),
    Files,
    Ends("commit -q -f"),
    Files,
    // Data that is not here.
    Ends("remote add -q -d st ../store"),
    Ends("push -q"),
    Remove(".dvc/cache"),
    Remove("left"),
    Remove("src"),
    Ends("repro -q --allow-missing join"),
    Files,
    Ends("repro -q --pull join"),
    Files,
    Remove(".dvc/cache"),
    Remove("data"),
    Remove("alone"),
    Ends("repro -q --pull alone"),
    Files,
    Ends("repro -q -f --pull alone"),
    Files,
];

/// (When a command fails, DVC takes back what it wrote into `.gitignore`, for stages that did not
/// fail too.)
const FAILING: &[Step] = &[
    Ends("init -q"),
    Write("data", "d\n"),
    Write("ran", ""),
    Write("params.yaml", "depth: 1\n"),
    Write("dvc.yaml", BROKEN),
    Write("sub/dvc.yaml", SUB),
    Ends("repro -q"),
    File("ran"),
    File("dvc.lock"),
    Ends("repro -q --keep-going"),
    File("ran"),
    File("dvc.lock"),
    Ends("repro -q --ignore-errors"),
    File("ran"),
    File("dvc.lock"),
    Write("dvc.yaml", ""),
    Ends("repro"),
];

#[test]
fn failures_stop_the_same_stages() {
    if let Some(compared) = assert_same_answers(FAILING) {
        assert!(compared > 8, "{compared}");
    }
}

#[test]
fn the_same_stages_run_and_are_recorded() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 50, "{compared}");
    }
}
