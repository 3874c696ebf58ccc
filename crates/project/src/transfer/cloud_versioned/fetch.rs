//! Getting files by their versions.

use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use ketch_store::remote::{TransferReport, Versioning, download, download_versions};

use super::{files, is_versioned, store};
use crate::transfer::remotes::Group;
use crate::{Project, ProjectError};

/// Gets the objects of a group's outputs that the cache lacks: by their versions where they have
/// some, by their hashes otherwise.
pub(in crate::transfer) fn fetch_group(
    project: &Project,
    group: &Group,
    reporter: &dyn Reporter,
) -> Result<TransferReport, ProjectError> {
    let mut by_hash: Vec<ObjectId> = Vec::new();
    let mut by_version = Vec::new();
    for output in &group.outputs {
        let files = if is_versioned(group, output) {
            files(project, group, output)?
        } else {
            None
        };
        match files {
            Some(files) => by_version.extend(files.into_iter().map(|file| file.object)),
            None => by_hash.extend(group.objects_of(project, output)?),
        }
    }
    let mut report = TransferReport::default();
    let (cache, remote) = (project.cache(), &*group.remote);
    if !by_version.is_empty() {
        report = download_versions(cache, remote, &by_version, group.options, reporter)
            .map_err(store)?;
        if group.versioning != Versioning::None {
            // It may have been pushed when the remote kept no versions.
            by_hash.append(&mut report.missing);
        }
    }
    if !by_hash.is_empty() {
        let more = download(cache, remote, &by_hash, group.options, reporter).map_err(store)?;
        report.objects += more.objects;
        report.bytes += more.bytes;
        report.present += more.present;
        report.missing.extend(more.missing);
        report.missing.sort();
        report.missing.dedup();
    }
    Ok(report)
}
