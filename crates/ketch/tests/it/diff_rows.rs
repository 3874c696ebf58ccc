//! `ketch diff --rows`: which rows and cells of tables differ, as people and programs read it.

use ketch_testkit::{TestProject, peer};
use serde_json::{Value, json};

use crate::support::{commit_all, project};

const OLD: &str = "id,name,price\n1,ant,3\n2,bee,5\n3,cat,8\n4,dog,9\n";
const NEW: &str = "id,name,price,note\n1,ant,3,\n3,cat,8.5,\"two\nlines\"\n4,eel,9,\n5,fox,1,new\n";

/// A table of its own, one in a directory, and something that is no table, all changed since.
fn changed() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("one.csv", OLD);
    project.write("data/in/two.tsv", "k\tv\na\t1\nb\t2\n");
    project.write("data/gone.csv", "a\n1\n");
    project.write("data/picture.png", "png");
    let _ = project.ketch(["add", "one.csv", "data"]).success();
    commit_all(&project);
    project.write("one.csv", NEW);
    project.write("data/in/two.tsv", "k\tv\na\t1\nb\t3\n");
    project.write("data/picture.png", "other");
    project.write("data/more.csv", "a\n2\n");
    fs_err::remove_file(project.path("data/gone.csv")).expect("removed");
    project
}

fn json_of(project: &TestProject, arguments: &[&str]) -> Value {
    let all = ["--json", "diff", "--rows"].iter().chain(arguments);
    serde_json::from_str(&project.ketch(all).success().stdout).expect("JSON")
}

#[test]
fn rows_and_cells_that_differ_are_shown() {
    let project = changed();
    let _filters = project.bind_filters();
    insta::assert_snapshot!(
        "with-a-key",
        project.ketch(["diff", "--rows", "--key", "id", "--targets", "one.csv"])
    );
    insta::assert_snapshot!("without-a-key", project.ketch(["diff", "--rows"]));
    insta::assert_snapshot!(
        "limited",
        project.ketch([
            "diff",
            "--rows",
            "--key=id",
            "--ignore=note",
            "--limit=1",
            "--targets",
            "one.csv"
        ])
    );
    let tolerant = [
        "--key=id",
        "--tolerance=0.5",
        "--ignore=name",
        "--targets",
        "one.csv",
    ];
    assert_eq!(json_of(&project, &tolerant)["tables"][0]["changed"], 0);
}

#[test]
fn programs_get_the_same() {
    let project = changed();
    let report = json_of(&project, &[]);
    assert_eq!(report["added"], json!(["data/more.csv"]));
    assert_eq!(report["deleted"], json!(["data/gone.csv"]));
    let paths: Vec<_> = report["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["path"])
        .collect();
    assert_eq!(paths, ["data/in/two.tsv", "one.csv"]);

    let arguments = [
        "--key",
        "id",
        "--targets",
        "one.csv",
        "--limit",
        "1",
        "--output",
        "changes.jsonl",
    ];
    let report = json_of(&project, &arguments);
    let table = &report["tables"][0];
    assert_eq!(
        json!([
            table["added"],
            table["removed"],
            table["changed"],
            table["unchanged"]
        ]),
        json!([1, 1, 2, 1])
    );
    assert_eq!(table["columns_added"][0]["name"], "note");
    assert_eq!(table["sample"].as_array().unwrap().len(), 1);
    // The file has all of them, whatever is shown.
    let text = project.read("changes.jsonl");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines.iter().all(|line| line["path"] == "one.csv"), "{text}");
    assert!(
        lines.iter().any(|line| line["change"] == "changed"
            && line["key"]["id"] == 3
            && line["cells"][0]["after"] == 8.5),
        "{text}"
    );
}

#[test]
fn two_commits_are_compared_without_the_work_tree() {
    let project = changed();
    let _ = project.ketch(["commit"]).success();
    commit_all(&project);
    fs_err::remove_file(project.path("one.csv")).unwrap();
    let between = json_of(
        &project,
        &["HEAD~1", "HEAD", "--key=id", "--targets", "one.csv.dvc"],
    );
    assert_eq!(between["tables"][0]["changed"], 2);
    assert_eq!(json_of(&project, &["HEAD", "HEAD"])["tables"], json!([]));
    let gone = json_of(&project, &[]);
    assert_eq!(gone["deleted"], json!(["one.csv"]));
}

