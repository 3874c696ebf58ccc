//! `ketch man`, hidden: for packagers.

use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _};

use crate::args::Cli;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Write a manual page for each command into a directory
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory; made if it is not there
    // Not `directory`: clap would take it for the global option of that name.
    #[arg(value_name = "DIR")]
    pages: Utf8PathBuf,
}

pub(super) fn run(
    args: ManArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ManArgs { pages } = args;
    let directory = settings.directory.join(pages);
    fs_err::create_dir_all(&directory)?;
    clap_mangen::generate_to(Cli::command(), &directory)?;
    printer.note(format_args!("the manual pages are in {directory}"));
    Ok(ExitStatus::Success)
}
