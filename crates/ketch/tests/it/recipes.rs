//! What builds, hooks and editors do with DVC, as scripts (`recipes/*.sh`): run with ketch by the
//! name of `dvc` and with DVC 3.67.1, they print and end the same.
//!
//! The command lines are those found in public workflows and in DVC's extension for VS Code.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{TestProject, peer};

use crate::personality::link;
use crate::support::project;

/// A recipe that ran in a project of its own.
struct Cooked {
    /// What it printed, and with what it ended.
    output: String,
    errors: String,
}

fn folder() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/recipes")
}

/// Runs a recipe after `begin.sh`, with `dvc` out of the folder `programs`.
fn cook(recipe: &str, programs: &Utf8Path) -> Cooked {
    let project = project();
    project.git_init();
    let mut output = String::new();
    let mut errors = String::new();
    for (script, option) in [("begin", "-eu"), (recipe, "-u")] {
        let script = folder().join(format!("{script}.sh"));
        let said = shell(&project, programs)
            .args([option, script.as_str()])
            .output()
            .expect("bash");
        let base = project.root().parent().expect("a base").to_owned();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(base.as_str(), "BASE");
        output += &text(&said.stdout);
        let _ = writeln!(output, "[ends with {:?}]", said.status.code());
        errors += &text(&said.stderr);
    }
    Cooked { output, errors }
}

fn shell(project: &TestProject, programs: &Utf8Path) -> Command {
    let home = project.home();
    let mut command = Command::new("bash");
    command
        .current_dir(project.root())
        .env("DVC_SITE_CACHE_DIR", home.join("site"))
        .env("DVC_GLOBAL_CONFIG_DIR", home.join("account"))
        .env("DVC_SYSTEM_CONFIG_DIR", home.join("machine"))
        .stdin(Stdio::null());
    for (key, value) in project.ketch_command().get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"));
    command
}

/// The recipe runs beside DVC; nothing where there is no DVC.
fn compare(recipe: &str) {
    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let programs = project();
    let ours_from = programs.path("ours");
    let theirs_from = programs.path("theirs");
    for folder in [&ours_from, &theirs_from] {
        fs_err::create_dir_all(folder).expect("a folder");
    }
    link(&ours_from);
    fs_err::os::unix::fs::symlink(&dvc, theirs_from.join("dvc")).expect("a link");
    // Our hooks call either name.
    fs_err::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ketch"), ours_from.join("ketch"))
        .expect("a link");
    let ours = cook(recipe, &ours_from);
    let theirs = cook(recipe, &theirs_from);
    assert!(
        ours.output == theirs.output,
        "ours:\n{}{}\ntheirs:\n{}{}",
        ours.output,
        ours.errors,
        theirs.output,
        theirs.errors
    );
    assert!(ours.output.lines().count() > 8, "{}", ours.output);
}

#[test]
fn repositories_made_again_and_taken_away() {
    compare("begin-anew");
}

#[test]
fn data_handled_by_scripts() {
    compare("by-hand");
}

#[test]
fn builds_that_ask_whether_something_changed() {
    compare("ci-gates");
}

#[test]
fn builds_that_pull_and_push() {
    compare("ci-pull");
}

#[test]
fn an_editor() {
    compare("editor");
}

#[test]
fn what_scripts_read_off() {
    compare("inspect");
}

#[test]
fn credentials_in_builds() {
    compare("ci-credentials");
}

#[test]
fn settings_by_scripts() {
    compare("settings");
}

#[test]
fn hooks_at_work() {
    compare("hooks");
}
