//! Stages written, listed and drawn by the name of `dvc`: what DVC 3.67.1 writes and answers.

use crate::personality::Step::{Commit, Ends, File, Files, Lines, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};
use crate::support::{commit_all, project};

const WRITTEN: &[Step] = &[
    Ends("init -q"),
    Write("raw", "1\n"),
    Write("tracked", "1\n"),
    Write("params.yaml", "lr: 1\ntrain: {x: 2}\n"),
    Write("sub/.keep", ""),
    Commit,
    Lines(
        "stage add -n prep -d raw -p train.x,lr -p other.json:b,a -p whole.toml: -o out1 -O out2 \
         --outs-persist out3 --outs-persist-no-cache out4 -m m1 -M m2 --plots p1 \
         --plots-no-cache p2 --always-changed --desc why echo hi > x",
    ),
    Files,
    Lines("stage add -n below -w sub -d ../raw -d ./more -o x -o ../a//b echo -n 1"),
    Lines(
        "stage add --name last --metrics sub/m.json echo --json -q and a very long line that goes on and on until it has to be folded",
    ),
    Lines("stage add -n ü-1_x echo"),
    Files,
    // What is refused leaves nothing behind.
    Ends("stage add -n prep echo"),
    Ends("stage add -n a.b echo"),
    Ends("stage add -n nothing"),
    Ends("stage add echo"),
    Ends("stage add -n s -o out1 echo"),
    Ends("stage add -n s -o out1/z echo"),
    Ends("stage add -n s -o sub echo"),
    Ends("stage add -n s -o . echo"),
    Ends("stage add -n s -d q -o q echo"),
    Ends("stage add -n s -d q -d ./q echo"),
    Ends("stage add -n s -o q -O q echo"),
    Ends("stage add -n s -o ../out echo"),
    Ends("stage add -n s -o s3://bucket/key echo"),
    Ends("stage add -n s -w nowhere echo"),
    Ends("stage add -n s -w .. echo"),
    Ends("stage add -n s -d sub/m.json -o raw2 -d out1 -p out3: -o other echo"),
    Ends("stage add -n circle -d other -o whole.toml echo"),
    Files,
    Lines("stage add -n outside -O ../out -d https://example.org/x echo"),
    Same("stage list"),
    Same("stage list --all"),
    Same("stage list --name-only"),
    Same("stage list prep last prep"),
    Same("stage list dvc.yaml:last"),
    Ends("stage list nope"),
    Ends("stage list dvc.yaml:nope"),
    Ends("stage list sub/dvc.yaml"),
    Same("--cd sub stage list ../dvc.yaml:last"),
    Lines("--cd sub stage add -n inner -d ../sub/m.json -o y -p ../params.yaml:lr echo"),
    Files,
    Same("--cd sub stage list"),
    Same("--cd sub stage list --all"),
    Same("stage list sub/dvc.yaml"),
    Same("stage list -R sub"),
    Same("stage list -R ."),
    Ends("add -q tracked2"),
    Write("data", "1\n"),
    Ends("add -q data"),
    Same("stage list data.dvc --all"),
    Same("stage list data.dvc"),
    Ends("stage list data"),
    // A stage in the place of another one: what people wrote stays.
    Remove("dvc.yaml"),
    Write(
        "dvc.yaml",
        "# top\nstages:\n  one: # first\n    desc: what for\n    cmd: a # b\n    deps:\n    - raw\n    outs:\n    - x:\n        type: model\n        labels:\n        - l\n    - y\n    meta:\n      who: me\n  two:\n    cmd: b\n    frozen: true\n",
    ),
    Lines("stage add -f -n one -d raw -o y -o x echo"),
    File("dvc.yaml"),
    Lines("stage add -f -n two -d data echo"),
    File("dvc.yaml"),
    Lines("stage add -n three -d data echo"),
    Same("stage list"),
    Remove("dvc.yaml"),
    Write("dvc.yaml", "stages:\n  one:\n    cmd: ${nope}\n"),
    Ends("stage add -n two echo"),
    Ends("stage list"),
    Same("stage list --all"),
    Ends("stage list --all --fail"),
    Ends("stage list -R . --fail"),
    Same("stage list data.dvc sub/dvc.yaml"),
];

#[test]
fn stages_are_written_and_listed_as_dvc_does() {
    if let Some(compared) = assert_same_answers(WRITTEN) {
        assert!(compared > 50, "{compared}");
    }
}

const RUN: &[Step] = &[
    Ends("init -q"),
    Write("raw", "1\n"),
    Ends("stage add -q -n copy -d raw -o made --run cp raw made"),
    Files,
    Ends("stage add -q -n fails -d made -o never --run false"),
    File("dvc.yaml"),
    File("dvc.lock"),
    Same("config core.autostage true"),
    Same("stage add -n staged -d made -o there cp made there"),
];

#[test]
fn a_stage_runs_when_it_is_written_as_with_dvc() {
    if let Some(compared) = assert_same_answers(RUN) {
        assert!(compared > 7, "{compared}");
    }
}

const PIPELINE: &str = "\
stages:
  eval:
    cmd: a
    deps: [model, data/x, pp.yaml]
    metrics: [m.json]
    outs: [b/plots, a/z]
  train:
    cmd: a
    deps: [data]
    params: [pp.yaml: [a]]
    outs: [model]
  feat:
    foreach: [1, 2]
    do:
      cmd: a ${item}
      deps: [data]
      outs: ['f${item}']
  join:
    cmd: x
    deps: [f1, f2]
    outs: [joined]
  pp:
    cmd: y
    outs: [pp.yaml]
  lone:
    cmd: z
";

