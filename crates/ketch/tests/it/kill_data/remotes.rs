//! Commands that move objects to a remote and from it.

use super::content::is_complete;
use super::kills::{Case, Expected, kill_often, nothing};
use super::scene::scenes;

#[test]
fn a_killed_push_is_never_believed_complete() {
    kill_often(
        &scenes(&[]),
        &Case {
            name: "push",
            arguments: &["push"],
            missing: Expected::Nothing,
            prepare: &|_| {},
            killed: &|scene| {
                is_complete(&scene.base.join("store"));
                let _ = scene.fsck(&["--remote", "st"]);
            },
            again: None,
            finished: &|scene| scene.assert_sound(&["--remote", "st"]),
            with_dvc: &["status", "--cloud"],
        },
    );
}

#[test]
fn a_killed_push_of_chunks_is_never_believed_complete() {
    kill_often(
        &scenes(&["[remote.st]\nlayout = \"chunked\"\n"]),
        &Case {
            name: "push (chunked)",
            arguments: &["push"],
            missing: Expected::Nothing,
            prepare: &|_| {},
            killed: &nothing,
            again: None,
            finished: &|scene| {
                // What was sent is all that is needed to get it back.
                scene.clear_cache();
                fs_err::remove_dir_all(scene.project.path("data")).expect("removed");
                let _ = scene.project.ketch(["pull"]).success();
                scene.assert_data(2);
                scene.assert_sound(&["--remote", "st"]);
            },
            with_dvc: &[],
        },
    );
}

#[test]
fn a_killed_fetch_finishes_when_it_runs_again() {
    let scenes = scenes(&[]);
    for scene in &scenes {
        let _ = scene.project.ketch(["push"]).success();
        scene.clear_cache();
        scene.keep();
    }
    kill_often(
        &scenes,
        &Case {
            name: "fetch",
            arguments: &["fetch"],
            missing: Expected::Objects,
            prepare: &nothing,
            killed: &nothing,
            again: None,
            finished: &|scene| scene.assert_data(2),
            with_dvc: &["status", "--cloud"],
        },
    );
}
