//! Places inside of tracked directories, by the name of `dvc`: what DVC 3.67.1 answers about them.

use crate::personality::Step::{Commit, Ends, Json, Lines, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};

const STORY: &[Step] = &[
    Ends("init -q"),
    Write("data/a", "1\n"),
    Write("data/b", "22\n"),
    Write("data/sub/c", "333\n"),
    Write("data/sub/d", "4444\n"),
    Ends("add -q data"),
    Commit,
    Same("status data/sub"),
    Same("status data/sub/c"),
    Same("status data/not-there"),
    Ends("status elsewhere"),
    Same("--cd data status sub"),
    Same("remote add -d st ../store"),
    Same("push"),
    Same("push data/sub"),
    Same("status -c data/sub"),
    Same("status -c data/sub/c"),
    Write("data/sub/c", "changed\n"),
    Same("status data/sub"),
    // It stands for the whole directory.
    Same("status data/a"),
    Same("status --json data/sub"),
    Same("status -q data/a"),
    Same("diff --targets data/sub"),
    Same("diff --targets data/a"),
    Same("diff --targets data/sub/"),
    Same("diff --targets data/not-there"),
    Json("diff --json --targets data/sub"),
    Ends("checkout data/sub"),
    Same("checkout -f data/sub"),
    Same("checkout -f data/sub"),
    Remove("data/sub"),
    Same("checkout data/sub"),
    Remove("data/a"),
    Same("checkout data/a"),
    Same("status"),
    // What stages make is as good.
    Write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: mkdir -p o/p && cp data/a o/p/x\n    deps: [data/a]\n    outs: [o]\n",
    ),
    Ends("repro -q"),
    Same("status o/p"),
    Write("o/y", "z\n"),
    Same("status o/p/x"),
    // The record stays as it is, and belongs into Git all the same.
    Same("add data/sub/c"),
    Same("add data/a data/b"),
    Remove("dvc.yaml"),
    Remove(".dvc/cache"),
    Remove("data"),
    Same("fetch data/sub"),
    // Of the rest nothing is here, and nothing of it was asked for.
    Same("checkout --allow-missing data/sub"),
    Same("status data/sub"),
    Same("fetch data/a"),
    Same("pull data/a"),
    // (Pulling more after that, DVC says that all is up to date, and fails.)
];

#[test]
fn places_in_tracked_directories_are_targets() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 30, "{compared}");
    }
}

/// A manifest that only a remote has which nothing but the command line names, of data that no
/// commit has.
const SETTINGS_ON_TOP: &[Step] = &[
    Ends("init -q"),
    Write("data/a", "1\n"),
    Ends("add -q data"),
    Commit,
    Write("data/sub/b", "22\n"),
    Ends("add -q data"),
    Write("file", "new\n"),
    Ends("remote add -q st ../store"),
    Ends("push -q -r st"),
    Remove(".dvc/cache"),
    Remove("data"),
    Write(
        "../config",
        "['remote \"st\"']\n    type = copy\n[core]\n    remote = st\n",
    ),
    Same("list . --remote st"),
    Same("list . -R --remote st"),
    Same("list . data --remote st"),
    Same("list . data --config ../config"),
    Same("list . -R --config ../config"),
    Same("list . data --remote-config url=../store"),
    Lines("du . data --remote st"),
    Lines("du . data --remote-config url=../store"),
    Ends("list . data --remote nope"),
    Ends("list . data --config nope"),
    Ends("list . data --remote-config bogus=1"),
    Ends("du . data --remote nope"),
    Ends("du . data --remote-config bogus=1"),
];

#[test]
fn settings_on_top_are_for_the_work_tree_too() {
    assert_same_answers(SETTINGS_ON_TOP);
}