const DRAWN: &[Step] = &[
    Ends("init -q"),
    Same("dag --dot"),
    Same("dag --mermaid"),
    Write("data/x", "1\n"),
    Write("sub/s", "2\n"),
    Ends("add -q data"),
    Ends("add -q sub/s"),
    Write("dvc.yaml", PIPELINE),
    Write(
        "sub/dvc.yaml",
        "stages:\n  s1:\n    cmd: a\n    deps: [../joined, s]\n    outs: [s1o]\n",
    ),
    Same("dag --dot"),
    Same("dag --mermaid"),
    Same("dag --md"),
    Same("dag --dot -o"),
    Same("dag --mermaid --outs"),
    Same("dag --md -o"),
    Same("dag --dot train"),
    Same("dag --dot --full join"),
    Same("dag --mermaid --full lone"),
    Same("dag --dot model"),
    Same("dag --dot data.dvc"),
    Same("dag --dot data/x"),
    Same("dag --dot feat"),
    Same("dag --dot feat@2"),
    Same("dag --dot sub/dvc.yaml"),
    Same("dag --dot sub/dvc.yaml:s1"),
    Same("dag --dot dvc.yaml"),
    Same("dag --dot -o train"),
    Same("dag --dot -o feat"),
    Same("dag --mermaid -o --full join"),
    Same("dag --dot --collapse-foreach-matrix"),
    Same("dag --mermaid --collapse-foreach-matrix"),
    Same("dag --dot --collapse-foreach-matrix join"),
    Same("--cd sub dag --dot"),
    Same("--cd sub dag --mermaid -o"),
    Same("--cd sub dag --dot s1"),
    Same("--cd sub dag --dot ../joined"),
    Same("stage list -R ."),
    Same("stage list feat"),
    Ends("dag"),
    Ends("dag -q"),
    Ends("dag nope"),
    Ends("dag -o --collapse-foreach-matrix"),
    Write(
        "sub/dvc.yaml",
        "stages:\n  s1:\n    cmd: a\n    deps: [../joined, s]\n    outs: [../pp.yaml2, ../a/q]\n  s2:\n    cmd: b\n    deps: [../a/q]\n    outs: [../data2]\n  s3:\n    cmd: c\n    deps: [../data2]\n    params: [../q.yaml: [x]]\n    outs: [r]\n  s4:\n    cmd: d\n    deps: [r]\n    outs: [../q.yaml]\n",
    ),
    Ends("dag --dot"),
];

#[test]
fn graphs_are_those_of_dvc() {
    if let Some(compared) = assert_same_answers(DRAWN) {
        assert!(compared > 35, "{compared}");
    }
}

/// What DVC's author cannot mean is done as the command line says.
#[test]
fn words_behind_a_double_dash_are_the_command_and_a_description_given_counts() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let add = |words: &[&str]| {
        let words = ["stage", "add", "-f", "-n", "s"].iter().chain(words);
        project.ketch(words.copied().collect::<Vec<_>>()).success()
    };
    let _ = add(&["--desc", "old", "--", "echo", "a b", "-x"]);
    let text = "stages:\n  s:\n    desc: old\n    cmd: echo \"a b\" -x\n";
    assert_eq!(project.read("dvc.yaml"), text);
    let _ = add(&["--desc", "new", "echo \"a b\" -x"]);
    assert_eq!(project.read("dvc.yaml"), text.replace("old", "new"));
    let _ = add(&["echo"]);
    assert_eq!(
        project.read("dvc.yaml"),
        "stages:\n  s:\n    desc: new\n    cmd: echo\n"
    );
    commit_all(&project);
    project.write("dvc.yaml", "stages:\n  a: &a\n    cmd: x\n  s: *a\n");
    let refused = project
        .ketch(["stage", "add", "-f", "-n", "s", "echo"])
        .failure(3);
    insta::assert_snapshot!(refused.stderr, @"
    error: stage `s` cannot be written into `dvc.yaml` without touching other text
      hint: write it into `dvc.yaml` by hand
    ");
    project.write("hidden/x", "");
    project.write(".gitignore", "/hidden/\n");
    let refused = project
        .ketch(["-C", "hidden", "stage", "add", "-n", "t", "echo"])
        .failure(3);
    insta::assert_snapshot!(refused.stderr, @"
    error: Git ignores `hidden/dvc.yaml`
      hint: take it out of `.gitignore`
    ");
}

#[test]
fn a_pipeline_is_drawn_in_layers() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/x", "1\n");
    let _ = project.ketch(["add", "data"]).success();
    project.write("dvc.yaml", PIPELINE);
    let drawn = project.ketch(["dag"]).success();
    insta::assert_snapshot!(drawn.stdout, @"
                  +----------+        +----+
                  | data.dvc |        | pp |
                  +----------+        +----+
                        |                |
         +-----------+--+----+------+    |
         |           |       |      | +--+---+
         |           |       |      | |      |
    +--------+  +--------+   |   +-------+   |
    | feat@1 |  | feat@2 |   |   | train |   |
    +--------+  +--------+   |   +-------+   |
         |           |       |       |       |
         +----+      |       +-----+ |       |
              | +----+             | | +-----+
              | |                  | | |
           +------+              +------+
           | join |              | eval |
           +------+              +------+

    +------+
    | lone |
    +------+
    ");
    let json = project.ketch(["dag", "join", "--json"]).success();
    insta::assert_snapshot!(json.stdout, @r#"
    {
      "nodes": [
        "data.dvc",
        "feat@1",
        "feat@2",
        "join"
      ],
      "edges": [
        [
          "data.dvc",
          "feat@1"
        ],
        [
          "data.dvc",
          "feat@2"
        ],
        [
          "feat@1",
          "join"
        ],
        [
          "feat@2",
          "join"
        ]
      ]
    }
    "#);
}
