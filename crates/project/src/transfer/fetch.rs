//! Getting data from remotes into the cache.

use ketch_store::remote::RemoteError;
use ketch_store::{Reporter, StoreError};

use super::cloud_versioned::{by_record, ensure_manifests, fetch_group};
use super::history::selected;
use super::outputs::{Output, imports};
use super::{Moved, RemoteTransfer, SkipReason, Skipped, TransferSelection};
use crate::import::fetch_imports;
use crate::{Project, ProjectError};

/// Gets the objects of outputs that the cache lacks. The work tree stays as it is.
///
/// What is neither in the cache nor on the remote is reported, not an error. When objects fail the
/// others are fetched first; running it again fetches the rest.
pub fn fetch(
    project: &Project,
    options: &TransferSelection,
    reporter: &dyn Reporter,
) -> Result<Moved, ProjectError> {
    fetch_smaller(project, options, None, reporter)
}

/// [`fetch`] of outputs that are recorded with less than `limit` bytes, or without their size.
pub fn fetch_smaller(
    project: &Project,
    options: &TransferSelection,
    limit: Option<u64>,
    reporter: &dyn Reporter,
) -> Result<Moved, ProjectError> {
    let _lock = project.lock()?;
    let (mut wanted, mut skipped) = selected(project, options)?;
    wanted.retain(|output| {
        let both = output.entry.size.zip(limit);
        both.is_none_or(|(size, limit)| size < limit)
    });
    ensure_manifests(project, &wanted)?;
    if options.remote.name.is_none() {
        by_record(&mut wanted);
    }
    // These come from where they were imported, whatever remotes there are here.
    let imports = imports(project, &skipped)?;
    skipped.retain(|one| !one.reason.is_import());
    let passes_over = options.remote.passes_over(project)?;
    if passes_over {
        let (own, without) = wanted
            .into_iter()
            .partition(|output| output.remote.is_some());
        wanted = own;
        skipped.extend(without.into_iter().map(|output: Output| Skipped {
            path: output.path,
            reason: SkipReason::NoRemote,
        }));
    }
    // First of all: they need no remote of ours. What is wrong with one keeps nothing else back.
    let imported = fetch_imports(project, &imports, &options.remote, reporter);
    let nothing = wanted.is_empty() && options.remote.name.is_none();
    let groups = if nothing && (passes_over || !imports.is_empty()) {
        Vec::new()
    } else {
        match options.remote.groups(project, wanted.clone()) {
            // All of it is here: nobody has to be asked.
            Err(ProjectError::Store(StoreError::Remote(RemoteError::NotConfigured)))
                if !wanted.is_empty()
                    && wanted
                        .iter()
                        .all(|output| project.cache().contains_all(&output.id)) =>
            {
                Vec::new()
            }
            groups => groups?,
        }
    };
    let mut remotes = Vec::new();
    for group in groups {
        let manifests = group.fetch_manifests(project)?;
        let mut transfer = fetch_group(project, &group, reporter)?;
        transfer.objects += manifests;
        remotes.push(RemoteTransfer {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    remotes.extend(imported?);
    Ok(Moved {
        remotes,
        changed_files: Vec::new(),
        skipped,
    })
}
