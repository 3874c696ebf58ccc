//! Commands that know the cache and the work tree only.

use super::content::{data_of, is_complete, read_all};
use super::kills::{Case, Expected, kill_often, nothing};
use super::scene::scenes;
use crate::support::commit_all;

#[test]
fn a_killed_add_loses_nothing() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "add",
            arguments: &["add", "data"],
            missing: Expected::Nothing,
            prepare: &|scene| {
                let _ = scene.project.git(["checkout", "-q", "HEAD~1"]).success();
                let _ = scene.project.ketch(["checkout"]).success();
                let _ = scene.project.ketch(["gc", "-w", "--force"]);
                scene.write(2);
            },
            // Whatever happens to the cache, the user's files have their bytes.
            killed: &|scene| scene.assert_data(2),
            again: None,
            finished: &|scene| scene.assert_data(2),
            with_dvc: &[],
        },
    );
}

#[test]
fn a_killed_commit_loses_nothing() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "commit",
            arguments: &["commit", "--force", "data.dvc"],
            missing: Expected::Objects,
            prepare: &|scene| {
                scene.write(1);
                scene.clear_cache();
                let _ = scene
                    .project
                    .ketch(["add", "--no-commit", "data"])
                    .success();
                commit_all(&scene.project);
            },
            killed: &|scene| scene.assert_data(1),
            again: None,
            finished: &|scene| scene.assert_data(1),
            with_dvc: &[],
        },
    );
}

#[test]
fn a_killed_checkout_loses_nothing() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "checkout",
            arguments: &["checkout"],
            missing: Expected::Nothing,
            prepare: &|scene| {
                let _ = scene.project.git(["checkout", "-q", "HEAD~1"]).success();
            },
            // A file that is there is one of the two versions, never a part.
            killed: &|scene| {
                let (old, new) = (data_of(2), data_of(1));
                for (path, bytes) in read_all(&scene.project.path("data")) {
                    let known = old.get(&path) == Some(&bytes) || new.get(&path) == Some(&bytes);
                    assert!(known || path.contains("ketch-tmp"), "`{path}` is half");
                }
            },
            again: None,
            finished: &|scene| scene.assert_data(1),
            with_dvc: &[],
        },
    );
}

#[test]
fn a_killed_relink_never_takes_a_name_away() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "checkout --relink",
            arguments: &["checkout", "--relink"],
            missing: Expected::Nothing,
            // The other way than it was.
            prepare: &|scene| {
                let linked = scene.project.read(".dvc/config").contains("hardlink");
                let kind = if linked { "copy" } else { "hardlink" };
                let _ = scene
                    .project
                    .ketch(["config", "cache.type", kind])
                    .success();
            },
            killed: &|scene| scene.assert_data(2),
            again: None,
            finished: &|scene| scene.assert_data(2),
            with_dvc: &[],
        },
    );
}

#[test]
fn a_killed_collection_takes_nothing_that_is_needed() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "gc",
            arguments: &["gc", "--workspace", "--all-commits", "--force"],
            missing: Expected::Nothing,
            prepare: &nothing,
            killed: &|scene| is_complete(&scene.project.path(".dvc/cache")),
            again: None,
            finished: &|scene| {
                scene.assert_data(2);
                let _ = scene.project.git(["checkout", "-q", "HEAD~1"]).success();
                let _ = scene.project.ketch(["checkout"]).success();
                scene.assert_data(1);
                let _ = scene.project.git(["checkout", "-q", "main"]).success();
                let _ = scene.project.ketch(["checkout"]).success();
            },
            with_dvc: &[],
        },
    );
}
