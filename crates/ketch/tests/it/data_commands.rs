//! The commands that version data, as people type them.

use ketch_testkit::TestProject;
use serde_json::{Value, json};

use crate::support::{commit_all, project};

fn tracked() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/a", "a");
    project.write("data/b", "bb");
    project.write("one.csv", "1\n");
    let _ = project.ketch(["add", "data", "one.csv"]).success();
    commit_all(&project);
    project
}

fn json_of(project: &TestProject, arguments: &[&str]) -> Value {
    let all = ["--json"].iter().chain(arguments);
    serde_json::from_str(&project.ketch(all).success().stdout).expect("JSON")
}

#[test]
fn changes_are_shown_recorded_and_taken_back() {
    let project = tracked();
    assert_eq!(json_of(&project, &["diff"]), json!({}));
    assert_eq!(project.ketch(["diff"]).success().stdout, "");
    assert_eq!(
        project.ketch(["data", "status"]).success().stdout,
        "No changes.\n"
    );

    project.write("data/a", "changed");
    project.write("data/c", "c");
    assert_eq!(
        project.ketch(["diff"]).success().stdout,
        "Added:\n    data/c\n\nModified:\n    data/\n    data/a\n\nfiles summary: 1 added, 1 modified\n"
    );
    assert_eq!(
        project
            .ketch(["diff", "--md", "--show-hash", "--targets", "data/c"])
            .success()
            .stdout,
        "| Status   | Hash     | Path   |\n|----------|----------|--------|\n| added    | 4a8a08f0 | data/c |\n\n"
    );
    assert_eq!(
        json_of(&project, &["data", "status", "--granular"]),
        json!({"uncommitted": {"modified": ["data/", "data/a"], "added": ["data/c"]}})
    );
    let text = project.ketch(["data", "status"]).success().stdout;
    assert!(text.starts_with("DVC uncommitted changes:\n"), "{text}");
    assert!(text.contains("\n        modified: data/\n"), "{text}");

    // Nothing is overwritten unasked; when asked, there is a way back.
    let refused = project.ketch(["checkout"]).failure(3);
    assert!(refused.stderr.contains("saved nowhere"), "{refused}");
    let forced = project.ketch(["checkout", "--force", "data"]).success();
    assert_eq!(forced.stdout, "M\tdata/\n");
    let folder = forced
        .stderr
        .split(".ketch/trash/")
        .nth(1)
        .expect("the trash")
        .trim();
    assert_eq!(project.read(format!(".ketch/trash/{folder}/data/c")), "c");
    assert_eq!(
        project.ketch(["checkout", "--summary"]).success().stdout,
        "No changes.\n"
    );

    project.write("data/a", "changed");
    assert_eq!(project.ketch(["commit"]).success().stdout, "data\n");
    assert_eq!(
        json_of(&project, &["data", "status"]),
        json!({"committed": {"modified": ["data/"]}})
    );
    commit_all(&project);
    assert_eq!(
        json_of(&project, &["diff", "HEAD~1", "HEAD"])["modified"],
        json!([{"path": "data/"}, {"path": "data/a"}])
    );
}

#[test]
fn what_is_not_in_the_cache_is_told_by_the_exit_code() {
    let project = tracked();
    fs_err::remove_dir_all(project.path(".dvc/cache")).expect("removed");
    fs_err::remove_file(project.path("one.csv")).expect("removed");
    let missing = project.ketch(["checkout"]).failure(1);
    assert!(
        missing.stderr.contains("`one.csv` is not in the cache"),
        "{missing}"
    );
    let _ = project.ketch(["checkout", "--allow-missing"]).success();
}

#[test]
fn data_is_moved_and_removed() {
    let project = tracked();
    let moved = project.ketch(["move", "one.csv", "two.csv"]).success();
    assert_eq!(moved.stdout, "one.csv -> two.csv\n");
    assert!(project.path("two.csv.dvc").exists() && !project.path("one.csv.dvc").exists());
    assert_eq!(project.read(".gitignore"), "/data\n/two.csv\n");
    let wrong = project.ketch(["remove", "two.csv"]).failure(3);
    assert!(
        wrong.stderr.contains("did you mean `two.csv.dvc`?"),
        "{wrong}"
    );
    let _ = project.ketch(["remove", "two.csv.dvc"]).success();
    assert_eq!(project.read("two.csv"), "1\n");
    project.write("data/a", "unsaved");
    let removed = project.ketch(["remove", "--outs", "data.dvc"]).success();
    assert!(removed.stderr.contains(".ketch/trash/"), "{removed}");
    assert!(!project.path("data").exists() && !project.path(".gitignore").exists());
}

