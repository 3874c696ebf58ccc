//! Disks that are full or read-only, neighbours, and input that is meant to do harm.

mod disks;
mod hostile;
mod names;
mod neighbours;

use ketch_testkit::TestProject;

use crate::support::project;

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

fn sound(project: &TestProject) {
    let _ = project.ketch(["fsck"]).success();
}
