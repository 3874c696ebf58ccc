//! Data of other repositories and URLs, as people ask for it.

use ketch_testkit::TestProject;

use crate::support::{commit_all, project};

/// A project with data, whose path is no secret to others.
fn source() -> TestProject {
    let source = project();
    source.git_init();
    let _ = source.ketch(["init"]).success();
    source.write("data/a", "a");
    source.write("data/sub/b", "bb");
    let _ = source.ketch(["add", "data"]).success();
    source.write("code.py", "print()\n");
    commit_all(&source);
    source
}

#[test]
fn data_is_imported_updated_and_listed() {
    let (source, project) = (source(), project());
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let root = source.root();
    let url = root.as_str();
    let imported = project
        .ketch(["import", url, "data/sub", "-o", "part"])
        .success();
    assert_eq!(
        imported.stdout,
        format!("Importing 'data/sub ({url})' -> 'part'\n")
    );
    assert_eq!(project.read("part/b"), "bb");
    let again = project
        .ketch(["import", url, "data/sub", "-o", "part"])
        .failure(3);
    // A directory that is there takes it in, as with DVC; one that is data does not.
    assert!(again.stderr.contains("overlap"), "{again}");

    source.write("data/sub/b", "newer");
    let _ = source.ketch(["add", "data"]).success();
    commit_all(&source);
    let status = project.ketch(["status"]).success();
    assert!(
        status.stdout.contains("update available: data/sub"),
        "{status}"
    );
    let quiet = project
        .ketch(["status", "--quiet", "--no-updates"])
        .success();
    assert_eq!(quiet.stdout, "");
    let updated = project.ketch(["update", "part.dvc"]).success();
    assert!(
        updated.stdout.starts_with("Importing 'data/sub"),
        "{updated}"
    );
    assert_eq!(project.read("part/b"), "newer");
    let same = project.ketch(["update", "part.dvc"]).success();
    assert_eq!(same.stdout, "'part.dvc' didn't change, skipping\n");

    let listed = project
        .ketch(["list", url, "--rev", "HEAD", "-R", "data"])
        .success();
    assert_eq!(listed.stdout, "a\nsub/b\n");
    let tree = project.ketch(["list", url, "-T", "--dvc-only"]).success();
    assert_eq!(
        tree.stdout,
        ".\n└── data\n    ├── a\n    └── sub\n        └── b\n"
    );
    let refused = project
        .ketch(["import", "ext::sh -c touch% x", "data"])
        .failure(3);
    assert!(refused.stderr.contains("no address"), "{refused}");
}

#[test]
fn nothing_is_needed_to_get_and_to_look() {
    let (source, here) = (source(), project());
    let root = source.root();
    let url = root.as_str();
    let _ = here.ketch(["get", url, "data"]).success();
    assert_eq!(here.read("data/sub/b"), "bb");
    let data = source.path("data");
    let _ = here.ketch(["get-url", data.as_str(), "copy"]).success();
    assert_eq!(here.read("copy/a"), "a");
    let listed = here
        .ketch(["ls-url", data.as_str(), "-R", "--size"])
        .success();
    assert_eq!(listed.stdout, "      1 B  a\n      2 B  sub/b\n");
    let missing = here.ketch(["get", url, "nosuch"]).failure(3);
    assert!(missing.stderr.contains("ketch list -R"), "{missing}");
}

/// A directory that is no data of anybody's is copied as it is, whatever rules lie in it.
#[test]
fn a_directory_with_rules_of_its_own_is_copied_whole() {
    let here = project();
    here.write("from/.dvcignore", "*.tmp\n");
    here.write("from/a.tmp", "hidden\n");
    here.write("from/sub/b", "b\n");
    here.write("from/sub/empty", "");
    let _ = here.ketch(["get-url", "from", "to"]).success();
    for name in [".dvcignore", "a.tmp", "sub/b", "sub/empty"] {
        let read = |folder: &str| fs_err::read(here.path(format!("{folder}/{name}"))).unwrap();
        assert_eq!(read("to"), read("from"), "{name}");
    }
}
