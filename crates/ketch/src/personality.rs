//! Which program ketch is: itself, or DVC where it is called by that name (a link or a copy), so
//! that scripts, hooks and editors that call `dvc` keep working.
//!
//! As DVC it takes DVC's command line, prints what DVC 3.67.1 prints on standard output, says
//! errors in one line after `ERROR: `, and ends with DVC's exit codes.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use ketch_project::Project;

use crate::args::Cli;
use crate::commands::{Command, ConfigArgs};
use crate::exit::{CommandError, DvcFailure, ExitStatus};
use crate::printer::Printer;

/// The version of DVC that is spoken.
pub(crate) const DVC_VERSION: &str = "3.67.1";

/// DVC's exit code for a command line that is wrong.
const BAD_ARGUMENTS: u8 = 254;

/// Commands that DVC does not have: they work, but its help does not show them.
const OURS: [&str; 14] = [
    "demo",
    "env",
    "fsck",
    "model",
    "runs",
    "retrain",
    "up",
    "deploy",
    "rollback",
    "why",
    "completions",
    "man",
    "git-hook",
    "help",
];

/// The program that somebody called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Personality {
    Ketch,
    Dvc,
}

impl Personality {
    /// `program` is what it was called as, with or without a path.
    pub(crate) fn of(program: Option<&OsStr>) -> Self {
        let name = program.and_then(|program| Path::new(program).file_stem());
        if name == Some(OsStr::new("dvc")) {
            Self::Dvc
        } else {
            Self::Ketch
        }
    }

    /// Reads the command line; an exit code where that is all there is to do.
    pub(crate) fn parse(self, arguments: &[OsString]) -> Result<Cli, ExitCode> {
        match self {
            Self::Ketch => Ok(Cli::parse_from(arguments)),
            Self::Dvc => parse_as_dvc(arguments),
        }
    }

    /// The exit code of a command that came to an end.
    pub(crate) fn code(self, status: ExitStatus) -> u8 {
        match (self, status) {
            (Self::Dvc, ExitStatus::Failure | ExitStatus::System) => DvcFailure::Any.code(),
            _ => status.code(),
        }
    }

    /// The exit code of a command that failed. `soft` is whether DVC answers an ordinary failure
    /// of this command with 1.
    pub(crate) fn code_of(self, error: &CommandError, soft: SoftFailure) -> u8 {
        match (self, error.dvc_failure(), soft) {
            (Self::Ketch, _, _) => error.status().code(),
            (Self::Dvc, DvcFailure::Any | DvcFailure::NoRemote, SoftFailure::Yes) => 1,
            (Self::Dvc, failure, _) => failure.code(),
        }
    }
}

/// Whether DVC ends with 1 where this command fails for an ordinary reason, or with 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoftFailure {
    Yes,
    No,
}

impl SoftFailure {
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Checkout(_)
            | Command::Gc(_)
            | Command::Unprotect(_)
            | Command::Data(_)
            | Command::Du(_)
            | Command::ListUrl(_)
            | Command::Dag(_)
            | Command::Stage(_)
            | Command::Params(_)
            | Command::Metrics(_)
            | Command::Repro(_) => Self::No,
            Command::GitHook(args) if !args.checks() => Self::No,
            Command::Init(args) if args.contradict() => Self::No,
            _ => Self::Yes,
        }
    }
}

/// Asks on standard output and reads the answer from standard input, which may be a pipe. At the
/// end of the input the answer is no.
pub(crate) fn confirmed(question: &str) -> io::Result<bool> {
    let mut output = io::stdout().lock();
    loop {
        write!(output, "{question} [y/n]: ")?;
        output.flush()?;
        let mut answer = String::new();
        if io::stdin().read_line(&mut answer)? == 0 {
            return Ok(false);
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            _ => writeln!(
                output,
                "Your response must be one of: ['yes', 'no', 'y', 'n']. Please try again."
            )?,
        }
    }
}

