//! Getting data from remotes into the work tree.

use ketch_store::Reporter;
use serde::Serialize;

use super::{Moved, TransferSelection, fetch};
use crate::{
    CheckoutOptions, CheckoutReport, MissingTargets, Overwrite, Project, ProjectError, checkout,
};

/// What to get from where, and what to do about changes that are saved nowhere.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    pub from: TransferSelection,
    pub overwrite: Overwrite,
    pub missing: MissingTargets,
    /// As [`CheckoutOptions::trash`].
    pub trash: Option<String>,
}

/// What was fetched and what was put into the work tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullReport {
    pub fetch: Moved,
    pub checkout: CheckoutReport,
}

/// [`fetch`], then [`checkout`].
pub fn pull(
    project: &Project,
    options: &PullOptions,
    reporter: &dyn Reporter,
) -> Result<PullReport, ProjectError> {
    let fetch = fetch(project, &options.from, reporter)?;
    let into = CheckoutOptions {
        targets: options.from.targets.clone(),
        overwrite: options.overwrite,
        missing: options.missing,
        trash: options.trash.clone(),
    };
    let checkout = checkout(project, &into, reporter)?;
    Ok(PullReport { fetch, checkout })
}
