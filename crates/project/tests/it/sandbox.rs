//! A project of its own for each test.

use std::process::Command;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{
    Change, CommitOptions, CommitPaths, Existing, Identity, InitOptions, Project, ProjectError,
    ReproOptions, ReproReport, ReproReporter, StageOutcome, commit, init, repro,
};
use ketch_testkit::CommandOutput;

pub(crate) struct Sandbox {
    guard: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
}

impl Sandbox {
    /// A new Git repository with a fresh project in it.
    pub(crate) fn new() -> Self {
        let sandbox = Self::bare();
        init(&InitOptions {
            root: sandbox.root.clone(),
            existing: Existing::Refuse,
        })
        .unwrap();
        sandbox
    }

    /// A new Git repository and nothing else.
    pub(crate) fn bare() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(guard.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let root = base.join("project");
        fs_err::create_dir_all(&root).unwrap();
        let sandbox = Self { guard, root };
        sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
        // The library's own calls would otherwise see the developer's configuration.
        for (key, value) in [
            ("commit.gpgSign", "false"),
            ("core.excludesFile", "/dev/null"),
            ("core.hooksPath", "/dev/null"),
            ("core.autocrlf", "false"),
        ] {
            sandbox.git(&["config", key, value]);
        }
        sandbox
    }

    /// Room beside the project.
    pub(crate) fn outside(&self) -> &Utf8Path {
        Utf8Path::from_path(self.guard.path()).unwrap()
    }

    pub(crate) fn open(&self) -> Project {
        Project::open(&self.root).unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.root.join(path);
        if path.is_dir() {
            fs_err::remove_dir_all(path).unwrap();
        } else {
            fs_err::remove_file(path).unwrap();
        }
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        CommandOutput::of(hermetic(
            Command::new("git").args(arguments).current_dir(&self.root),
        ))
        .success()
        .stdout
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        let options = CommitOptions {
            message: message.to_owned(),
            paths: CommitPaths::All,
            identity: Some(identity()),
        };
        commit(&self.open(), &options).unwrap().to_string()
    }

    pub(crate) fn repro(&self) -> ReproReport {
        self.try_repro(&ReproOptions::default()).unwrap()
    }

    pub(crate) fn try_repro(&self, options: &ReproOptions) -> Result<ReproReport, ProjectError> {
        repro(&self.open(), options, &Recorder::default())
    }
}

pub(crate) fn identity() -> Identity {
    Identity {
        name: "Test".to_owned(),
        email: "test@example.org".to_owned(),
    }
}

/// Nobody's own Git configuration counts.
pub(crate) fn hermetic(command: &mut Command) -> &mut Command {
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Test")
        .env("GIT_AUTHOR_EMAIL", "test@example.org")
        .env("GIT_COMMITTER_NAME", "Test")
        .env("GIT_COMMITTER_EMAIL", "test@example.org")
}

/// `stage: outcome` for each stage.
pub(crate) fn outcomes(report: &ReproReport) -> Vec<(&str, StageOutcome)> {
    report
        .stages
        .iter()
        .map(|stage| (stage.stage.as_str(), stage.outcome))
        .collect()
}

/// The reasons of one stage, as people read them.
pub(crate) fn reasons(report: &ReproReport, stage: &str) -> Vec<String> {
    let result = report
        .stages
        .iter()
        .find(|result| result.stage == stage)
        .unwrap();
    result.changes.iter().map(Change::to_string).collect()
}

/// Keeps every line.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) lines: Mutex<Vec<(String, String)>>,
}

impl ReproReporter for Recorder {
    fn stage_line(&self, stage: &str, line: &str) {
        self.lines
            .lock()
            .unwrap()
            .push((stage.to_owned(), line.to_owned()));
    }
}
