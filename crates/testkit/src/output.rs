//! What a command printed and how it ended.

use std::fmt;
use std::process::{Command, ExitStatus, Output};

/// What a command printed and how it ended. `Display` is the text for a snapshot; bind
/// [`crate::TestProject::bind_filters`] first, so that it does not depend on the machine.
#[must_use = "snapshot the output, or call `.success()` or `.failure(code)`"]
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// What it printed on standard error; what is not UTF-8 is replaced.
    pub stderr: String,
}

impl CommandOutput {
    /// Runs a command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Self {
        match command.output() {
            Ok(output) => output.into(),
            Err(error) => panic!("cannot start {}: {error}", command.get_program().display()),
        }
    }

    /// The output, after a check that the exit status is 0.
    pub fn success(self) -> Self {
        self.ended_with(0)
    }

    /// The output, after a check that the exit status is `code`.
    pub fn failure(self, code: i32) -> Self {
        assert_ne!(code, 0, "0 is no failure");
        self.ended_with(code)
    }

    fn ended_with(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "the command ended otherwise:\n{self}"
        );
        self
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            status,
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            f.write_str(if ends_line(&self.stdout) { "" } else { "\n" })?;
            writeln!(f, "------- stderr -------")?;
            f.write_str(&self.stderr)?;
        }
        if self.status.success() {
            return Ok(());
        }
        let last = if self.stderr.is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        f.write_str(if ends_line(last) { "" } else { "\n" })?;
        match self.status.code() {
            Some(code) => writeln!(f, "[exit status: {code}]"),
            None => writeln!(f, "[{}]", self.status),
        }
    }
}

fn ends_line(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}
