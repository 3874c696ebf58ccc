//! What commands leave behind that are killed while they read other repositories: the next one
//! takes it away, unless somebody is still at it.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::TestProject;

use crate::support::{commit_all, project};

/// Folders of a dead process and of this living one, as a clone and a download leave them.
fn leave(parent: &Utf8Path) -> (Utf8PathBuf, Utf8PathBuf) {
    let folders = (
        // No process has this id: it is above every limit.
        parent.join(".ketch-tmp-2000000000-x"),
        parent.join(format!(".ketch-tmp-{}-x", std::process::id())),
    );
    for folder in [&folders.0, &folders.1] {
        fs_err::create_dir_all(folder.join("objects")).expect("a folder");
        fs_err::write(folder.join("objects/pack"), "").expect("a file");
    }
    folders
}

/// Only what this process has is there.
fn assert_gone(parent: &Utf8Path, (dead, living): &(Utf8PathBuf, Utf8PathBuf)) {
    assert!(!dead.exists(), "{dead}");
    assert!(living.join("objects/pack").exists(), "{living}");
    let entries = parent.read_dir_utf8().expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_owned());
    let ours = names.filter(|name| name.starts_with(".ketch-tmp-"));
    assert_eq!(ours.count(), 1, "in {parent}");
}

/// A repository, a project, and the URL of the first: it is cloned, not read where it is.
fn repositories() -> (TestProject, TestProject, String) {
    let [source, project] = [project(), project()];
    for one in [&source, &project] {
        one.git_init();
        let _ = one.ketch(["init"]).success();
    }
    source.write("text", "1\n");
    commit_all(&source);
    let url = format!("file://{}", source.root());
    (source, project, url)
}

#[test]
fn the_next_clone_clears_what_a_killed_one_left() {
    let (_source, project, url) = repositories();
    let scratch = project.path(".dvc/tmp");
    let left = leave(&scratch);
    let _ = project.ketch(["import", &url, "text"]).success();
    assert_gone(&scratch, &left);

    // Clones of no project are in the account's cache.
    let clones = project.home().join(".cache/ketch/clones");
    for command in [
        vec!["list", &url],
        vec!["get", &url, "text", "-o", "out/copy"],
    ] {
        let left = leave(&clones);
        let _ = project.ketch(&command).success();
        assert_gone(&clones, &left);
    }
}

#[test]
fn the_next_get_to_a_place_clears_it() {
    let (_source, project, url) = repositories();
    let place = project.path("out");
    let left = leave(&place);
    let _ = project
        .ketch(["get", &url, "text", "-o", "out/copy"])
        .success();
    assert_gone(&place, &left);
    // What is left of it is no data.
    let _ = project.ketch(["add", "out"]).success();
    assert_eq!(project.ketch(["list", "out"]).success().stdout, "copy\n");
}

#[test]
fn gc_clears_it_unless_it_only_looks() {
    let (_source, project, _) = repositories();
    let scratch = project.path(".dvc/tmp");
    let left = leave(&scratch);
    commit_all(&project);
    let _ = project.ketch(["gc", "--workspace", "--dry"]).success();
    assert!(left.0.exists());
    let _ = project.ketch(["gc", "--workspace"]).success();
    assert_gone(&scratch, &left);
}
