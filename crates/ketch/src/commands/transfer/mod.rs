//! Moving data between the cache and remotes: what the three commands have in common.

pub(super) mod fetch;
pub(super) mod pull;
pub(super) mod push;

use clap::Args;
use ketch_project::{RemoteChoice, SkipReason, Skipped};
use ketch_store::remote::TransferReport;

use crate::printer::Printer;

/// What every transfer takes.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    pub(super) targets: Vec<String>,

    /// Remote to use [default: each output's own, or `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Objects moved at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,
}

impl TransferArgs {
    pub(super) fn choice(&self) -> RemoteChoice {
        RemoteChoice {
            name: self.remote.clone(),
            jobs: self.jobs,
            ..RemoteChoice::default()
        }
    }
}

/// One line for what a remote got or gave: "3 files pushed".
fn counted(objects: usize, done: &str) -> String {
    match objects {
        0 => "Everything is up to date.".to_owned(),
        1 => format!("1 file {done}"),
        _ => format!("{objects} files {done}"),
    }
}

/// Says what could not be moved, and why some outputs were not tried.
fn tell_rest<'a>(
    printer: &Printer,
    transfers: impl Iterator<Item = (&'a str, &'a TransferReport)>,
    skipped: &[Skipped],
) {
    for (remote, transfer) in transfers {
        for id in &transfer.missing {
            printer.warning(format_args!(
                "object `{id}` is neither in the cache nor on remote `{remote}`"
            ));
        }
    }
    for output in skipped {
        let why = match output.reason {
            // Somebody wrote that into the file; saying it every time would be noise.
            SkipReason::NotPushed => continue,
            SkipReason::Imported => "it comes from another repository, whose remote has it",
            SkipReason::LegacyHash => "it is recorded with the hash of DVC 2",
            SkipReason::CloudVersioned => "it is recorded for a remote that keeps versions",
        };
        printer.note(format_args!("`{}` was left out: {why}", output.path));
    }
}
