//! Getting data from remotes into the work tree.

use ketch_store::Reporter;
use serde::Serialize;

use super::{FetchOptions, FetchReport, RemoteChoice, fetch};
use crate::{CheckoutOptions, CheckoutReport, Overwrite, Project, ProjectError, checkout};

/// What to get from where, and what to do about changes that are saved nowhere.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub remote: RemoteChoice,
    pub overwrite: Overwrite,
    /// As [`CheckoutOptions::trash`].
    pub trash: Option<String>,
}

/// What was fetched and what was put into the work tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullReport {
    pub fetch: FetchReport,
    pub checkout: CheckoutReport,
}

/// [`fetch`], then [`checkout`].
pub fn pull(
    project: &Project,
    options: &PullOptions,
    reporter: &dyn Reporter,
) -> Result<PullReport, ProjectError> {
    let from = FetchOptions {
        targets: options.targets.clone(),
        remote: options.remote.clone(),
    };
    let fetch = fetch(project, &from, reporter)?;
    let into = CheckoutOptions {
        targets: options.targets.clone(),
        overwrite: options.overwrite,
        trash: options.trash.clone(),
    };
    let checkout = checkout(project, &into, reporter)?;
    Ok(PullReport { fetch, checkout })
}
