//! `ketch install` and what Git then makes of branches that both changed data.

use ketch_testkit::{CommandOutput, TestProject, peer};

use crate::support::{commit_all, project};

/// A project with Git's hooks and merge driver, data, a pipeline, and Git finding the ketch under
/// test.
fn installed() -> TestProject {
    let mut project = project();
    let binary = camino::Utf8Path::new(env!("CARGO_BIN_EXE_ketch"));
    let folder = binary.parent().expect("the folder of the program");
    project.set_env("PATH", &format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/a", "a");
    project.write("data/b", "b");
    project.write("single.csv", "1\n");
    project.write("in.txt", "in\n");
    project.write(
        "dvc.yaml",
        "stages:\n  one:\n    cmd: cp in.txt one.txt\n    deps: [in.txt]\n    outs: [one.txt]\n",
    );
    let _ = project.ketch(["add", "data", "single.csv"]).success();
    let _ = project.ketch(["repro"]).success();
    let installed = project.ketch(["install"]).success();
    assert!(
        installed.stdout.ends_with(".gitattributes\n"),
        "{installed}"
    );
    commit_all(&project);
    project
}

fn git(project: &TestProject, arguments: &[&str]) -> CommandOutput {
    project.git(arguments).success()
}

/// On a new branch: changes, recorded and committed.
fn on_branch(project: &TestProject, branch: &str, change: impl Fn()) {
    let _ = git(project, &["switch", "--quiet", "--create", branch, "main"]);
    change();
    let _ = project.ketch(["add", "data", "single.csv"]).success();
    let _ = project.ketch(["repro"]).success();
    commit_all(project);
}

fn add_stage(project: &TestProject, name: &str) {
    let stage = format!(
        "  {name}:\n    cmd: cp in.txt {name}.txt\n    deps: [in.txt]\n    outs: [{name}.txt]\n"
    );
    let text = project.read("dvc.yaml");
    // At different places, so that the text itself merges.
    let text = if name == "first" {
        text.replace("stages:\n", &format!("stages:\n{stage}"))
    } else {
        format!("{text}{stage}")
    };
    project.write("dvc.yaml", text);
}

/// Two branches that each add, change and remove files of one directory, and each add a stage.
fn branched() -> TestProject {
    let project = installed();
    on_branch(&project, "left", || {
        project.write("data/a", "changed on the left");
        project.write("data/left", "l");
        add_stage(&project, "first");
    });
    on_branch(&project, "right", || {
        fs_err::remove_file(project.path("data/b")).expect("removed");
        project.write("data/deep/right", "r");
        add_stage(&project, "last");
    });
    project
}

fn assert_both_are_there(project: &TestProject) {
    let _ = project.ketch(["checkout"]).success();
    let read = |path: &str| project.read(path);
    assert_eq!(read("data/a"), "changed on the left");
    assert_eq!(read("data/left") + &read("data/deep/right"), "lr");
    assert!(!project.path("data/b").exists());
    let status = project.ketch(["status", "--quiet"]);
    assert!(status.status.success(), "{status}");
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    fs_err::remove_dir_all(project.path("data")).expect("removed");
    for (arguments, said) in [
        (["checkout", "--quiet"], None),
        (
            ["status", "--no-updates"],
            Some("Data and pipelines are up to date."),
        ),
    ] {
        let output = project.command(&dvc).args(arguments).output().expect("DVC");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.is_none_or(|said| text.contains(said)), "{text}");
    }
    assert_eq!(project.read("data/left"), "l");
}

#[test]
fn git_merges_directories_and_stages() {
    let project = branched();
    let merged = project.git(["merge", "--quiet", "--no-edit", "left"]);
    assert!(merged.status.success(), "{merged}");
    assert_both_are_there(&project);
}

#[test]
fn git_rebases_them_too() {
    let project = branched();
    let rebased = project.git(["rebase", "--quiet", "left"]);
    assert!(rebased.status.success(), "{rebased}");
    assert_both_are_there(&project);
}

#[test]
fn what_both_changed_is_shown_and_marked() {
    let project = installed();
    for (branch, content) in [("left", "2\n"), ("right", "33\n")] {
        on_branch(&project, branch, || {
            project.write("single.csv", content);
            project.write("data/a", content);
            project.write(format!("data/{branch}"), branch);
            project.write("in.txt", content);
        });
    }
    let _filters = project.bind_filters();
    let merged = project.git(["merge", "--no-edit", "left"]);
    assert_eq!(merged.status.code(), Some(1), "{merged}");
    // Git takes the files in an order of its own.
    let mut files: Vec<&str> = merged.stderr.split("warning: ").collect();
    files.sort_unstable();
    insta::assert_snapshot!("conflict", files.concat());
    insta::assert_snapshot!("conflict-file", project.read("single.csv.dvc"));
    insta::assert_snapshot!("conflict-directory", project.read("data.dvc"));
    insta::assert_snapshot!("conflict-lock", project.read("dvc.lock"));
    // Choosing a side of the directory keeps what the other one added.
    let text = project.read("data.dvc");
    let (before, rest) = text.split_once("<<<<<<< ours\n").expect("marks");
    let (ours, rest) = rest.split_once("=======\n").expect("marks");
    let (_, after) = rest.split_once(">>>>>>> theirs\n").expect("marks");
    project.write("data.dvc", format!("{before}{ours}{after}"));
    let _ = git(
        &project,
        &["checkout", "--ours", "--", "dvc.lock", "single.csv.dvc"],
    );
    let _ = project.ketch(["checkout", "--force", "data"]).success();
    assert_eq!(project.read("data/a"), "33\n");
    assert_eq!(
        project.read("data/left") + &project.read("data/right"),
        "leftright"
    );
}

#[test]
fn installing_again_changes_nothing_and_keeps_what_is_there() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write(".gitattributes", "*.png binary");
    let _ = project.ketch(["install"]).success();
    let text = project.read(".gitattributes");
    assert_eq!(
        text,
        "*.png binary\n*.dvc merge=ketch\ndvc.lock merge=ketch\n.gitignore merge=union\n"
    );
    let again = project.ketch(["install"]).success();
    assert!(!again.stdout.contains(".gitattributes"), "{again}");
    assert_eq!(project.read(".gitattributes"), text);
    let driver = git(&project, &["config", "merge.ketch.driver"]).stdout;
    assert!(
        driver.starts_with("ketch git-hook merge-driver --ancestor %O"),
        "{driver}"
    );
}
