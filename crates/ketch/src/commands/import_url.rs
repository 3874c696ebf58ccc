//! `ketch import-url`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{UrlDestination, UrlImportOptions, VERSION_AWARE, import_url};

use super::elsewhere::{key_value, shown_source, tell, transfer};
use super::import::{bringing, existing};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::folder_of_now;
use crate::workspace::open_project;

/// Import data from a path or a URL
///
/// Downloads it, and records in a `.dvc` file where it is from and which version that was, so that
/// `ketch update` can bring what is new. URLs are paths, those of every kind of remote, and
/// `remote://NAME/PATH` for a path on a remote of the project.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct ImportUrlArgs {
    /// Where the data is
    url: String,

    /// Where to put it [default: its name, in the current directory]
    out: Option<Utf8PathBuf>,

    /// Send it to a remote of the project, and keep nothing here
    #[arg(long, conflicts_with_all = ["no_exec", "no_download"])]
    to_remote: bool,

    /// Remote to send it to [default: `core.remote`]
    #[arg(short, long, value_name = "NAME", requires = "to_remote")]
    remote: Option<String>,

    /// Only write the `.dvc` file, and look nothing up
    #[arg(long, conflicts_with = "no_download")]
    no_exec: bool,

    /// Record the version, but do not download the data
    #[arg(long)]
    no_download: bool,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Replace what is there; what is saved nowhere goes to the trash
    #[arg(short, long)]
    force: bool,

    /// Record which versions the data is of, where the bucket keeps versions
    ///
    /// The data can be had from there again, so `ketch push` does not send it, and `ketch update
    /// --rev` brings any version of a file. A URL may name one itself: `?versionId=ID` on S3,
    /// `?versionid=ID` on Azure, `#GENERATION` on Google Cloud Storage.
    #[arg(long, conflicts_with = "to_remote")]
    version_aware: bool,

    /// Options for the server, as a remote has them
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = key_value)]
    fs_config: Vec<(String, String)>,
}

pub(super) fn run(
    args: ImportUrlArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ImportUrlArgs {
        url,
        out,
        to_remote,
        remote,
        no_exec,
        no_download,
        jobs,
        force,
        version_aware,
        mut fs_config,
    } = args;
    if version_aware {
        fs_config.push((VERSION_AWARE.to_owned(), "true".to_owned()));
    }
    let project = open_project(settings, printer)?;
    let mut transfer = transfer(settings, jobs);
    transfer.name = remote;
    let options = UrlImportOptions {
        url,
        out,
        directory: settings.directory.clone(),
        existing: existing(force),
        to: if to_remote {
            UrlDestination::Remote
        } else {
            UrlDestination::Workspace(bringing(no_exec, no_download))
        },
        settings: fs_config,
        transfer,
        trash: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = import_url(&project, &options, &progress)?;
    drop(progress);
    let source = shown_source(&options.url, &settings.directory, &project, printer);
    let bringing = match options.to {
        UrlDestination::Workspace(bringing) => Some(bringing),
        UrlDestination::Remote => None,
    };
    tell(
        printer,
        &project,
        settings,
        &source,
        &report,
        bringing,
        &options.trash,
    );
    Ok(ExitStatus::Success)
}
