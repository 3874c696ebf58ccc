//! The flags of the commands that move data, called by the name of `dvc` beside DVC.

use crate::personality::{
    Step::{Commit, Ends, Json, Lines, Remove, Same, Write},
    assert_same_answers,
};

#[test]
fn data_from_elsewhere_is_added_as_dvc_does() {
    assert_same_answers(&[
        Ends("init -q"),
        Same("remote add -d st ../store"),
        Write("../ext/f", "f\n"),
        Write("../ext/dir/a", "a\n"),
        Write("sub/x", "x\n"),
        Ends("add ../ext/f"),
        Lines("add -o got ../ext/f"),
        Ends("add -o got ../ext/f"),
        Lines("add -f -o got ../ext/f"),
        Lines("add -o sub ../ext/dir"),
        Lines("add --to-remote ../ext/f"),
        Lines("add --to-remote --remote-jobs 2 -r st -o sub/far ../ext/dir"),
        Same("status"),
        Same("pull sub/far"),
        Ends("add -r st got"),
        Ends("add --remote-jobs 2 got"),
        Ends("add --to-remote a b"),
        Ends("add --glob -o x got"),
        Ends("add --no-commit -o x got"),
        Ends("add --to-remote -r nosuch got"),
        Ends("add -o no/x ../ext/f"),
        Ends("add -o x nosuch"),
        Lines("add -f got"),
        Ends("add -f nosuch"),
    ]);
}

const PIPELINE: &str = "stages:
  make:
    cmd: mkdir -p out && cp in out/a && echo 1 > m.json && echo x,y > p.csv && echo 2 > other.json && echo 3 > deep.csv
    deps: [in]
    outs: [out, other.json, deep.csv]
    metrics: [m.json]
    plots: [p.csv]
metrics:
- other.json
plots:
- curve:
    y: {deep.csv: [y]}
";

#[test]
fn kinds_of_data_and_results_of_runs_are_moved_as_by_dvc() {
    assert_same_answers(&[
        Ends("init -q"),
        Same("remote add -d st ../store"),
        Write("in", "in\n"),
        Write("dvc.yaml", PIPELINE),
        Ends("repro -q"),
        Commit,
        Same("push --run-cache --no-run-cache"),
        Same("push --no-run-cache --run-cache"),
        Same("push --no-run-cache"),
        Remove(".dvc/cache"),
        Same("fetch --type metrics"),
        Same("fetch --type metrics"),
        Same("fetch --type plots --type metrics"),
        Same("fetch --type plots -a"),
        Ends("fetch --type params"),
        Ends("fetch --type plots nosuch"),
        Same("fetch --type plots make"),
        Same("fetch --type plots out"),
        Same("fetch --no-run-cache"),
        Remove(".dvc/cache"),
        Remove("out"),
        Lines("pull --run-cache"),
        // Only the results that came along know what the command makes.
        Remove("dvc.lock"),
        Remove("out"),
        Same("fetch"),
        Ends("repro"),
        Same("status"),
        // A remote on the web keeps no results, which is no reason to fail.
        Same("remote add web http://127.0.0.1:1/x"),
        Same("config core.remote web"),
        Same("fetch --run-cache"),
    ]);
}

#[test]
fn what_the_remote_does_not_have_is_told_as_by_dvc() {
    assert_same_answers(&[
        Ends("init -q"),
        Write("d/1", "1\n"),
        Write("d/sub/2", "2\n"),
        Write("f", "f\n"),
        Write("g", "g\n"),
        Write("h", "h\n"),
        Ends("add -q d f g h"),
        // No remote at all.
        Same("data status --not-in-remote g"),
        Json("data status --not-in-remote --json"),
        Same("remote add -d st ../store"),
        Same("remote add other ../other"),
        // `g` belongs elsewhere, `h` nowhere.
        Write(
            "g.dvc",
            "outs:\n- md5: 82ad5a5eefdb5ffa96bc1f9b98b1a5b8\n  size: 2\n  hash: md5\n  path: g\n  remote: other\n",
        ),
        Write(
            "h.dvc",
            "outs:\n- md5: 2c3b4e2f5c0ddf4f5e9c1b5f8f4b3b2a\n  size: 2\n  hash: md5\n  path: h\n  push: false\n",
        ),
        Ends("commit -q -f"),
        Commit,
        Lines("data status --not-in-remote"),
        Same("data status --not-in-remote f"),
        Json("data status --not-in-remote --json --granular"),
        Json("data status --not-in-remote --json --no-remote-refresh"),
        Same("push -q"),
        // Nobody has asked since.
        Json("data status --not-in-remote --json --no-remote-refresh"),
        Lines("data status --not-in-remote"),
        Lines("data status --not-in-remote --no-remote-refresh"),
        Json("data status --not-in-remote --json -r other"),
        Json("data status --not-in-remote --json -r other --granular d"),
        Remove("../store/files/md5/26"),
        Lines("data status --not-in-remote --no-remote-refresh --granular"),
        Lines("data status --not-in-remote --granular"),
        Lines("data status --not-in-remote --granular --no-remote-refresh"),
        Lines("data status --not-in-remote --granular d/1"),
        Lines("data status --not-in-remote --granular d/sub"),
        Same("data status --not-in-remote d/sub"),
        Lines("data status --not-in-remote"),
        Write("f", "changed\n"),
        Ends("add -q f"),
        Json("data status --not-in-remote --json"),
        Remove("../store"),
        Json("data status --not-in-remote --json --granular"),
        Same("data status -r nosuch g"),
        Ends("data status --not-in-remote -r nosuch"),
    ]);
}

