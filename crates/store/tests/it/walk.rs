use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{HiddenBy, StoreError, find_in_project, walk_directory};

use crate::Sandbox;

fn names(sandbox: &Sandbox, path: &str) -> Vec<String> {
    walk_directory(&sandbox.root, &sandbox.root.join(path))
        .unwrap()
        .into_iter()
        .map(|file| file.relative)
        .collect()
}

#[test]
fn ordered_by_code_point_over_the_whole_path() {
    let sandbox = Sandbox::new();
    for name in ["a/b", "a.txt", "a-b", "Z", "é", ".hidden"] {
        sandbox.write(&format!("data/{name}"), "x");
    }
    assert_eq!(
        names(&sandbox, "data"),
        [".hidden", "Z", "a-b", "a.txt", "a/b", "é"]
    );
}

#[test]
fn dvcignore_of_every_level_counts() {
    let sandbox = Sandbox::new();
    for name in [
        "keep.csv",
        "drop.tmp",
        "drop.log",
        "keep.tmp",
        "deep/x.csv",
        "deep/y.log",
    ] {
        sandbox.write(&format!("sub/data/{name}"), "x");
    }
    sandbox.write(".dvcignore", "*.tmp\n# *.csv\n");
    sandbox.write("sub/.dvcignore", "!keep.tmp\n*.log\n");
    sandbox.write(".gitignore", "*.csv\n");
    assert_eq!(
        names(&sandbox, "sub/data"),
        ["deep/x.csv", "keep.csv", "keep.tmp"],
        "Git's rules do not count for data"
    );
    sandbox.write("sub/data/.dvcignore", "");
    let error = walk_directory(&sandbox.root, &sandbox.root.join("sub/data")).unwrap_err();
    assert!(
        matches!(error, StoreError::IgnoreFileInside { .. }),
        "{error}"
    );
}

#[test]
fn an_ignored_target_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x", "x");
    sandbox.write(".dvcignore", "data/\n");
    let error = walk_directory(&sandbox.root, &sandbox.root.join("data")).unwrap_err();
    assert!(matches!(error, StoreError::Ignored { .. }), "{error}");
    let error = walk_directory(&sandbox.root, &sandbox.root.join("nothing")).unwrap_err();
    assert!(
        matches!(error, StoreError::Io(_)) && error.to_string().contains("nothing"),
        "{error}"
    );
}

#[test]
fn repositories_inside_are_not_entered() {
    let sandbox = Sandbox::new();
    for name in ["data/.git/config", "data/.dvc/config", "data/x"] {
        sandbox.write(name, "x");
    }
    assert_eq!(names(&sandbox, "data"), ["x"]);
}

#[test]
fn project_files_without_what_git_or_dvc_ignores() {
    let sandbox = Sandbox::new();
    for name in [
        "dvc.yaml",
        "sub/dvc.yaml",
        "ignored/dvc.yaml",
        "hidden/dvc.yaml",
        "other/.dvc/config",
        "other/dvc.yaml",
        ".ketch/worktrees/x/dvc.yaml",
    ] {
        sandbox.write(name, "");
    }
    sandbox.write(".gitignore", "/ignored\n");
    sandbox.write(".dvcignore", "/hidden\n");
    let found = |hidden| {
        let pipelines = |path: &Utf8Path| path.file_name() == Some("dvc.yaml");
        let found = find_in_project(&sandbox.root, hidden, &pipelines).unwrap();
        let below = |path: &Utf8PathBuf| path.strip_prefix(&sandbox.root).unwrap().to_string();
        found.iter().map(below).collect::<Vec<_>>()
    };
    assert_eq!(found(HiddenBy::DvcAndGit), ["dvc.yaml", "sub/dvc.yaml"]);
    // To a project that does without Git a `.gitignore` is a file like any other.
    assert_eq!(
        found(HiddenBy::Dvc),
        ["dvc.yaml", "ignored/dvc.yaml", "sub/dvc.yaml"]
    );
}
