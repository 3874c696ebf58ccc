//! Commands that bring data from elsewhere: killed at random moments, and at each of their steps.

use std::process::Stdio;
use std::thread::yield_now;

use camino::Utf8Path;
use ketch_testkit::peer;

use super::content::{data_of, files_below, read_all};
use super::kills::{Case, Expected, kill_often, nothing};
use super::scene::{Scene, scenes};
use super::with_dvc::dvc_in;
use crate::support::say;

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
            killed: &whole_or_not_recorded,
            again: Some(&|scene| finish(scene, &arguments)),
            finished: &|scene| {
                assert!(read_all(&scene.project.path("part")) == data_of(2), "part");
                scene.assert_data(2);
            },
            with_dvc: &[],
        },
    );
}

/// Where it is killed: what is there by then.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The first new object is in the cache, or half of them, or all.
    Objects(usize),
    /// What hides the data from Git is written.
    Hidden,
    Recorded,
    /// So many files are laid out.
    Files(usize),
}

const STEPS: [Step; 8] = [
    Step::Objects(1),
    Step::Objects(60),
    Step::Objects(124),
    Step::Hidden,
    Step::Recorded,
    Step::Files(1),
    Step::Files(60),
    Step::Files(123),
];

impl Step {
    fn is_reached(self, scene: &Scene) -> bool {
        let below = |path: &str| {
            let path = scene.project.path(path);
            if path.is_dir() { count(&path) } else { 0 }
        };
        match self {
            Self::Objects(many) => below(".dvc/cache/files") >= many,
            Self::Hidden => {
                scene.project.path(".gitignore").is_file()
                    && scene.project.read(".gitignore").contains("/part\n")
            }
            Self::Recorded => scene.project.path("part.dvc").is_file(),
            Self::Files(many) => below("part") >= many,
        }
    }
}

/// How many files there are while others come and go.
fn count(folder: &Utf8Path) -> usize {
    let Ok(entries) = folder.read_dir_utf8() else {
        return 0;
    };
    let files = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => count(entry.path()),
        Ok(_) if !entry.file_name().contains("ketch-tmp") => 1,
        _ => 0,
    });
    files.sum()
}

/// The record promises what the cache has, and no data is there that no record names. Nothing else
/// has changed.
fn whole_or_not_recorded(scene: &Scene) {
    let (record, part) = ["part.dvc", "part"]
        .map(|name| scene.project.path(name))
        .into();
    if record.is_file() {
        assert!(
            scene.project.read("part.dvc").contains("rev_lock"),
            "a whole record"
        );
        scene.assert_sound(&[]);
    } else {
        assert!(!part.exists(), "data without a record");
    }
    if part.is_dir() {
        let wanted = data_of(2);
        for (path, bytes) in read_all(&part) {
            let whole = wanted.get(&path) == Some(&bytes);
            assert!(whole || path.contains("ketch-tmp"), "`{path}` is half");
        }
    }
    scene.assert_data(2);
}

/// What is there in part is laid out; what is not there is imported again, recorded or not.
fn finish(scene: &Scene, arguments: &[&str]) {
    if scene.project.path("part").exists() {
        let again = scene.project.ketch(arguments);
        assert!(!again.status.success(), "{again}");
        let _ = scene.project.ketch(["checkout"]).success();
    } else {
        let _ = scene.project.ketch(arguments).success();
    }
}

/// Whether the command was still at work when the step was reached.
fn killed_at(scene: &Scene, arguments: &[&str], step: Step) -> bool {
    let mut child = scene
        .project
        .ketch_command()
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ketch starts");
    while !step.is_reached(scene) {
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "it failed by itself: {status}");
            return false;
        }
        yield_now();
    }
    child.kill().expect("a child that can be killed");
    child.wait().expect("a child to wait for").code().is_none()
}

/// The cache is empty but for what the import brings, so that each step can be seen.
#[test]
fn an_import_is_killed_at_each_of_its_steps() {
    let source = Scene::new("copy", &[]);
    let url = source.project.root();
    let arguments = ["import", url.as_str(), "data", "--out", "part"];
    let mut killed = 0;
    for scene in scenes(&[]) {
        // What is there of its own has copies: the same content is imported.
        let _ = scene.project.ketch(["unprotect", "data"]).success();
        let _ = scene.project.ketch(["remove", "data.dvc"]).success();
        scene.clear_cache();
        scene.keep();
        for step in STEPS {
            scene.restore();
            killed += usize::from(killed_at(&scene, &arguments, step));
            whole_or_not_recorded(&scene);
            match peer("dvc/bin/dvc") {
                // Another one finishes: DVC lays out what was recorded.
                Some(dvc) if scene.project.path("part.dvc").is_file() => {
                    let root = scene.project.root();
                    let _ = dvc_in(&scene, &dvc, &root, &["checkout", "--force", "part.dvc"]);
                    let status = dvc_in(&scene, &dvc, &root, &["status", "part.dvc"]);
                    assert!(status.stdout.contains("up to date"), "{step:?}: {status}");
                }
                _ => finish(&scene, &arguments),
            }
            let mut found = read_all(&scene.project.path("part"));
            found.retain(|path, _| !path.contains("ketch-tmp"));
            assert!(found == data_of(2), "{step:?}");
            // The next to lock takes away what is left of the one that was killed.
            let _ = scene.project.ketch(["commit", "--force"]).success();
            let mut left = files_below(&scene.project.root());
            left.retain(|path| path.as_str().contains("ketch-tmp"));
            assert_eq!(left, [] as [&str; 0], "{step:?}");
            scene.assert_sound(&[]);
        }
    }
    say(&format!(
        "ketch import: {killed} killed at work, of {}",
        2 * STEPS.len()
    ));
    assert!(killed > STEPS.len() / 2, "{killed}");
}
