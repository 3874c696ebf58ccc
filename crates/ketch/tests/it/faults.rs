//! Disks that are full or read-only, neighbours, and input that is meant to do harm.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{CommandOutput, TestProject, peer};

use crate::support::{commit_all, project, say};

/// A file system of its own, mounted until this is dropped.
struct Mount(Utf8PathBuf);

impl Mount {
    /// Nothing, and a word about why, where that is not allowed.
    fn new(at: &Utf8Path, arguments: &[&str]) -> Option<Self> {
        fs_err::create_dir_all(at).expect("a folder to mount on");
        let output = Command::new("mount").args(arguments).arg(at).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                say(&format!("skipped: mounting needs root: {}", told.trim()));
                None
            }
            Err(error) => {
                say(&format!("skipped: there is no program `mount`: {error}"));
                None
            }
        }
    }

    fn small(at: &Utf8Path) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}"), self.0.as_str()])
            .status();
        assert!(status.expect("mount").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l", self.0.as_str()])
            .status();
    }
}

fn new_project() -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project
}

/// Bytes that do not repeat, so that nothing can make them smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Fills the disk but for `room` bytes; the filler goes when room is made.
fn fill(mount: &Mount, room: usize) -> Utf8PathBuf {
    let filler = mount.0.join("filler");
    let mut file = fs_err::File::create(&filler).expect("a new file");
    let mut written = 0;
    while let Ok(()) = file.write_all(&[1; 4096]) {
        written += 4096;
    }
    file.set_len((written - room) as u64).expect("shortened");
    filler
}

fn full(project: &TestProject, arguments: &[&str], named: &str) {
    let output = project.ketch(arguments).failure(4);
    let text = &output.stderr;
    assert!(text.contains("No space left on device"), "{output}");
    assert!(text.contains(named), "no path: {output}");
    assert!(text.contains("hint: make room"), "{output}");
}

fn sound(project: &TestProject) {
    let _ = project.ketch(["fsck"]).success();
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
    let filler = fill(&mount, 1_500_000);
    full(&project, &["add", "data"], ".dvc/cache/");
    assert!(!project.path("data.dvc").exists(), "nothing is recorded");
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["add", "data"]).success();
    sound(&project);

    project.write("data/more", noise(9, 700_000));
    let _ = project.ketch(["add", "--no-commit", "data"]).success();
    let filler = fill(&mount, 300_000);
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
    let filler = fill(&remote, 1_000_000);
    full(&project, &["push"], "files/md5/");
    fs_err::remove_file(&filler).expect("removed");
    let _ = project.ketch(["push"]).success();
    let _ = project.ketch(["fsck", "--remote", "st"]).success();

    let cache = project.path(".dvc/cache");
    fs_err::remove_dir_all(&cache).expect("removed");
    let Some(mount) = Mount::small(&cache) else {
        return;
    };
    let filler = fill(&mount, 1_000_000);
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
    let filler = fill(&mount, 1_500_000);
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

#[test]
fn two_at_once_both_finish_or_say_who_is_at_work() {
    let project = new_project();
    for number in 0..40 {
        project.write(format!("a/{number}"), noise(number, 40_000));
        project.write(format!("b/{number}"), noise(number + 20, 40_000));
    }
    let start = |arguments: &[&str]| {
        let mut command = project.ketch_command();
        command.args(arguments);
        std::thread::spawn(move || CommandOutput::from(command.output().expect("ketch")))
    };
    let both = [["add", "a"], ["add", "b"]]
        .map(|[command, path]| start(&["--wait-for-lock", command, path]));
    for one in both {
        let _ = one.join().expect("a thread").success();
    }
    let _ = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    for one in [start(&["push"]), start(&["push"])] {
        let _ = one.join().expect("a thread").success();
    }
    let _ = project.ketch(["fsck", "--remote", "st"]).success();
    sound(&project);
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    // Beside DVC: whoever comes second waits three seconds, then says who is at work.
    project.write("a/new", "1");
    project.write("b/new", "2");
    let mut command = project.command(dvc);
    command.args(["add", "a"]);
    let theirs = std::thread::spawn(move || command.output().expect("DVC"));
    for _ in 0..20 {
        let _ = project.ketch(["--wait-for-lock", "add", "b"]).success();
    }
    let theirs = CommandOutput::from(theirs.join().expect("a thread"));
    if !theirs.status.success() {
        assert!(theirs.stderr.contains("lock"), "{theirs}");
        let _ = project.ketch(["add", "a"]).success();
    }
    let status = project.ketch(["status", "-q"]).success();
    assert_eq!(status.stdout, "");
    sound(&project);
}

