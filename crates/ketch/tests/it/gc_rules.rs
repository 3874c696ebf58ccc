//! What `gc` keeps by each of its rules: the same as DVC, in the same project.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::hash_bytes;
use ketch_testkit::{TestProject, peer};

use crate::personality::{Twin, link};
use crate::support::project;

/// A Git call that commits at a time of its own.
fn git_at(project: &TestProject, date: &str, arguments: &[&str]) -> String {
    let like = project.ketch_command();
    let mut command = Command::new("git");
    command.args(arguments).current_dir(project.root());
    for (key, value) in like.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    let output = command
        .env("GIT_COMMITTER_DATE", date)
        .env("GIT_AUTHOR_DATE", date)
        .output()
        .expect("git runs");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    text
}

/// Tracks `text` as the data of a commit made on `day`.
fn commit_data(project: &TestProject, day: &str, text: &str) -> String {
    project.write("one", text);
    project.write("dir/file", format!("{text} in a directory"));
    project.write("dir/same", "always the same");
    let _ = project.ketch(["add", "one", "dir"]).success();
    let date = format!("{day}T12:00:00");
    git_at(project, &date, &["add", "--all"]);
    git_at(project, &date, &["commit", "--quiet", "--message", text]);
    git_at(project, &date, &["rev-parse", "HEAD"])
}

/// Two branches, a tag, an experiment, days out of order, and data that no commit uses.
fn with_history() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init", "-q"]).success();
    let _ = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    // DVC 2 left two objects, here and there; one of them is in use.
    let old = hash_bytes(b"old\n").hex().to_owned();
    for text in ["old\n", "old and unused\n"] {
        let id = hash_bytes(text.as_bytes()).as_legacy();
        for place in [project.path(".dvc/cache"), store(&project)] {
            let path = place.join(id.cache_path());
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs_err::write(&path, text).expect("written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
            fs_err::set_permissions(&path, mode).expect("set");
        }
    }
    project.write(
        "old.dvc",
        format!("outs:\n- md5: {old}\n  size: 4\n  path: old\n"),
    );
    project.write(".gitignore", "/old\n");
    commit_data(&project, "2020-01-01", "first");
    let _ = project
        .git(["tag", "--annotate", "--message", "t", "t1"])
        .success();
    commit_data(&project, "2020-06-01", "second");
    let second = commit_data(&project, "2020-03-01", "third, by a clock that was wrong");
    let _ = project.git(["branch", "side"]).success();
    commit_data(&project, "2020-08-01", "fourth");
    let base = commit_data(&project, "2020-09-01", "fifth");
    commit_data(&project, "2020-10-01", "an experiment");
    let experiment = commit_data(&project, "2020-10-02", "an experiment that went on");
    let name = format!("refs/exps/{}/{}/try", &base[..2], &base[2..]);
    let _ = project.git(["update-ref", &name, &experiment]).success();
    let _ = project.git(["reset", "--quiet", "--hard", &base]).success();
    let _ = project.git(["switch", "--quiet", "side"]).success();
    assert_eq!(
        git_at(&project, "2020-01-01", &["rev-parse", "HEAD"]),
        second
    );
    commit_data(&project, "2020-04-01", "on the side");
    commit_data(&project, "2020-05-01", "further on the side");
    let _ = project.git(["switch", "--quiet", "-"]).success();
    let _ = project.ketch(["checkout", "--force"]).success();
    // The remote has what the work tree uses, but one file.
    let _ = project.ketch(["push"]).success();
    let gone = object(&store(&project), "fifth in a directory");
    fs_err::remove_file(gone).expect("removed");
    project.write("one", "never committed");
    let _ = project.ketch(["add", "one"]).success();
    let _ = project.git(["checkout", "--quiet", "one.dvc"]).success();
    let _ = project.ketch(["checkout", "--force"]).success();
    project
}

fn store(project: &TestProject) -> Utf8PathBuf {
    let root = project.root();
    root.parent().expect("a base").join("store")
}

fn object(store: &Utf8Path, text: &str) -> Utf8PathBuf {
    store.join(hash_bytes(text.as_bytes()).cache_path())
}

