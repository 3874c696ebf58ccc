//! Commands that bring data from elsewhere.

use super::content::{data_of, read_all};
use super::kills::{Case, Expected, kill_often, nothing};
use super::scene::{Scene, scenes};

#[test]
fn a_killed_import_can_be_run_again() {
    let source = Scene::new("copy", &[]);
    let url = source.project.root();
    let scenes = scenes(&[]);
    let arguments = ["import", url.as_str(), "data", "--out", "part"];
    kill_often(
        &scenes,
        &Case {
            name: "import",
            arguments: &arguments,
            missing: Expected::Nothing,
            prepare: &nothing,
            killed: &nothing,
            again: Some(&|scene| {
                let again = scene.project.ketch(arguments);
                if !again.status.success() {
                    // It had finished, but for the end.
                    assert!(again.stderr.contains("overlap"), "{again}");
                    let _ = scene.project.ketch(["checkout"]).success();
                }
            }),
            finished: &|scene| {
                assert!(read_all(&scene.project.path("part")) == data_of(2), "part");
                scene.assert_data(2);
            },
            with_dvc: &[],
        },
    );
}