#[test]
fn a_file_that_grows_is_never_recorded_wrongly() {
    let project = new_project();
    project.write("log", noise(1, 6_000_000));
    let path = project.path("log");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs_err::OpenOptions::new()
                .append(true)
                .open(&path)
                .expect("a file");
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"more").expect("written");
            }
        });
        let output = project.ketch(["add", "log"]);
        stop.store(true, Ordering::Relaxed);
        let output = output.failure(3);
        assert!(output.stderr.contains("changed while"), "{output}");
        assert!(output.stderr.contains("hint: wait until"), "{output}");
    });
    assert!(!project.path("log.dvc").exists());
    let _ = project.ketch(["add", "log"]).success();
    sound(&project);
}

#[test]
fn names_are_kept_or_refused() {
    let project = new_project();
    let long = "n".repeat(255);
    let names = [
        long.as_str(),
        "a\nb",
        "tab\there",
        "'\"\\",
        " ",
        "-x",
        "ü",
        "#",
        "a: b",
    ];
    for name in names {
        project.write(format!("data/{name}"), name);
    }
    let _ = project.ketch(["add", "data"]).success();
    fs_err::remove_dir_all(project.path("data")).expect("removed");
    let _ = project.ketch(["checkout"]).success();
    for name in names {
        assert_eq!(project.read(format!("data/{name}")), name);
    }
    let _ = project.ketch(["status", "-q"]).success();
    if let Some(dvc) = peer("dvc/bin/dvc") {
        let status = project.command(dvc).arg("status").output().expect("DVC");
        let status = CommandOutput::from(status).success();
        assert!(status.stdout.contains("up to date"), "{status}");
    }
    // There is no room for `.dvc` in the name of its record.
    project.write(&long, "x");
    let refused = project.ketch(["add", &long]);
    assert!(matches!(refused.status.code(), Some(3 | 4)), "{refused}");
    assert!(refused.stderr.contains("nnn.dvc"), "{refused}");

    let odd = project.root().as_std_path().join("odd");
    fs_err::create_dir(&odd).expect("a folder");
    fs_err::write(odd.join(OsStr::from_bytes(b"\xff.txt")), "x").expect("written");
    let refused = project.ketch(["add", "odd"]).failure(3);
    assert!(refused.stderr.contains("not valid UTF-8"), "{refused}");
    assert!(refused.stderr.contains("hint: rename"), "{refused}");
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let project = new_project();
    project.write("loop/file", "x");
    fs_err::os::unix::fs::symlink(".", project.path("loop/again")).expect("a link");
    let _ = project.ketch(["add", "loop"]).success();
    fs_err::create_dir(project.path("self")).expect("a folder");
    fs_err::os::unix::fs::symlink("me", project.path("self/me")).expect("a link");
    let refused = project.ketch(["add", "self"]);
    assert!(matches!(refused.status.code(), Some(3 | 4)), "{refused}");
    assert!(refused.stderr.contains("self/me"), "{refused}");

    fs_err::create_dir(project.path("pipes")).expect("a folder");
    let made = project.command("mkfifo").arg("pipes/fifo").status();
    assert!(made.expect("mkfifo").success());
    let refused = project.ketch(["add", "pipes"]).failure(3);
    assert!(refused.stderr.contains("pipes/fifo"), "{refused}");
    let refused = project.ketch(["add", "pipes/fifo"]).failure(3);
    assert!(refused.stderr.contains("pipes/fifo"), "{refused}");
    fs_err::create_dir(project.path("socket")).expect("a folder");
    let _socket =
        std::os::unix::net::UnixListener::bind(project.path("socket/s")).expect("a socket");
    let refused = project.ketch(["add", "socket"]).failure(3);
    assert!(refused.stderr.contains("socket/s"), "{refused}");
}

