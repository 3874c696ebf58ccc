//! A throw-away project.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use insta::internals::SettingsBindDropGuard;
use tempfile::TempDir;

use crate::output::CommandOutput;

/// The moment at which all of a test's commits are made.
const COMMIT_DATE: &str = "2026-01-02T03:04:05+00:00";

/// The moment at which ketch's clock stands still.
const CLOCK: &str = "2026-01-02T03:04:05Z";

/// From which the identifiers of runs follow.
const SEED: &str = "7";

/// What output must not depend on, as patterns with their replacements. Directories are added for
/// each project.
const FILTERS: &[(&str, &str)] = &[
    (r"\b[0-9a-f]{40}\b", "[COMMIT]"),
    (
        r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[ ]?[+-]\d{2}:?\d{2}\b)?",
        "[TIME]",
    ),
    (r"\b\d+(\.\d+)? ?(ns|µs|us|ms|s|min)\b", "[TIME]"),
];

/// A directory of its own with a project in it. Commands that run in it see nothing of the machine
/// but `PATH`: they have a home, a temporary directory, a Git identity, dates and a terminal width
/// that are the same everywhere. It is gone when the value is dropped.
#[derive(Debug)]
pub struct TestProject {
    /// Removes everything in the end.
    _directory: TempDir,
    base: Utf8PathBuf,
    binary: Option<Utf8PathBuf>,
    environment: Vec<(String, String)>,
}

impl Default for TestProject {
    fn default() -> Self {
        Self::new()
    }
}

impl TestProject {
    /// An empty project.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Without symbolic links: some programs print the path with them, some without.
        let base = directory
            .path()
            .canonicalize()
            .expect("a temporary directory that exists");
        let base = Utf8PathBuf::from_path_buf(base).expect("a temporary directory in UTF-8");
        for name in ["project", "home", "tmp"] {
            fs_err::create_dir(base.join(name)).expect("a new directory");
        }
        Self {
            _directory: directory,
            base,
            binary: None,
            environment: Vec::new(),
        }
    }

    /// An empty project whose [`TestProject::ketch`] runs `binary`.
    pub fn with_binary(binary: impl Into<Utf8PathBuf>) -> Self {
        Self {
            binary: Some(binary.into()),
            ..Self::new()
        }
    }

    /// Sets an environment variable for all commands from now on.
    pub fn set_env(&mut self, key: &str, value: &str) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// The project's directory: `[ROOT]` in snapshots.
    pub fn root(&self) -> Utf8PathBuf {
        self.base.join("project")
    }

    /// The home directory of all commands: `[HOME]` in snapshots.
    pub fn home(&self) -> Utf8PathBuf {
        self.base.join("home")
    }

    /// A path in the project.
    pub fn path(&self, path: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.root().join(path)
    }

    /// Writes a file in the project, and makes its directories.
    pub fn write(&self, path: impl AsRef<Utf8Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        let parent = path.parent().expect("a path with a directory");
        fs_err::create_dir_all(parent).expect("the directory of a file");
        fs_err::write(path, content).expect("a file that can be written");
    }

    /// Reads a file of the project.
    pub fn read(&self, path: impl AsRef<Utf8Path>) -> String {
        fs_err::read_to_string(self.path(path)).expect("a text file")
    }

    /// Makes the project a Git repository with the branch `main`.
    pub fn git_init(&self) {
        let _ = self
            .git(["init", "--quiet", "--initial-branch=main"])
            .success();
    }

    /// Runs Git in the project.
    pub fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> CommandOutput {
        CommandOutput::of(self.command("git").args(arguments))
    }

    /// Runs ketch in the project.
    pub fn ketch<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> CommandOutput {
        CommandOutput::of(self.ketch_command().args(arguments))
    }

    /// ketch as a command that is not started yet.
    pub fn ketch_command(&self) -> Command {
        let binary = self.binary.as_ref().expect(
            "this project has no binary; make it with \
             `TestProject::with_binary(env!(\"CARGO_BIN_EXE_ketch\"))`",
        );
        self.command(binary)
    }

    /// Any program as a command that is not started yet, in the project's directory and with
    /// nothing of this process's environment but `PATH`.
    #[expect(
        clippy::disallowed_methods,
        reason = "programs have to be found somewhere"
    )]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.root())
            .env_clear()
            .stdin(Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("HOME", self.home())
            .env("TMPDIR", self.base.join("tmp"))
            // Git looks for repositories upwards, but not beyond here.
            .env("GIT_CEILING_DIRECTORIES", &self.base)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("KETCH_TEST_CLOCK", CLOCK)
            .env("KETCH_TEST_SEED", SEED)
            // DVC would otherwise report to its makers and look for updates.
            .env("DVC_NO_ANALYTICS", "1")
            .env("DVC_TEST", "true");
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Ana Test")
                .env(format!("GIT_{who}_EMAIL"), "ana@example.org")
                .env(format!("GIT_{who}_DATE"), COMMIT_DATE);
        }
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    /// The filters of this project: directories become `[ROOT]`, `[HOME]` and `[TMP]`, full commit
    /// ids `[COMMIT]`, dates and durations `[TIME]`.
    pub fn filters(&self) -> Vec<(String, String)> {
        let mut filters = Vec::new();
        for (name, shown) in [("project", "[ROOT]"), ("home", "[HOME]"), ("tmp", "[TMP]")] {
            filters.push((escape(self.base.join(name).as_str()), shown.to_owned()));
        }
        filters.push((escape(self.base.as_str()), "[BASE]".to_owned()));
        filters.extend(
            FILTERS
                .iter()
                .map(|(from, to)| ((*from).to_owned(), (*to).to_owned())),
        );
        filters
    }

    /// Applies the filters to all snapshots of this thread while the guard lives.
    #[must_use = "the filters end with the guard"]
    pub fn bind_filters(&self) -> SettingsBindDropGuard {
        let mut settings = insta::Settings::clone_current();
        for (from, to) in self.filters() {
            settings.add_filter(&from, to);
        }
        settings.bind_to_scope()
    }
}

/// The text as a pattern that matches itself.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut pattern, c| {
        if !c.is_alphanumeric() && c.is_ascii() && c != '_' {
            pattern.push('\\');
        }
        pattern.push(c);
        pattern
    })
}
