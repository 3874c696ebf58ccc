//! `commit` of imports by the name of `dvc`, while what they come from stays, changes and goes.

use std::process::Command;

use ketch_testkit::TestProject;

use crate::personality::{Step, Twin, assert_same_story, twins};
use crate::support::{commit_all, project};

use Step::{Commit, Ends, Files, Remove, Write};

const IMPORT: &[Step] = &[
    Ends("init"),
    Write("../source/file", "1\n"),
    Write("../source/folder/x", "2\n"),
    Write("within", "3\n"),
    Ends("import-url ../source/file file"),
    Ends("import-url ../source/folder folder"),
    Ends("import-url within inside"),
    Ends("import-url ../source/file later --no-download"),
];

const UNCHANGED: &[Step] = &[
    Commit,
    Ends("commit data.dvc file.dvc folder.dvc inside.dvc"),
    Ends("commit"),
    Ends("commit later.dvc"),
    Ends("commit -f later.dvc"),
    Ends("commit -f data.dvc file.dvc folder.dvc inside.dvc"),
    Files,
];

const CHANGED: &[Step] = &[
    Write("../source/file", "11\n"),
    Write("../source/folder/y", "22\n"),
    Write("within", "33\n"),
    Ends("commit data.dvc"),
    Ends("commit file.dvc"),
    Ends("commit folder.dvc"),
    Ends("commit inside.dvc"),
    Ends("commit later.dvc"),
    Ends("commit"),
    Files,
    Ends("commit -f later.dvc"),
    Ends("commit -f data.dvc"),
    Ends("commit -f file.dvc"),
    Ends("commit -f folder.dvc"),
    Ends("commit -f inside.dvc"),
    Files,
    Ends("commit file.dvc folder.dvc inside.dvc"),
];

const GONE: &[Step] = &[
    Remove("../source/file"),
    Remove("../source/folder"),
    Remove("within"),
    Ends("commit data.dvc"),
    Ends("commit file.dvc"),
    Ends("commit folder.dvc"),
    Ends("commit inside.dvc"),
    Ends("commit -f data.dvc"),
    Ends("commit -f file.dvc"),
    Ends("commit -f folder.dvc"),
    Ends("commit -f inside.dvc"),
    Ends("commit -f later.dvc"),
    Files,
];

/// A repository with data, of which both import.
fn source() -> TestProject {
    let source = project();
    source.git_init();
    let _ = source.ketch(["init"]).success();
    source.write("data", "1\n");
    let _ = source.ketch(["add", "data"]).success();
    commit_all(&source);
    source
}

#[test]
fn imports_are_committed_as_by_dvc() {
    let Some([ours, theirs]) = twins(Twin::new) else {
        return;
    };
    let source = source();
    let same = |story: &[Step]| {
        assert_same_story(&ours, &theirs, story);
    };
    same(IMPORT);
    for twin in [&ours, &theirs] {
        let mut import: Command = twin.command("import");
        import.arg(source.root()).arg("data");
        let answer = twin.answer(import);
        assert_eq!(answer.code, Some(0), "{}", answer.errors);
    }
    same(UNCHANGED);
    source.write("data", "2\n");
    let _ = source.ketch(["add", "data"]).success();
    commit_all(&source);
    same(CHANGED);
    fs_err::rename(source.root(), source.path("../elsewhere")).expect("moved");
    same(GONE);

    // In its own words, ketch records what is here, and asks nobody else.
    let told = ours.project.ketch(["commit", "file.dvc"]).success();
    assert_eq!(told.stderr, "everything is recorded as it is\n", "{told}");
}
