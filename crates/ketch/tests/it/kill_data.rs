//! Commands on data that are killed (SIGKILL) at random moments. After each: `ketch fsck` and, after
//! some, DVC find nothing lost or wrong; the same command again finishes; nothing half-made stays.
//!
//! `KETCH_KILLS` says how many runs are killed over all commands (else 60), `KETCH_KILL_SEED` from
//! what number the moments follow.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::Value;

use crate::support::{commit_all, project, say};

/// Commands that are killed; each is a test below.
const COMMANDS: usize = 8;

/// What may be missing until the killed command has run again.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// All that the work tree and the last commit need is in the cache at any moment.
    Nothing,
    /// The command is what brings the objects.
    Objects,
}

/// One command and how to see what it did.
struct Case<'a> {
    name: &'a str,
    /// The command.
    arguments: &'a [&'a str],
    missing: Expected,
    /// Brings the project from the template into the state before the command.
    prepare: &'a dyn Fn(&Scene),
    /// What else has to hold after the kill.
    killed: &'a dyn Fn(&Scene),
    /// Runs what was killed again, if it is not simply the same.
    again: Option<&'a dyn Fn(&Scene)>,
    /// What has to hold after the command ran again.
    finished: &'a dyn Fn(&Scene),
    /// A DVC command that must say that there is nothing to do, besides `status` and `checkout`.
    with_dvc: &'a [&'a str],
}

/// A project, the remote beside it, and the template from which both are made anew.
struct Scene {
    project: TestProject,
    base: Utf8PathBuf,
}

type Content = BTreeMap<String, Vec<u8>>;

impl Scene {
    /// Two commits of `data` (small files and some of a few megabytes); both in the cache, none in
    /// the remote.
    fn new(link: &str, remote: &[&str]) -> Self {
        let mut project = project();
        let base = project.root().parent().expect("a folder around").to_owned();
        project.set_env("DVC_SITE_CACHE_DIR", base.join("site").as_str());
        project.set_env("DVC_GLOBAL_CONFIG_DIR", base.join("global").as_str());
        project.git_init();
        let _ = project.ketch(["init"]).success();
        let _ = project.ketch(["config", "cache.type", link]).success();
        let _ = project
            .ketch(["remote", "add", "-d", "st", "../store"])
            .success();
        for text in remote {
            project.write("ketch.toml", text);
        }
        let scene = Self { project, base };
        fs_err::create_dir(scene.base.join("store")).expect("a new folder");
        for version in 0..3 {
            scene.write(version);
            let _ = scene.project.ketch(["add", "data"]).success();
            if version > 0 {
                commit_all(&scene.project);
            }
        }
        scene.keep();
        scene
    }

    /// Makes what is there the template.
    fn keep(&self) {
        let template = self.base.join("template");
        let _ = fs_err::remove_dir_all(&template);
        fs_err::create_dir(&template).expect("a new folder");
        self.copy(&self.base, &template);
    }

    fn restore(&self) {
        for name in ["project", "store"] {
            fs_err::remove_dir_all(self.base.join(name)).expect("removed");
        }
        self.copy(&self.base.join("template"), &self.base);
    }

    /// With links between work tree and cache as they are.
    fn copy(&self, from: &Utf8Path, to: &Utf8Path) {
        let mut command = self.project.command("cp");
        command.current_dir(&self.base);
        let copied = command
            .args(["-a", from.join("project").as_str()])
            .args([from.join("store").as_str(), to.as_str()])
            .status();
        assert!(copied.expect("cp").success());
    }

    /// Writes the data of a version. Files are made anew, as a link must not be written through.
    fn write(&self, version: usize) {
        let content = data_of(version);
        let _ = fs_err::remove_dir_all(self.project.path("data"));
        for (path, bytes) in &content {
            self.project.write(Utf8Path::new("data").join(path), bytes);
        }
    }

    fn clear_cache(&self) {
        fs_err::remove_dir_all(self.project.path(".dvc/cache")).expect("removed");
    }

    /// The report, and that nothing is damaged.
    fn fsck(&self, more: &[&str]) -> Value {
        let mut arguments = vec!["--json", "fsck"];
        arguments.extend(more);
        let output = self.project.ketch(arguments);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output}");
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        // Of a remote they are told as damaged.
        let damaged = report.get("corrupt").or(report.get("damaged"));
        assert_eq!(damaged, Some(&Value::Array(Vec::new())), "{output}");
        report
    }

    fn assert_sound(&self, more: &[&str]) {
        let report = self.fsck(more);
        assert_eq!(report["missing"], Value::Array(Vec::new()), "{report}");
    }

    /// Temporary files do not count: they are looked for at the end.
    fn assert_data(&self, version: usize) {
        let mut found = read_all(&self.project.path("data"));
        found.retain(|path, _| !path.contains("ketch-tmp"));
        let wanted = data_of(version);
        let differ: Vec<&String> = found
            .keys()
            .chain(wanted.keys())
            .filter(|path| found.get(*path) != wanted.get(*path))
            .collect();
        assert!(differ.is_empty(), "not as in version {version}: {differ:?}");
    }
}

/// Files of a version: some as before, some changed, some new.
fn data_of(version: usize) -> Content {
    let mut content = Content::new();
    for number in version * 20..version * 20 + 120 {
        let changed = if number % 3 == 0 { version } else { 0 };
        let text = format!("{number} {changed}\n").repeat(number * 7 % 300 + 1);
        content.insert(format!("{}/{number}.txt", number % 5), text.into_bytes());
    }
    for number in 0..3 {
        let mut state = (version * 10 + number) as u64 + 1;
        let bytes = (0..1_300_000 + number * 200_000).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        content.insert(format!("large/{number}.bin"), bytes.collect());
    }
    content.insert("empty".to_owned(), Vec::new());
    content
}

