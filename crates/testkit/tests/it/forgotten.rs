//! Forgotten test files.

use ketch_testkit::{TestProject, assert_no_forgotten_test_files};

#[test]
fn this_crate_forgot_none() {
    assert_no_forgotten_test_files(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it"));
}

#[test]
fn declared_files_pass() {
    let project = TestProject::new();
    project.write(
        "main.rs",
        "mod a;\n#[cfg(test)]\npub(crate) mod b;\nmod c;\n",
    );
    project.write("a.rs", "mod inner;");
    project.write("a/inner.rs", "");
    project.write("b/mod.rs", "mod deep;");
    project.write("b/deep.rs", "");
    project.write("c.rs", "");
    project.write("snapshots/it__x.snap", "");
    project.write("golden/data.json", "");
    assert_no_forgotten_test_files(project.root());
}

#[test]
#[should_panic(expected = "project/ab.rs")]
fn a_forgotten_file_is_named() {
    let project = TestProject::new();
    project.write("main.rs", "mod b;\n// mod ab;\nmod ab_c;\nmod cab;");
    for name in ["b.rs", "ab.rs", "ab_c.rs", "cab.rs"] {
        project.write(name, "");
    }
    assert_no_forgotten_test_files(project.root());
}

#[test]
#[should_panic(expected = "project/b/deep.rs")]
fn a_forgotten_file_in_a_folder_is_named() {
    let project = TestProject::new();
    project.write("main.rs", "mod b;");
    project.write("b/mod.rs", "");
    project.write("b/deep.rs", "");
    assert_no_forgotten_test_files(project.root());
}
