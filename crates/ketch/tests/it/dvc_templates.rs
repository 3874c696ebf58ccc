//! A project whose `dvc.yaml` has variables, `foreach` and `matrix`, by the name of `dvc`: what DVC
//! 3.67.1 answers about it.

use crate::personality::Step::{Commit, Ends, Json, Lines, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};

const PIPELINE: &str = "\
vars:
- conf/names.json
- {ending: txt}
stages:
  split:
    foreach: ${parts}
    do:
      cmd: head -n ${item.lines} rows > ${key}.${ending}
      deps: [rows]
      outs: ['${key}.${ending}']
  train:
    matrix:
      part: ['a', b]
      depth: ${train.depths}
    wdir: models
    cmd: echo ${train.name} ${item.depth} > ${key}.m && cat ../${item.part}.txt >> ${key}.m; echo \\${HOME} > /dev/null
    deps: ['../${item.part}.txt']
    params: [../params.yaml: [train.name]]
    outs: ['${key}.m']
  join:
    cmd: cat models/*.m > ${out}
    deps: [models/a-1.m, models/b-2.m]
    params: [conf/settings.py: [Join, SIZES, EPS]]
    outs: ['${out}']
metrics: []
";

const SETTINGS: &str = "\
import os
SIZES = (1, 2)
EPS: float = 1e-5
HOME = os.getcwd()
class Join:
    deep = {'a': [1, None], 'b': 'it\\'s'}
    def __init__(self):
        self.sep = \"\\n\"
";

const STORY: &[Step] = &[
    Ends("init -q"),
    Write("rows", "1\n2\n3\n4\n"),
    Write("models/.keep", ""),
    Write(
        "params.yaml",
        "parts: {a: {lines: 1}, b: {lines: 3}}\ntrain: {depths: [1, 2], name: tree}\n",
    ),
    Write("conf/settings.py", SETTINGS),
    Write("conf/names.json", r#"{"out": "all.txt"}"#),
    Write("dvc.yaml", PIPELINE),
    Same("status -q"),
    Ends("repro -q"),
    Commit,
    Same("status"),
    Same("status split"),
    Same("status train@a-2"),
    Ends("status split@c"),
    Same("remote add -d st ../store"),
    Same("push split"),
    Lines("status -c train"),
    Same("push"),
    Same("status -c"),
    Remove(".dvc/cache"),
    Same("fetch split@a"),
    Same("fetch train"),
    Same("pull"),
    Remove("models/a-1.m"),
    Remove("a.txt"),
    Same("checkout train"),
    Same("status split"),
    Same("checkout split@a"),
    // One part is made of more: its stages, and what follows from them.
    Write(
        "params.yaml",
        "parts: {a: {lines: 2}, b: {lines: 3}}\ntrain: {depths: [1, 2], name: tree}\n",
    ),
    Same("status"),
    Json("status --json"),
    Ends("repro -q"),
    Same("diff"),
    Json("diff --json"),
    Lines("data status"),
    Commit,
    Same("diff HEAD~1"),
    Write(
        "params.yaml",
        "parts: {a: {lines: 2}, b: {lines: 3}}\ntrain: {depths: [1, 2], name: bush}\n",
    ),
    Same("status train@b-1"),
    Ends("commit -q -f train"),
    Same("status train"),
    Write(
        "conf/settings.py",
        "SIZES = [1, 2]\nEPS = 1\nclass Join:\n    deep = {}\n",
    ),
    Same("status join"),
    Write("conf/settings.py", "SIZES = [1, 2\n"),
    Ends("status join"),
    Write("conf/settings.py", SETTINGS),
    // What stands for many stages is written by hand.
    Ends("freeze split@a"),
    Ends("freeze split"),
    Ends("remove train"),
    Ends("remove train@a-1"),
    // (DVC cannot freeze a stage with templates; ketch edits the text.)
    Same("gc -w -f"),
    // A stage less, and one whose name is another.
    Write(
        "params.yaml",
        "parts: {a: {lines: 2}, c: {lines: 3}}\ntrain: {depths: [1, 2], name: bush}\n",
    ),
    Same("status split"),
    // And nothing to fill in.
    Write("params.yaml", "train: {depths: [1, 2], name: bush}\n"),
    Ends("status"),
    Remove("params.yaml"),
    Ends("status"),
    Write("conf/settings.py", SETTINGS),
    Write("conf/names.json", "{"),
    Ends("push"),
    Remove("conf"),
    Ends("checkout"),
];

#[test]
fn templates_are_filled_in_as_dvc_does() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 30, "{compared}");
    }
}
