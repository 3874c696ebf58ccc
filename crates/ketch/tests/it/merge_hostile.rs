//! What other people's branches may hold, through the merge driver: Git keeps the user's version, and
//! nothing is written anywhere else.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{CommandOutput, TestProject};

use crate::support::project;

/// Valid, as far as it goes.
fn dvc(path: &str, digest: &str) -> String {
    format!("outs:\n- md5: {digest}\n  size: 3\n  hash: md5\n  path: {path}\n")
}

fn digest(letter: char) -> String {
    letter.to_string().repeat(32)
}

/// Every file of a folder with its bytes, but for ketch's and Git's own.
fn contents(folder: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("a folder") {
            let path = entry.expect("a name").into_path();
            let own = path.ends_with(".git") || path.ends_with(".dvc/tmp");
            if path.is_dir() && !own {
                folders.push(path);
            } else if path.is_file() {
                found.insert(path.clone(), fs_err::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn merge(project: &TestProject, path: &str) -> CommandOutput {
    let arguments = [
        "--ancestor",
        "base",
        "--our",
        "ours",
        "--their",
        "theirs",
        "--path",
        path,
    ];
    project.ketch([&["git-hook", "merge-driver"][..], &arguments].concat())
}

fn with_versions(base: &[u8], ours: &[u8], theirs: &[u8]) -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    for (name, content) in [("base", base), ("ours", ours), ("theirs", theirs)] {
        project.write(name, content);
    }
    project
}

#[test]
fn what_cannot_be_merged_leaves_ours_and_says_why() {
    let good = dvc("data", &digest('a'));
    let deep = format!("outs: {}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    let indented: Vec<String> = (0..3_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let indented = indented.concat();
    let huge = format!(
        "desc: {}\n{}",
        "x".repeat(2 << 20),
        dvc("data", &digest('e'))
    );
    let many: Vec<String> = (0..20_000)
        .map(|number| format!("- md5: {}\n  path: f{number}\n", digest('b')))
        .collect();
    let theirs: Vec<(&str, Vec<u8>)> = vec![
        ("bytes that are no text", vec![0xff, 0xfe, 0, 1, 2, 3]),
        ("one such byte", [good.as_bytes(), b"# \xe9\n"].concat()),
        (
            "a binary file",
            (0..=255_u8).cycle().take(100_000).collect(),
        ),
        ("deep nesting", deep.into_bytes()),
        ("deep indentation", indented.into_bytes()),
        (
            "anchors",
            b"a: &a [x, x]\nb: &b [*a, *a]\nouts: [*b, *b]\n".to_vec(),
        ),
        ("no mapping", b"- 1\n- 2\n".to_vec()),
        ("not YAML", b"outs: [}\n".to_vec()),
        (
            "a hash that is none",
            dvc("data", "../../../etc/passwd").into_bytes(),
        ),
        (
            "conflict marks",
            format!("<<<<<<< x\n{good}=======\n{good}>>>>>>> y\n").into_bytes(),
        ),
        ("a huge text", huge.into_bytes()),
        (
            "many outputs",
            format!("outs:\n{}", many.concat()).into_bytes(),
        ),
        (
            "a path that leads out",
            dvc("../../outside", &digest('c')).into_bytes(),
        ),
        (
            "an absolute path",
            dvc("/etc/passwd", &digest('c')).into_bytes(),
        ),
        ("nothing", Vec::new()),
    ];
    for (what, theirs) in theirs {
        let ours = good.replace(&digest('a'), &digest('d'));
        let project = with_versions(good.as_bytes(), ours.as_bytes(), &theirs);
        let around = project.root().parent().expect("around").to_owned();
        let before = contents(&around);
        let output = merge(&project, "data.dvc");
        // Git takes this for a conflict; above 128 it would stop in the midst of the merge.
        let code = output
            .status
            .code()
            .unwrap_or_else(|| panic!("{what}: {output}"));
        assert!((1..100).contains(&code), "{what}: {code} {output}");
        assert!(output.stderr.contains("data.dvc"), "{what}: {output}");
        let mut after = contents(&around);
        let ours_now = after
            .insert(project.path("ours"), ours.clone().into_bytes())
            .unwrap();
        assert_eq!(after, before, "{what}: something else was written");
        // As it was, or marked with both versions.
        let text = String::from_utf8(ours_now).expect("text");
        assert!(
            text == ours || text.contains(&digest('d')),
            "{what}: {text:.300}"
        );
        if code > 1 {
            assert_eq!(text, ours, "{what}");
        }
    }
}

#[test]
fn a_version_that_is_missing_is_named() {
    for missing in ["ours", "theirs"] {
        let good = dvc("data", &digest('a'));
        let project = with_versions(good.as_bytes(), good.as_bytes(), good.as_bytes());
        fs_err::remove_file(project.path(missing)).expect("removed");
        let output = merge(&project, "data.dvc");
        assert!(
            output
                .status
                .code()
                .is_some_and(|code| (1..100).contains(&code)),
            "{output}"
        );
        assert!(output.stderr.contains(missing), "{output}");
        assert!(!project.path(missing).exists(), "nothing takes its place");
    }
    // The name is no place to write to.
    let good = dvc("data", &digest('a'));
    let project = with_versions(good.as_bytes(), good.as_bytes(), good.as_bytes());
    let _ = merge(&project, "../../../outside.dvc").success();
    assert!(
        !project
            .root()
            .parent()
            .expect("around")
            .join("outside.dvc")
            .exists()
    );
}

#[test]
fn git_keeps_our_version_and_calls_it_a_conflict() {
    let mut project = project();
    let binary = Utf8Path::new(env!("CARGO_BIN_EXE_ketch"));
    let folder = binary.parent().expect("the folder of the program");
    project.set_env("PATH", &format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let _ = project.ketch(["install"]).success();
    // The data of these commits is nowhere, which the hooks would say.
    fs_err::remove_dir_all(project.path(".git/hooks")).expect("removed");
    project.write("data.dvc", dvc("data", &digest('a')));
    let commit = |project: &TestProject, message: &str| {
        let _ = project.git(["add", "--all"]).success();
        let _ = project
            .git(["commit", "--quiet", "--no-verify", "-m", message])
            .success();
    };
    commit(&project, "base");
    let _ = project
        .git(["switch", "--quiet", "--create", "theirs"])
        .success();
    project.write("data.dvc", [0xff_u8, 0xfe, 0, 1]);
    commit(&project, "theirs");
    let _ = project.git(["switch", "--quiet", "main"]).success();
    let ours = dvc("data", &digest('d'));
    project.write("data.dvc", &ours);
    commit(&project, "ours");
    let merged = project.git(["merge", "theirs"]);
    assert_eq!(merged.status.code(), Some(1), "{merged}");
    assert_eq!(project.read("data.dvc"), ours);
    let status = project.git(["status", "--porcelain"]).success();
    assert!(status.stdout.contains("UU data.dvc"), "{status}");
}