/// All files below, by their path.
fn read_all(directory: &Utf8Path) -> Content {
    let mut content = Content::new();
    for path in files_below(directory) {
        let relative = path.strip_prefix(directory).expect("below").to_string();
        content.insert(relative, fs_err::read(&path).expect("a file to read"));
    }
    content
}

fn files_below(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("a folder to read") {
            let path = entry.expect("an entry").into_path();
            if path.symlink_metadata().expect("there").is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// What somebody killed left behind: names that only ketch gives.
fn leftovers(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = files_below(directory);
    found.retain(|path| path.as_str().contains("ketch-tmp"));
    found
}

#[expect(
    clippy::disallowed_methods,
    reason = "how whoever runs the tests chooses how much"
)]
fn number_from(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Numbers from 0 below 1 that follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Says on failure how to see it again.
struct Told<'a>(&'a str, u64, usize);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!(
                "kill {} of `ketch {}` with KETCH_KILL_SEED={}",
                self.2, self.0, self.1
            ));
        }
    }
}

fn kill_often(scenes: &[Scene], case: &Case<'_>) {
    let kills = (number_from("KETCH_KILLS", 60) as usize).div_ceil(COMMANDS);
    let seed = number_from("KETCH_KILL_SEED", 20_260_102);
    let dvc = peer("dvc/bin/dvc");
    // In the middle, and now and then if there are many.
    let asked = |run: usize| run % 25 == kills.min(25) / 2;
    let mut random = Random(seed ^ case.name.len() as u64 ^ u64::from(case.name.as_bytes()[0]));
    let mut durations = Vec::new();
    let mut hit = 0;
    for run in 0..kills {
        let mut told = Told(case.name, seed, run);
        let at = run % scenes.len();
        let scene = &scenes[at];
        if durations.len() == at {
            scene.restore();
            (case.prepare)(scene);
            let started = Instant::now();
            let _ = scene.project.ketch(case.arguments).success();
            durations.push(started.elapsed());
            (case.finished)(scene);
        }
        scene.restore();
        (case.prepare)(scene);
        hit += usize::from(killed_after(
            scene,
            case,
            durations[at].mul_f64(random.next()),
        ));
        let report = scene.fsck(&[]);
        if case.missing == Expected::Nothing {
            assert_eq!(report["missing"], Value::Array(Vec::new()), "{report}");
        }
        (case.killed)(scene);
        if let Some(dvc) = dvc.as_ref().filter(|_| asked(run))
            && case.missing == Expected::Nothing
        {
            restored_by_dvc(scene, dvc, "HEAD");
        }
        match case.again {
            Some(again) => again(scene),
            None => {
                let _ = scene.project.ketch(case.arguments).success();
            }
        }
        (case.finished)(scene);
        scene.assert_sound(&[]);
        let left: Vec<Utf8PathBuf> = leftovers(&scene.project.root())
            .into_iter()
            .filter(|path| !path.as_str().contains("/.dvc/"))
            .collect();
        assert_eq!(left, [] as [&str; 0], "in the work tree");
        if let Some(dvc) = dvc.as_ref().filter(|_| asked(run)) {
            agreed_by_dvc(scene, dvc, case);
        }
        told.2 = run;
    }
    say(&format!(
        "ketch {}: {kills} runs, {hit} killed at work, within {durations:?}",
        case.name
    ));
    assert!(hit > 0 || kills < 8, "none of {kills} was killed at work");
}

/// Whether the command was still at work.
fn killed_after(scene: &Scene, case: &Case<'_>, delay: Duration) -> bool {
    let mut child = scene
        .project
        .ketch_command()
        .args(case.arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ketch starts");
    sleep(delay);
    child.kill().expect("a child that can be killed");
    let status = child.wait().expect("a child to wait for");
    assert!(
        status.success() || status.code().is_none(),
        "`ketch {}` failed by itself: {status}",
        case.name
    );
    status.code().is_none()
}

fn dvc_in(scene: &Scene, dvc: &Utf8Path, folder: &Utf8Path, arguments: &[&str]) -> CommandOutput {
    let mut command = scene.project.command(dvc);
    let output = command.current_dir(folder).args(arguments).output();
    CommandOutput::from(output.expect("DVC starts")).success()
}

/// DVC makes the data of a commit in a fresh copy, from this cache alone.
fn restored_by_dvc(scene: &Scene, dvc: &Utf8Path, revision: &str) {
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
fn agreed_by_dvc(scene: &Scene, dvc: &Utf8Path, case: &Case<'_>) {
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

/// One scene for each kind of link.
fn scenes(remote: &[&str]) -> Vec<Scene> {
    ["hardlink,copy", "copy"]
        .map(|link| Scene::new(link, remote))
        .into()
}

fn nothing(_: &Scene) {}

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

/// Who finds the manifest of a directory finds its files.
fn is_complete(folder: &Utf8Path) {
    if !folder.is_dir() {
        return;
    }
    for manifest in files_below(folder) {
        if manifest.extension() == Some("dir") && !manifest.as_str().contains("ketch-tmp") {
            let bytes = fs_err::read(&manifest).expect("a manifest");
            let entries: Vec<Value> = serde_json::from_slice(&bytes).expect("whole JSON");
            for entry in entries {
                let (two, rest) = entry["md5"].as_str().expect("a hash").split_at(2);
                let object = folder.join("files/md5").join(two).join(rest);
                assert!(object.is_file(), "{manifest} without {object}");
            }
        }
    }
}

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
