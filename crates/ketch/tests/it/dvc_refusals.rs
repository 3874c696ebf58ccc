//! What DVC 3.67.1 refuses to track, and what it lets be missing.

use crate::personality::Step::{Commit, Ends, Remove, Same, Write};
use crate::personality::{Step, Twin, assert_same_story, files_of, twins};

const STORY: &[Step] = &[
    Ends("init -q"),
    Write("data/a", "1\n"),
    Write("data/sub/b", "2\n"),
    Ends("add -q data"),
    Commit,
    // What is behind a link would be tracked as an empty directory.
    Ends("add linked"),
    Ends("add linked/a"),
    Ends("add linked/sub/b"),
    Write(".dvcignore", "/hidden\n*.tmp\n"),
    Write("hidden/f", "3\n"),
    Write("f.tmp", "3\n"),
    Ends("add hidden"),
    Ends("add hidden/f"),
    Ends("add f.tmp"),
    // Nobody would find what Git hides.
    Write("unseen/.gitignore", "*.dvc\n"),
    Write("unseen/f", "4\n"),
    Ends("add unseen/f"),
    Same("status"),
    Remove(".dvc/cache"),
    Remove("data"),
    Ends("checkout data"),
    Same("checkout --allow-missing data"),
    Same("checkout --allow-missing data/sub"),
    Same("pull --allow-missing data"),
    Same("pull --allow-missing data/sub"),
    Same("remote add -d st ../store"),
    Ends("remote add mistyped s4://bucket/path"),
    Ends("remote modify st url s4://bucket/path"),
    Ends("config remote.st.url s4://bucket/path"),
    Same("remote add unopened gdrive://folder"),
    Same("remote list"),
    Same("fetch"),
    Same("push"),
    Ends("pull"),
];

#[test]
fn nothing_is_tracked_where_it_would_not_be_found() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    for twin in &twins {
        fs_err::os::unix::fs::symlink("data", twin.project.path("linked")).expect("a link");
    }
    let [ours, theirs] = &twins;
    let compared = assert_same_story(ours, theirs, STORY);
    assert!(compared >= 14, "{compared}");
    for twin in &twins {
        fs_err::remove_file(twin.project.path("linked")).expect("a link");
    }
    assert_eq!(files_of(ours), files_of(theirs));
}