const CHAIN: &str = "stages:
  first:
    cmd: cat raw/in raw/in > one
    deps: [raw/in]
    outs: [one]
  second:
    cmd: cat one raw/in > two
    deps: [one]
    outs: [two]
  third:
    cmd: cat two one > three
    deps: [two]
    outs: [three]
";

/// Targets that stand for more than themselves.
#[test]
fn what_targets_depend_on_and_hold_is_moved_as_by_dvc() {
    assert_same_answers(&[
        Ends("init -q"),
        Same("remote add -d st ../store"),
        Write("raw/in", "in\n"),
        Write("dvc.yaml", CHAIN),
        Write("sub/x", "x\n"),
        Write("sub/deep/y", "y\n"),
        Write("sub/deep/z/1", "1\n"),
        Ends("add -q raw/in sub/x sub/deep/y sub/deep/z"),
        Ends("repro -q"),
        Commit,
        Lines("status -c -d second"),
        Same("push -d second"),
        Same("push -d third"),
        Lines("status -c -R sub"),
        Same("push -R sub/deep"),
        Lines("status -c -R sub"),
        Same("push -R sub"),
        Same("push"),
        Remove("../store"),
        Same("push --glob s*b/x"),
        Same("push --glob sub/deep/y*"),
        Ends("push --glob nothing*"),
        Same("push --glob **/x.dvc"),
        Ends("push -R nosuch"),
        Ends("push -d nosuch"),
        Same("push"),
        Remove(".dvc/cache"),
        Remove("one"),
        Remove("two"),
        Remove("three"),
        Remove("sub/x"),
        Remove("sub/deep"),
        Ends("checkout -d second"),
        Same("fetch -R sub"),
        Same("fetch -d second"),
        Same("checkout -d second"),
    ]);
}

#[test]
fn what_targets_depend_on_and_hold_is_restored_and_recorded_as_by_dvc() {
    assert_same_answers(&[
        Ends("init -q"),
        Write("raw/in", "in\n"),
        Write("dvc.yaml", CHAIN),
        Write("sub/x", "x\n"),
        Write("sub/deep/y", "y\n"),
        Write("sub/deep/z/1", "1\n"),
        Ends("add -q raw/in sub/x sub/deep/y sub/deep/z"),
        Ends("repro -q"),
        Commit,
        Remove("one"),
        Remove("two"),
        Remove("three"),
        Lines("status -d second"),
        Lines("status second"),
        Lines("checkout -d second"),
        Same("status -d second"),
        Same("checkout third"),
        Remove("sub/x"),
        Remove("sub/deep/y"),
        Remove("sub/deep/z"),
        Lines("status -R sub"),
        Lines("status -R sub/deep"),
        Lines("checkout -R sub/deep"),
        Same("status -R sub/deep"),
        Lines("checkout -R sub"),
        Same("checkout -R sub"),
        Write("sub/x", "other\n"),
        Write("sub/deep/y", "other\n"),
        Same("commit -f -R sub/deep"),
        Lines("status -R sub"),
        Same("commit -f -R sub"),
        Same("status -R sub"),
        Write("one", "by hand\n"),
        Ends("commit -f -d second"),
        Lines("status -d third"),
        Ends("commit -f -R nosuch"),
        Ends("checkout -R nosuch"),
        Ends("status -d nosuch"),
    ]);
}