#[test]
fn two_files_are_compared_as_git_would() {
    let project = changed();
    project.write("old.csv", OLD);
    project.write("new.csv", NEW);
    project.write("same.csv", OLD);
    let told = project
        .ketch([
            "diff",
            "--rows",
            "--key=id",
            "--no-index",
            "old.csv",
            "new.csv",
        ])
        .failure(1);
    assert!(
        told.stdout.starts_with(
            "new.csv\n  rows     4 -> 4: 1 added, 1 removed, 2 changed, 1 unchanged\n"
        ),
        "{told}"
    );
    // Two files that are no revisions need no `--no-index`, and no project either.
    let same = project
        .ketch(["diff", "--rows", "old.csv", "same.csv"])
        .success();
    assert!(
        same.stdout
            .contains("0 added, 0 removed, 0 changed, 4 unchanged"),
        "{same}"
    );
    fs_err::create_dir(project.root().join("../elsewhere")).unwrap();
    let outside = project
        .ketch([
            "-C",
            "../elsewhere",
            "diff",
            "--rows",
            "../project/old.csv",
            "../project/same.csv",
        ])
        .success();
    assert!(outside.stdout.contains("4 unchanged"), "{outside}");
    let _ = project.git(["branch", "old.csv"]).success();
    let both = project
        .ketch(["diff", "--rows", "old.csv", "new.csv"])
        .failure(3);
    assert!(both.stderr.contains("--no-index"), "{both}");
    let none = project
        .ketch(["diff", "--rows", "--no-index", "old.csv", "none.csv"])
        .failure(3);
    assert!(none.stderr.contains("none.csv"), "{none}");
    let _ = project
        .ketch(["diff", "--rows", "--no-index", "old.csv"])
        .failure(2);
    let _ = project.ketch(["diff", "--key", "id"]).failure(2);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let project = changed();
    let _filters = project.bind_filters();
    insta::assert_snapshot!(
        "no-table",
        project.ketch(["diff", "--rows", "--targets", "data/picture.png"])
    );
    insta::assert_snapshot!(
        "no-such-key",
        project.ketch(["diff", "--rows", "--key", "nr", "--targets", "one.csv"])
    );
    project.write("one.csv", "id,name,price\n1,ant,3\n1,bee,5\n");
    insta::assert_snapshot!(
        "duplicate-keys",
        project.ketch(["diff", "--rows", "--key", "id", "--targets", "one.csv"])
    );
    project.write("one.csv", "id,name,price\n1,ant\n");
    let ragged = project
        .ketch([
            "diff",
            "--rows",
            "--targets",
            "one.csv",
            "--output",
            "x.jsonl",
        ])
        .failure(3);
    assert!(
        ragged
            .stderr
            .contains("one.csv:2: 2 fields where the header has 3"),
        "{ragged}"
    );
    // Neither the list nor a part of it is left.
    let left: Vec<_> = project
        .root()
        .read_dir_utf8()
        .unwrap()
        .map(|e| e.unwrap().file_name().to_owned())
        .filter(|n| n.contains("jsonl"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();
    for target in ["one.csv", "data/in/two.tsv"] {
        let missing = project
            .ketch(["diff", "--rows", "--targets", target])
            .failure(3);
        assert!(
            missing.stderr.contains("hint: pull it from a remote"),
            "{missing}"
        );
    }
}

/// A Parquet file that pandas wrote, tracked by real DVC, against a CSV's numbers.
#[test]
fn tables_that_others_wrote_and_tracked_are_compared() {
    let (Some(dvc), Some(python)) = (peer("dvc/bin/dvc"), peer("python/bin/python")) else {
        return;
    };
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let write = |price: &str| {
        let program = format!(
            "import pyarrow as pa, pyarrow.parquet as pq; pq.write_table(pa.table({{'id': [1, 2, 3], 'price': [1.0, {price}, 3.0]}}), 'data/t.parquet')"
        );
        fs_err::create_dir_all(project.path("data")).unwrap();
        let made = project
            .command(&python)
            .args(["-c", &program])
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    };
    write("2.0");
    let added = project
        .command(&dvc)
        .args(["add", "-q", "data"])
        .output()
        .unwrap();
    assert!(
        added.status.success(),
        "{}",
        String::from_utf8_lossy(&added.stderr)
    );
    commit_all(&project);
    write("2.5");
    let report = json_of(&project, &["--key=id"]);
    let table = &report["tables"][0];
    assert_eq!(table["path"], "data/t.parquet");
    assert_eq!(table["unchanged"], 2);
    assert_eq!(
        table["sample"],
        json!([{"change": "changed", "key": {"id": 2},
                "cells": [{"column": "price", "before": 2.0, "after": 2.5}]}])
    );
}