/// Every object below a cache or a remote, by name.
fn objects(root: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in folder.read_dir_utf8().expect("a folder") {
            let path = entry.expect("an entry").into_path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension() != Some("tmp") {
                let below = path.strip_prefix(root).expect("below");
                found.push(below.to_string());
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    let _ = fs_err::remove_dir_all(to);
    for name in objects(from) {
        let target = to.join(&name);
        fs_err::create_dir_all(target.parent().expect("a folder")).expect("made");
        fs_err::copy(from.join(&name), target).expect("copied");
    }
}

/// Runs one line by both in the same project, and compares what is left, what is printed, and how
/// it ends. Returns how much is left.
fn compare(twin: &mut Twin, programs: &[Utf8PathBuf; 2], line: &str) -> [usize; 2] {
    let project = &twin.project;
    let places = [project.path(".dvc/cache"), store(project)];
    let saved = places.each_ref().map(|place| {
        let saved = Utf8PathBuf::from(format!("{place}.saved"));
        copy(place, &saved);
        saved
    });
    let answers = programs.each_ref().map(|program| {
        for (place, saved) in places.iter().zip(&saved) {
            copy(saved, place);
        }
        twin.program.clone_from(program);
        let answer = twin.run(line);
        let left = places.each_ref().map(|place| objects(place));
        let mut lines: Vec<String> = answer.output.lines().map(str::to_owned).collect();
        lines.sort();
        (answer.code, lines, left)
    });
    for (place, saved) in places.iter().zip(&saved) {
        copy(saved, place);
        fs_err::remove_dir_all(saved).expect("removed");
    }
    let [ours, theirs] = answers;
    assert_eq!(ours, theirs, "dvc {line}");
    ours.2.map(|left| left.len())
}

#[test]
fn each_rule_keeps_what_it_keeps_with_dvc() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let folder = project();
    let mut twin = Twin {
        project: with_history(),
        program: dvc.clone(),
    };
    let programs = [link(&folder.root()), dvc];
    let mut left = Vec::new();
    for line in [
        "gc -w -f",
        "gc -w -f --dry",
        "gc -a -f",
        "gc -T -f",
        "gc -aT -f",
        "gc -A -f",
        "gc --rev HEAD~1 -f",
        "gc --rev side -n 2 -f",
        "gc --rev t1 -n 5 -f",
        "gc -a -n 2 -f",
        "gc -n 2 -f -w",
        "gc --date 2020-04-01 -f",
        "gc --date 2020-08-01 -f",
        "gc --all-experiments -f",
        "gc -w --not-in-remote -f",
        "gc -A --not-in-remote -f -r st",
        "gc -w --not-in-remote -c -f",
        "gc -w --not-in-remote -f -r nosuch",
        "gc -w -c -f",
        "gc -A -c -f",
        "gc -f",
    ] {
        left.push((line, compare(&mut twin, &programs, line)));
    }
    // The rules differ from each other, too.
    let left = |wanted: &str| {
        let found = left.iter().find(|(line, _)| *line == wanted);
        found.expect("it was run").1
    };
    let cached = |wanted: &str| left(wanted)[0];
    let [_, all] = left("gc -w -f");
    assert_eq!(left("gc -w -c -f")[1], all - 1, "the unused one of DVC 2");
    assert_eq!(cached("gc -w -f"), 5);
    assert!(cached("gc --all-experiments -f") > cached("gc --rev HEAD~1 -f"));
    assert!(cached("gc --date 2020-04-01 -f") > cached("gc --date 2020-08-01 -f"));
    assert!(cached("gc -A --not-in-remote -f -r st") < cached("gc -A -f"));
    assert_eq!(cached("gc -w --not-in-remote -f"), 1);
}

#[test]
fn commits_that_cannot_be_read_are_left_out_only_if_asked_to() {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let folder = project();
    let project = with_history();
    let whole = project.read("one.dvc");
    project.write("one.dvc", "outs: [");
    let _ = project.git(["add", "one.dvc"]).success();
    let _ = project
        .git(["commit", "--quiet", "--message", "damaged"])
        .success();
    project.write("one.dvc", whole);
    let _ = project.git(["add", "one.dvc"]).success();
    let _ = project
        .git(["commit", "--quiet", "--message", "mended"])
        .success();
    let refused = project.ketch(["gc", "-A"]).failure(3);
    assert!(refused.stderr.contains("--skip-failed"), "{refused}");
    let dry = project
        .ketch(["gc", "-A", "--skip-failed", "--dry", "--json"])
        .success();
    let report: serde_json::Value = serde_json::from_str(&dry.stdout).expect("JSON");
    assert_eq!(report["skipped"].as_array().expect("a list").len(), 1);
    assert!(dry.stderr.contains("cannot be told"), "{dry}");

    let mut twin = Twin {
        project,
        program: dvc.clone(),
    };
    let programs = [link(&folder.root()), dvc];
    let all = compare(&mut twin, &programs, "gc -A -f");
    let skipped = compare(&mut twin, &programs, "gc -A -f --skip-failed");
    assert!(skipped[0] < all[0], "{all:?} {skipped:?}");
    // A commit that nobody named does not matter.
    compare(&mut twin, &programs, "gc -w -f");
}

#[test]
fn what_somebody_may_be_pushing_stays_on_the_remote() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init", "-q"]).success();
    let _ = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    for text in ["old", "new", "in use"] {
        project.write("one", text);
        let _ = project.ketch(["add", "one"]).success();
        let _ = project.ketch(["push"]).success();
    }
    let path = object(&store(&project), "old");
    // Longer ago than a day by any clock.
    let before = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs_err::File::options()
        .read(true)
        .open(&path)
        .expect("an object");
    file.file().set_modified(before).expect("set");

    let gc = |arguments: &[&str]| {
        let all = [&["gc", "-w", "-c", "--json"], arguments].concat();
        let done = project.ketch(all).success();
        let report: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
        let remote = &report["remote"];
        let collected = remote["collected"].as_array().expect("a list").len();
        (collected, remote["young"].as_u64(), remote["kept"].as_u64())
    };
    assert_eq!(gc(&["--dry"]), (1, Some(1), Some(2)));
    assert_eq!(gc(&["--dry", "--grace", "400000"]), (0, Some(2), Some(3)));
    assert!(path.exists(), "nothing was done");
    assert_eq!(gc(&[]), (1, Some(1), Some(2)));
    assert!(!path.exists());
    let told = project.ketch(["gc", "-w", "-c"]).success();
    assert!(told.stderr.contains("--grace"), "{told}");
    assert_eq!(gc(&["--grace", "0"]), (1, Some(0), Some(1)));
    assert!(object(&store(&project), "in use").exists());
}
