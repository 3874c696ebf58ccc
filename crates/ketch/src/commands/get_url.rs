//! `ketch get-url`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{UrlGetOptions, get_url};

use super::elsewhere::{key_value, project_root, transfer};
use super::import::existing;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;

/// Get data from a path or a URL
///
/// Downloads it, and keeps no memory of where it is from; `ketch import-url` does.
#[derive(Debug, Args)]
pub(crate) struct GetUrlArgs {
    /// Where the data is
    url: String,

    /// Where to put it [default: its name, in the current directory]
    out: Option<Utf8PathBuf>,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Replace what is there
    #[arg(short, long)]
    force: bool,

    /// Options for the server, as a remote has them
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = key_value)]
    fs_config: Vec<(String, String)>,
}

pub(super) fn run(
    args: GetUrlArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let GetUrlArgs {
        url,
        out,
        jobs,
        force,
        fs_config,
    } = args;
    let options = UrlGetOptions {
        url,
        out,
        directory: settings.directory.clone(),
        root: project_root(settings),
        existing: existing(force),
        settings: fs_config,
        transfer: transfer(settings, jobs),
    };
    let progress = FileProgress::new(printer);
    let report = get_url(&options, &progress)?;
    drop(progress);
    printer.json(&report);
    Ok(ExitStatus::Success)
}
