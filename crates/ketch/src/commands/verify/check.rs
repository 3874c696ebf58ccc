//! `ketch verify --check`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{CheckStatementOptions, check_statement};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Checking what somebody else verified.
#[derive(Debug, Args)]
#[command(next_help_heading = "Statements")]
pub(super) struct CheckArgs {
    /// Check a signed statement against this repository, and run nothing
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["statement", "stages", "twice"]
    )]
    check: Option<Utf8PathBuf>,

    /// Whose signatures count, as for `ssh-keygen` [default: Git's `gpg.ssh.allowedSignersFile`]
    #[arg(long, value_name = "FILE", requires = "check")]
    allowed_signers: Option<Utf8PathBuf>,
}

impl CheckArgs {
    /// What to check, if anything.
    pub(super) fn options(&self, settings: &Settings) -> Option<CheckStatementOptions> {
        let from_here = |path: &Utf8PathBuf| settings.directory.join(path);
        Some(CheckStatementOptions {
            statement: from_here(self.check.as_ref()?),
            allowed_signers: self.allowed_signers.as_ref().map(from_here),
        })
    }
}

pub(super) fn run(
    options: &CheckStatementOptions,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let checked = check_statement(&project, options)?;
    printer.json(&checked);
    let who = checked.signer.as_deref().unwrap_or("nobody known");
    let when = checked.time.as_deref().unwrap_or("at no time that is told");
    let commit = format!("{:.10}", checked.commit);
    printer.line(format_args!(
        "{who} verified {commit} ({when}): {} outputs",
        checked.outputs
    ));
    for problem in &checked.problems {
        printer.failure(problem);
    }
    Ok(if checked.problems.is_empty() {
        printer.note("the statement holds");
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}
