//! Disks that are full, read-only, or can share what two files have in common.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use camino::Utf8Path;
use ketch_testkit::{CommandOutput, Mount, TestProject, peer};

use super::{new_project, noise, sound};
use crate::support::{project, say};

fn full(project: &TestProject, arguments: &[&str], named: &str) {
    let output = project.ketch(arguments).failure(4);
    let text = &output.stderr;
    assert!(text.contains("No space left on device"), "{output}");
    assert!(text.contains(named), "no path: {output}");
    assert!(text.contains("hint: make room"), "{output}");
}

#[test]
fn a_full_cache_stops_add_and_commit_and_loses_nothing() {
    let project = new_project();
    let Some(mount) = Mount::small(&project.path(".dvc/cache")) else {
        return;
    };
    for number in 0..4 {
        project.write(format!("data/{number}"), noise(number, 700_000));
    }
    for number in 0..30 {
        project.write(format!("data/small/{number}"), noise(number, 9_000));
    }
    let filler = mount.fill(1_500_000);
    full(&project, &["add", "data"], ".dvc/cache/");
    assert!(!project.path("data.dvc").exists(), "nothing is recorded");
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["add", "data"]).success();
    sound(&project);

    project.write("data/more", noise(9, 700_000));
    let _ = project.ketch(["add", "--no-commit", "data"]).success();
    let filler = mount.fill(300_000);
    full(&project, &["commit", "data.dvc"], ".dvc/cache/");
    assert_eq!(
        fs_err::read(project.path("data/more")).unwrap(),
        noise(9, 700_000)
    );
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["commit", "data.dvc"]).success();
    sound(&project);
}

#[test]
fn a_full_remote_and_a_full_cache_stop_a_transfer() {
    let project = new_project();
    let store = project.root().parent().expect("around").join("store");
    let Some(remote) = Mount::small(&store) else {
        return;
    };
    for number in 0..3 {
        project.write(format!("data/{number}"), noise(number, 900_000));
    }
    let _ = project
        .ketch(["remote", "add", "-d", "st", store.as_str()])
        .success();
    let _ = project.ketch(["add", "data"]).success();
    let filler = remote.fill(1_000_000);
    full(&project, &["push"], "files/md5/");
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["push"]).success();
    let _ = project.ketch(["fsck", "--remote", "st"]).success();

    let cache = project.path(".dvc/cache");
    fs_err::remove_dir_all(&cache).expect("removed");
    let Some(mount) = Mount::small(&cache) else {
        return;
    };
    let filler = mount.fill(1_000_000);
    full(&project, &["fetch"], ".dvc/cache/");
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["fetch"]).success();
    sound(&project);
}

#[test]
fn a_full_work_tree_stops_a_checkout() {
    let project = new_project();
    for number in 0..3 {
        project.write(format!("work/data/{number}"), noise(number, 900_000));
    }
    let _ = project.ketch(["add", "work/data"]).success();
    let record = project.read("work/data.dvc");
    fs_err::remove_dir_all(project.path("work")).expect("removed");
    let Some(mount) = Mount::small(&project.path("work")) else {
        return;
    };
    project.write("work/data.dvc", record);
    let filler = mount.fill(1_500_000);
    full(&project, &["checkout"], "work/data/");
    sound(&project);
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["checkout"]).success();
    for number in 0..3 {
        let path = project.path(format!("work/data/{number}"));
        assert_eq!(fs_err::read(path).unwrap(), noise(number, 900_000));
    }
}

#[test]
fn what_is_read_only_is_named_and_stays_as_it_is() {
    let project = new_project();
    let Some(cache) = Mount::small(&project.path(".dvc/cache")) else {
        return;
    };
    project.write("old", "old\n");
    let _ = project.ketch(["add", "old"]).success();
    project.write("new", "new\n");
    cache.remount("ro");
    let refused = project.ketch(["add", "new"]).failure(4);
    assert!(refused.stderr.contains(".dvc/cache/"), "{refused}");
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{refused}"
    );
    assert!(!project.path("new.dvc").exists());
    // Reading is enough to check out.
    fs_err::remove_file(project.path("old")).expect("removed");
    let _ = project.ketch(["checkout"]).success();
    assert_eq!(project.read("old"), "old\n");
    cache.remount("rw");
    let _ = project.ketch(["add", "new"]).success();

    project.write("work/data", "1\n");
    let _ = project.ketch(["add", "work/data"]).success();
    let record = project.read("work/data.dvc");
    let Some(work) = Mount::small(&project.path("work")) else {
        return;
    };
    project.write("work/data.dvc", record);
    work.remount("ro");
    let refused = project.ketch(["checkout"]).failure(4);
    assert!(refused.stderr.contains("work/data"), "{refused}");
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{refused}"
    );
}

/// Extents that the file shares with another, as the file system tells.
fn shares_extents(path: &Utf8Path) -> bool {
    let output = Command::new("filefrag")
        .args(["-v", path.as_str()])
        .output();
    let output = output.expect("filefrag");
    String::from_utf8_lossy(&output.stdout).contains("shared")
}

#[test]
fn clones_share_their_bytes_where_the_disk_can() {
    let project = project();
    let image = project.home().join("xfs.img");
    let file = fs_err::File::create(&image).expect("a new file");
    file.set_len(512 << 20).expect("a size");
    let made = Command::new("mkfs.xfs")
        .args(["-q", image.as_str()])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        say("skipped: there is no `mkfs.xfs`; run scripts/test-setup as root");
        return;
    }
    let Some(_mount) = Mount::new(&project.root(), &["-o", "loop", image.as_str()]) else {
        return;
    };
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/large", noise(1, 3_000_000));
    project.write("data/small", noise(2, 30_000));
    project.write("alone", noise(3, 3_000_000));
    let _ = project.ketch(["add", "data", "alone"]).success();
    let files = ["data/large", "data/small", "alone"];
    let check = || {
        for name in files {
            let path = project.path(name);
            let metadata = fs_err::metadata(&path).expect("there");
            assert!(shares_extents(&path), "{name}");
            // Of its own, with the mode that DVC gives.
            assert_eq!(metadata.nlink(), 1, "{name}");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o644, "{name}");
        }
    };
    check();
    sound(&project);
    let objects = project.path(".dvc/cache/files/md5");
    for folder in objects.read_dir_utf8().expect("a folder").flatten() {
        for object in folder.path().read_dir_utf8().expect("a folder").flatten() {
            let mode = object.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o444, "{}", object.path());
        }
    }
    for name in ["data", "alone"] {
        let path = project.path(name);
        let _ = fs_err::remove_dir_all(&path).or_else(|_| fs_err::remove_file(&path));
    }
    let _ = project.ketch(["checkout"]).success();
    check();
    // An edit does not reach the cache.
    project.write("alone", "edited");
    sound(&project);
    if let Some(dvc) = peer("dvc/bin/dvc") {
        let _ = project.ketch(["checkout", "--force"]).success();
        let status = project.command(dvc).arg("status").output().expect("DVC");
        let status = CommandOutput::from(status).success();
        assert!(status.stdout.contains("up to date"), "{status}");
    }
}