/// A project with the objects of a hostile author: a file and a directory with this entry.
fn hostile(path: &str) -> (TestProject, String) {
    let project = new_project();
    project.write("evil", "EVIL");
    let _ = project.ketch(["add", "evil"]).success();
    let md5 = "7a3eaa2b0b3c2dc0db7e9a7d5d1b9a3f";
    let record = project.read("evil.dvc");
    let real = record
        .lines()
        .find_map(|line| line.trim_start_matches("- ").strip_prefix("md5: "))
        .unwrap_or(md5)
        .to_owned();
    let manifest = serde_json::json!([{ "md5": real, "relpath": path }]).to_string();
    project.write("manifest", &manifest);
    let sum = project.command("md5sum").arg("manifest").output();
    let sum = String::from_utf8(sum.expect("md5sum").stdout).expect("text");
    let id = sum[..32].to_owned();
    project.write(
        format!(".dvc/cache/files/md5/{}/{}.dir", &id[..2], &id[2..]),
        &manifest,
    );
    fs_err::remove_file(project.path("manifest")).expect("removed");
    (project, format!("{id}.dir"))
}

/// Everything around the project, by path, with what it holds.
fn around(project: &TestProject) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let base = project.root().parent().expect("around").to_owned();
    let mut folders = vec![base.clone(), project.path(".git/hooks")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("a folder") {
            let path = entry.expect("an entry").into_path();
            if path == project.root() {
                continue;
            }
            match path.symlink_metadata().expect("there") {
                metadata if metadata.is_dir() => folders.push(path),
                metadata if metadata.is_file() => {
                    found.push((path.to_string(), fs_err::read(&path).expect("read")));
                }
                _ => found.push((path.to_string(), Vec::new())),
            }
        }
    }
    // The homes of programs are theirs.
    found.retain(|(path, _)| !path.contains("/home/"));
    found.sort();
    found
}

#[test]
fn a_hostile_manifest_never_leaves_its_directory() {
    for path in [
        "../outside",
        "../../outside",
        "/tmp/ketch-hostile",
        "a/../../outside",
        "..",
        ".",
        "",
        "a\0b",
        "../.git/hooks/pre-commit",
        ".git/hooks/pre-commit",
        "a//b",
    ] {
        let (project, id) = hostile(path);
        project.write(
            "data.dvc",
            format!("outs:\n- md5: {id}\n  size: 4\n  nfiles: 1\n  hash: md5\n  path: data\n"),
        );
        commit_all(&project);
        let before = around(&project);
        let checkout = project.ketch(["checkout", "data.dvc"]);
        assert!(
            matches!(checkout.status.code(), Some(1 | 3 | 4)) || path.starts_with(".git/"),
            "{path:?}: {checkout}"
        );
        let reader = new_project();
        let root = project.root();
        let url = root.as_str();
        let outside = around(&reader);
        for arguments in [
            vec!["get", url, "data"],
            vec!["import", url, "data"],
            vec!["list", "-R", url, "data"],
        ] {
            let output = reader.ketch(&arguments);
            assert_ne!(output.status.code(), Some(101), "{path:?}: {output}");
            // `data/.git` is below the data: DVC makes it, too.
            if arguments[0] != "list" && !path.starts_with(".git/") {
                assert!(!output.status.success(), "{path:?} {arguments:?}: {output}");
            }
        }
        for arguments in [
            vec!["pull"],
            vec!["move", "data", "elsewhere"],
            vec!["status"],
            vec!["diff"],
            vec!["data", "status"],
            vec!["fsck"],
            vec!["remove", "--outs", "data.dvc"],
        ] {
            let output = project.ketch(&arguments);
            assert_ne!(output.status.code(), Some(101), "{path:?}: {output}");
        }
        assert_eq!(around(&project), before, "{path:?}");
        assert_eq!(around(&reader), outside, "{path:?}");
        assert!(!Utf8Path::new("/tmp/ketch-hostile").exists());
        assert!(!project.path("outside").exists(), "{path:?}");
    }
}