fn parse_as_dvc(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let mut command = Cli::command()
        .name("dvc")
        .bin_name("dvc")
        .about("Data Version Control, by ketch")
        .long_about(None)
        .infer_long_args(true)
        .disable_help_subcommand(true)
        .mut_subcommand("config", ConfigArgs::without_rules)
        .mut_subcommand("du", with_a_url)
        .mut_subcommand("list", with_a_url);
    for name in OURS.iter().filter(|name| **name != "help") {
        command = command.mut_subcommand(*name, |below| below.hide(true));
    }
    let read = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let error = match read {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    // Whoever reads may have gone; there is nobody to tell.
    let mut output = io::stdout().lock();
    Err(match error.kind() {
        ErrorKind::DisplayVersion => {
            let _ = writeln!(output, "{DVC_VERSION}");
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelp => {
            let _ = write!(output, "{error}");
            ExitCode::SUCCESS
        }
        _ => {
            let _ = write!(output, "{}", help_of(&command, arguments));
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.strip_prefix("error: ").unwrap_or(line);
            let _ = writeln!(io::stderr().lock(), "ERROR: {line}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    })
}

/// DVC wants a repository first where we take the project around.
fn with_a_url(command: clap::Command) -> clap::Command {
    command
        .mut_arg("url", |url| url.index(1).required(true))
        .mut_arg("path", |path| path.index(2))
}

/// The help of the command that was named, or of the one above what is unknown.
fn help_of(command: &clap::Command, arguments: &[OsString]) -> String {
    let mut found = command;
    for argument in arguments.iter().skip(1) {
        found = found.find_subcommand(argument).unwrap_or(found);
    }
    found.clone().render_help().to_string()
}

/// What DVC says after it wrote files that belong into Git; nothing where it staged them itself, or
/// does without Git.
pub(crate) fn tell_to_track(printer: &Printer, project: &Project, files: &[String]) {
    if files.is_empty() || project.git().is_declined() {
        return;
    }
    let quoted: Vec<String> = files.iter().map(|file| shell_quoted(file)).collect();
    printer.line(format_args!(
        "\nTo track the changes with git, run:\n\n\tgit add {}\n\nTo enable auto staging, run:\n\n\tdvc config core.autostage true",
        quoted.join(" ")
    ));
}

/// `3 files fetched and 1 file added`: DVC's summary of counts; nothing where all are zero.
pub(crate) fn summary(counts: &[(usize, &str)]) -> Option<String> {
    let said: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| {
            let plural = if *count == 1 { "" } else { "s" };
            format!("{count} file{plural} {what}")
        })
        .collect();
    let (last, before) = said.split_last()?;
    Some(if before.is_empty() {
        last.clone()
    } else {
        format!("{} and {last}", before.join(", "))
    })
}

fn shell_quoted(text: &str) -> String {
    let plain = |ch: char| ch.is_ascii_alphanumeric() || "@%+=:,./-_".contains(ch);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}

/// JSON as Python's `json.dumps` writes it: on one line, blanks behind `,` and `:`, ASCII only.
pub(crate) fn python_json(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PythonFormatter);
    value.serialize(&mut serializer)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct PythonFormatter;

impl serde_json::ser::Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if character.is_ascii() && character != '\u{7f}' {
                write!(writer, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        let of = |name: &str| Personality::of(Some(OsStr::new(name)));
        assert_eq!(of("/usr/bin/dvc"), Personality::Dvc);
        assert_eq!(of("dvc"), Personality::Dvc);
        assert_eq!(of("./ketch"), Personality::Ketch);
        assert_eq!(of("dvcx"), Personality::Ketch);
        assert_eq!(Personality::of(None), Personality::Ketch);
    }

    #[test]
    fn json_is_as_python_writes_it() {
        let value = serde_json::json!({"a": [1, "ü😀\n"], "b": {}});
        assert_eq!(
            python_json(&value).unwrap(),
            r#"{"a": [1, "\u00fc\ud83d\ude00\n"], "b": {}}"#
        );
    }

    #[test]
    fn counts_are_summed_up_as_dvc_does() {
        assert_eq!(summary(&[(0, "fetched")]), None);
        assert_eq!(
            summary(&[(1, "fetched"), (2, "added")]).as_deref(),
            Some("1 file fetched and 2 files added")
        );
        assert_eq!(
            summary(&[(1, "fetched"), (2, "added"), (3, "modified")]).as_deref(),
            Some("1 file fetched, 2 files added and 3 files modified")
        );
    }

    #[test]
    fn names_are_quoted_for_a_shell() {
        assert_eq!(shell_quoted("a/b.dvc"), "a/b.dvc");
        assert_eq!(shell_quoted("a b"), "'a b'");
        assert_eq!(shell_quoted("it's"), "'it'\"'\"'s'");
    }
}
