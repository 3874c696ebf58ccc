//! Data of all shapes through `ketch add`.

use crate::support::project;

#[test]
fn a_directory_is_added_and_changes_are_seen() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("images/a.txt", "a");
    project.write("images/ü/b.txt", "bb");
    let added = project.ketch(["--json", "add", "images"]).success();
    let report: serde_json::Value = serde_json::from_str(&added.stdout).unwrap();
    assert_eq!(report["data"][0]["files"], 2);
    assert_eq!(report["data"][0]["size"], 3);
    assert_eq!(report["changed_files"][0], ".gitignore");
    let _ = project.ketch(["status", "-q"]).success();

    fs_err::remove_file(project.path("images/a.txt")).unwrap();
    let status = project.ketch(["status"]).success();
    assert!(
        status
            .stdout
            .contains("images.dvc\n  data images modified\n"),
        "{status}"
    );
}

#[test]
fn what_git_tracks_is_not_added() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data.csv", "a\n1\n");
    let _ = project.git(["add", "data.csv"]).success();
    let refused = project.ketch(["add", "data.csv"]).failure(3);
    assert!(
        refused
            .stderr
            .contains("hint: `git rm -r --cached 'data.csv'`"),
        "{refused}"
    );
    assert!(!project.path("data.csv.dvc").exists());
}

#[test]
fn a_locked_project_waits_for_nobody_for_ever() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data.csv", "a\n1\n");
    let lock = ketch_store::RepoLock::acquire(&project.path(".dvc")).unwrap();
    let refused = project.ketch(["add", "data.csv"]).failure(3);
    assert!(
        refused
            .stderr
            .contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    // Reading does not need the lock.
    let _ = project.ketch(["status"]).success();
    drop(lock);
    let _ = project.ketch(["add", "data.csv"]).success();
}