#[test]
fn settings_and_remotes_are_kept() {
    let project = tracked();
    let added = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    assert_eq!(added.stdout, "Setting 'st' as a default remote.\n");
    assert_eq!(
        project.read(".dvc/config"),
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n"
    );
    let listed = project.ketch(["remote", "list"]).success().stdout;
    assert!(
        listed.starts_with("st\t/") && listed.ends_with("/store\t(default)\n"),
        "{listed}"
    );
    let _ = project
        .ketch(["config", "--local", "core.autostage", "true"])
        .success();
    assert_eq!(
        project.ketch(["config", "core.autostage"]).success().stdout,
        "true\n"
    );
    let origin = project
        .ketch(["config", "--list", "--show-origin"])
        .success()
        .stdout;
    assert!(
        origin.contains(".dvc/config.local\tcore.autostage=true\n"),
        "{origin}"
    );
    let _ = project.ketch(["config", "core.bogus", "1"]).failure(3);
    let _ = project.ketch(["config"]).failure(2);
    assert_eq!(
        project.ketch(["-C", "data", "root"]).success().stdout,
        "..\n"
    );
    assert_eq!(
        json_of(&project, &["version"])["version"],
        env!("CARGO_PKG_VERSION")
    );
    let _ = project.ketch(["remote", "remove", "st"]).success();
    let _ = project.ketch(["remote", "default"]).failure(1);
    assert_eq!(json_of(&project, &["unprotect", "data"]), json!([]));
}

#[test]
fn the_cache_is_collected_and_checked() {
    let project = tracked();
    let refused = project.ketch(["gc"]).failure(3);
    assert!(refused.stderr.contains("--workspace"), "{refused}");
    let _ = project
        .ketch(["gc", "--dry", "--empty-quarantine"])
        .failure(2);
    project.write("one.csv", "2\n");
    let _ = project.ketch(["add", "one.csv"]).success();
    project.write("one.csv", "3\n");
    let _ = project.ketch(["add", "one.csv"]).success();
    let dry = project.ketch(["gc", "-w", "--dry"]).success();
    assert!(dry.stdout.starts_with("2 B\t"), "{dry}");
    assert!(
        dry.stdout
            .ends_with("1 objects of 2 B would be collected, 5 kept\n"),
        "{dry}"
    );
    assert!(
        dry.stderr.contains("1 objects of 2 B stay because"),
        "{dry}"
    );
    let done = project.ketch(["gc", "-w"]).success();
    assert!(done.stderr.contains(".ketch/quarantine/"), "{done}");
    let emptied = json_of(&project, &["gc", "-w", "--empty-quarantine"]);
    assert_eq!(emptied["deleted"], 2);

    let _ = project.ketch(["fsck"]).success();
    let object = project.path(".dvc/cache/files/md5/0c/c175b9c0f1b6a831c399e269772661");
    fs_err::remove_file(&object).expect("removed");
    let wrong = project.ketch(["fsck"]).failure(1);
    assert!(
        wrong
            .stdout
            .starts_with("0cc175b9c0f1b6a831c399e269772661 missing data/a\n"),
        "{wrong}"
    );
    let repaired = json_of(&project, &["fsck", "--repair"]);
    assert_eq!(repaired["missing"][0]["repaired"], true);
    assert!(object.exists());

    // Three hooks and `.gitattributes`.
    let hooks = project.ketch(["install"]).success();
    assert_eq!(hooks.stdout.lines().count(), 4, "{hooks}");
    let _ = project.ketch(["destroy"]).failure(3);
    let _ = project.ketch(["destroy", "--force"]).success();
    assert!(!project.path(".dvc").exists() && project.path("data/a").exists());
}

#[test]
fn files_are_listed_weighed_and_hidden() {
    let project = tracked();
    assert_eq!(
        project.ketch(["list", "-R", "--dvc-only"]).success().stdout,
        "data/a\ndata/b\none.csv\n"
    );
    assert_eq!(
        project
            .ketch(["ls", "--dvc-only", "--size"])
            .success()
            .stdout,
        "      3 B  data\n      2 B  one.csv\n"
    );
    assert_eq!(json_of(&project, &["list", "data"])[0]["isout"], true);
    assert_eq!(
        project.ketch(["du", "data"]).success().stdout,
        "      1 B  a\n      2 B  b\n      3 B  data\n"
    );
    assert_eq!(json_of(&project, &["du", "-s", "data"])[0]["size"], 3);
    project.write(".dvcignore", "*.tmp\n");
    assert_eq!(
        project
            .ketch(["check-ignore", "-d", "x.tmp", "y"])
            .success()
            .stdout,
        ".dvcignore:1:*.tmp\tx.tmp\n"
    );
    let _ = project.ketch(["check-ignore", "y"]).failure(1);
}
