//! What DVC finds after a kill.

use camino::Utf8Path;
use ketch_testkit::CommandOutput;

use super::content::{data_of, read_all};
use super::kills::Case;
use super::scene::Scene;

/// DVC makes the data of a commit in a fresh copy, from this cache alone.
pub(super) fn restored_by_dvc(scene: &Scene, dvc: &Utf8Path, revision: &str) {
    let fresh = scene.base.join("fresh");
    let _ = fs_err::remove_dir_all(&fresh);
    let root = scene.project.root();
    let _ = scene
        .project
        .git(["clone", "--quiet", root.as_str(), fresh.as_str()])
        .success();
    let mut git = scene.project.command("git");
    let checked_out = git
        .current_dir(&fresh)
        .args(["checkout", "--quiet", revision])
        .status();
    assert!(checked_out.expect("git").success());
    let cache = scene.project.path(".dvc/cache");
    let _ = dvc_in(
        scene,
        dvc,
        &fresh,
        &["cache", "dir", "--local", cache.as_str()],
    );
    let _ = dvc_in(
        scene,
        dvc,
        &fresh,
        &["config", "--local", "cache.type", "copy"],
    );
    let _ = dvc_in(scene, dvc, &fresh, &["checkout"]);
    let found = read_all(&fresh.join("data"));
    assert!(
        (0..3).any(|version| data_of(version) == found),
        "DVC made other data"
    );
}

/// DVC sees nothing to do.
pub(super) fn agreed_by_dvc(scene: &Scene, dvc: &Utf8Path, case: &Case<'_>) {
    let root = scene.project.root();
    let status = dvc_in(scene, dvc, &root, &["status"]);
    assert_eq!(status.stdout.trim(), "Data and pipelines are up to date.");
    if !case.with_dvc.is_empty() {
        let status = dvc_in(scene, dvc, &root, case.with_dvc);
        assert!(status.stdout.contains("in sync"), "{status}");
    }
    // What ketch left in the cache is enough for DVC.
    fs_err::remove_dir_all(root.join("data")).expect("removed");
    let before = scene.fsck(&[]);
    let _ = dvc_in(scene, dvc, &root, &["checkout"]);
    let found = read_all(&root.join("data"));
    assert!((0..3).any(|version| data_of(version) == found), "{before}");
}

pub(super) fn dvc_in(
    scene: &Scene,
    dvc: &Utf8Path,
    folder: &Utf8Path,
    arguments: &[&str],
) -> CommandOutput {
    let mut command = scene.project.command(dvc);
    let output = command.current_dir(folder).args(arguments).output();
    CommandOutput::from(output.expect("DVC starts")).success()
}
