//! Stages as batch jobs of a real Slurm: three nodes on this machine.

mod asks;
mod attempts;
mod faults;
mod same_results;

use std::process::{Child, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{SlurmCluster, TestProject};

use crate::support::project;

/// A committed project whose commands see the cluster.
fn project_on(cluster: &SlurmCluster, pipeline: &str) -> TestProject {
    let mut project = plain_project(pipeline);
    let (name, value) = cluster.variable();
    project.set_env(name, &value);
    project
}

fn plain_project(pipeline: &str) -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("dvc.yaml", pipeline);
    project.write("ketch.toml", "[executor.slurm]\ncall_timeout = 3\n");
    project
}

/// `ketch repro --executor slurm`, at work.
fn start(project: &TestProject) -> Child {
    let log = fs_err::File::create(project.home().join("ketch.log")).expect("a log");
    project
        .ketch_command()
        .args(["repro", "--executor", "slurm"])
        .stdout(Stdio::null())
        .stderr(log.into_parts().0)
        .spawn()
        .expect("ketch")
}

/// Waits for it, and gives what it told.
fn finish(project: &TestProject, mut ketch: Child) -> String {
    let status = ketch.wait().expect("its end");
    let told = fs_err::read_to_string(project.home().join("ketch.log")).expect("a log");
    assert!(status.success(), "{status}: {told}");
    told
}

/// A cluster, a project on it without a pipeline, and a folder of the machine that is in no project,
/// for signs between a test and its stages.
fn with_signs() -> Option<(SlurmCluster, TestProject, Utf8PathBuf)> {
    let cluster = SlurmCluster::start()?;
    let project = project_on(&cluster, "");
    let signs = project.home().join("signs");
    fs_err::create_dir_all(&signs).expect("a folder");
    Some((cluster, project, signs))
}

/// The commands of a stage that shows that it is there, and waits until the test lets it go on.
fn waits(signs: &Utf8Path, name: &str) -> String {
    format!("touch {signs}/{name}.$$; while [ ! -e {signs}/go.{name} ]; do sleep 0.05; done")
}

/// Lets it go on.
fn let_go(signs: &Utf8Path, name: &str) {
    fs_err::write(signs.join(format!("go.{name}")), "").expect("a sign");
}

/// The files in it that begin so.
fn count(signs: &Utf8Path, beginning: &str) -> usize {
    let entries = signs.read_dir_utf8().expect("signs").filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().starts_with(beginning))
        .count()
}
