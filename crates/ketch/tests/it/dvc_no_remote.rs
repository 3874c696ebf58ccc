//! Projects that have no remote, by the name of `dvc`.

use crate::personality::Step::{Ends, Remove, Same, Write};
use crate::personality::{Step, assert_same_answers};
use crate::support::project;

const STORY: &[Step] = &[
    Ends("init -q"),
    Same("fetch"),
    Same("pull"),
    Write("data/a", "1\n"),
    Write("f", "2\n"),
    Ends("add -q data f"),
    Same("pull --allow-missing"),
    Same("pull"),
    Same("fetch"),
    Same("fetch data"),
    Same("fetch --run-cache"),
    Ends("push"),
    Ends("status -c"),
    Ends("fetch -r nope"),
    Ends("pull -r nope --allow-missing"),
    Remove("data"),
    Same("pull"),
    Remove(".dvc/cache"),
    Remove("f"),
    Same("pull --allow-missing"),
    Same("pull --allow-missing data"),
    Same("fetch"),
    Same("pull"),
    Same("status"),
];

#[test]
fn without_a_remote_nothing_is_fetched_and_nothing_fails() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 15, "{compared}");
    }
}

/// By its own name it tells, unless that is what was asked for.
#[test]
fn ketch_says_that_there_is_no_remote() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("f", "1\n");
    let _ = project.ketch(["add", "f"]).success();
    // All of it is here.
    let _ = project.ketch(["pull"]).success();
    fs_err::remove_dir_all(project.path(".dvc/cache")).expect("the cache is there");
    let told = project.ketch(["pull"]).failure(3);
    assert!(told.stderr.contains("no remote is configured"), "{told}");
    let told = project.ketch(["pull", "--allow-missing"]).success();
    assert!(told.stderr.contains("no remote is configured"), "{told}");
}
