//! Getting data from remotes into the cache.

use ketch_store::Reporter;
use ketch_store::remote::{TransferReport, download};
use serde::Serialize;

use super::outputs::outputs;
use super::{RemoteChoice, Skipped};
use crate::{Project, ProjectError};

/// What to get from where.
#[derive(Debug, Clone, Default)]
pub struct FetchOptions {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub remote: RemoteChoice,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchReport {
    pub remotes: Vec<FetchedFrom>,
    pub skipped: Vec<Skipped>,
}

/// What came from one remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchedFrom {
    pub remote: String,
    #[serde(flatten)]
    pub transfer: TransferReport,
}

impl FetchReport {
    /// Objects fetched now.
    pub fn objects(&self) -> usize {
        self.remotes.iter().map(|from| from.transfer.objects).sum()
    }

    /// Whether the cache has everything that was asked for.
    pub fn is_complete(&self) -> bool {
        self.remotes
            .iter()
            .all(|from| from.transfer.missing.is_empty())
    }
}

/// Gets the objects of outputs that the cache lacks. The work tree stays as it is.
///
/// What is neither in the cache nor on the remote is reported, not an error. When objects fail the
/// others are fetched first; running it again fetches the rest.
pub fn fetch(
    project: &Project,
    options: &FetchOptions,
    reporter: &dyn Reporter,
) -> Result<FetchReport, ProjectError> {
    let _lock = project.lock()?;
    let (wanted, skipped) = outputs(project, &options.targets)?;
    let mut remotes = Vec::new();
    for group in options.remote.groups(project, wanted)? {
        let transfer = download(
            project.cache(),
            &*group.remote,
            &group.ids(),
            group.options,
            reporter,
        )?;
        remotes.push(FetchedFrom {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    Ok(FetchReport { remotes, skipped })
}