#[test]
fn a_hostile_record_never_leaves_the_repository() {
    let outside = tempfile_path();
    for path in [
        "../outside",
        "/ABS/outside",
        "a/../../outside",
        ".git/hooks/pre-commit",
        ".",
        "",
    ] {
        let path = path.replace("/ABS", outside.as_str());
        let (project, _) = hostile("x");
        let record = project
            .read("evil.dvc")
            .replace("path: evil", &format!("path: '{path}'"));
        fs_err::remove_file(project.path("evil.dvc")).expect("removed");
        fs_err::remove_file(project.path("evil")).expect("removed");
        project.write("data.dvc", &record);
        let before = around(&project);
        for arguments in [
            vec!["checkout", "--force"],
            vec!["pull", "--force"],
            vec!["checkout", "--force", "data.dvc"],
            vec!["move", "data.dvc", "elsewhere"],
            vec!["commit", "--force", "data.dvc"],
            vec!["remove", "--outs", "data.dvc"],
        ] {
            let output = project.ketch(&arguments);
            assert_ne!(output.status.code(), Some(101), "{path:?}: {output}");
            assert_eq!(around(&project), before, "{path:?} {arguments:?}: {output}");
        }
        assert!(!outside.join("outside").exists());
    }
    let _ = fs_err::remove_dir_all(outside);
}

fn tempfile_path() -> Utf8PathBuf {
    let path = std::env::temp_dir().join(format!("ketch-outside-{}", std::process::id()));
    fs_err::create_dir_all(&path).expect("a folder");
    Utf8PathBuf::from_path_buf(path).expect("UTF-8")
}

#[test]
fn a_linked_parent_is_not_a_way_out() {
    let project = new_project();
    project.write("data/sub/file", "inside");
    let _ = project.ketch(["add", "data"]).success();
    let outside = project.root().parent().expect("around").join("outside");
    fs_err::create_dir(&outside).expect("a folder");
    fs_err::write(outside.join("file"), "theirs").expect("written");
    fs_err::remove_dir_all(project.path("data/sub")).expect("removed");
    fs_err::os::unix::fs::symlink(&outside, project.path("data/sub")).expect("a link");
    let _ = project.ketch(["checkout", "--force"]);
    assert_eq!(fs_err::read(outside.join("file")).unwrap(), b"theirs");
    assert_eq!(outside.read_dir_utf8().expect("a folder").count(), 1);
}

#[test]
fn broken_yaml_is_shown_at_its_place() {
    let project = new_project();
    let mut told = String::new();
    for (name, text) in [
        ("tab", "outs:\n\t- path: x\n"),
        ("open", "outs: [\n"),
        ("twice", "outs: []\nouts: []\n"),
        ("kind", "outs: 7\n"),
        ("hash", "outs:\n- md5: nohash\n  path: x\n"),
        (
            "no path",
            "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n",
        ),
        ("nul", "outs:\n- path: \"a\\0b\"\n"),
    ] {
        project.write("x.dvc", text);
        let output = project.ketch(["status"]);
        assert!(
            matches!(output.status.code(), Some(3 | 4)),
            "{name}: {output}"
        );
        write!(told, "# {name}\n{output}").expect("a text grows");
    }
    let _filters = project.bind_filters();
    insta::assert_snapshot!(told);
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
