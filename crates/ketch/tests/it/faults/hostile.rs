//! Input that is damaged, or meant to do harm.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::TestProject;

use super::new_project;
use crate::support::commit_all;

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
