//! Remotes that keep versions: files under their own names, and in the project's files which
//! version each is.
//!
//! A `.dvc` file or `dvc.lock` has room for one remote: it records the one that was pushed to last.

mod fetch;
mod newest;
mod push;
mod records;
mod status;

use std::collections::HashMap;

use ketch_dvc::{CloudVersion, Manifest};
use ketch_store::StoreError;
use ketch_store::remote::{VersionedObject, Versioning, manifest_of};

pub(super) use fetch::fetch_group;
pub(crate) use newest::{NewestState, newest};
pub(super) use push::push_group;
pub(super) use status::{FileState, states};

use super::outputs::Output;
use super::remotes::Group;
use crate::paths::relative;
use crate::{Project, ProjectError};

/// One file of an output, as a remote that keeps versions has it.
struct File {
    /// Below the output; empty for an output that is a file.
    relpath: String,
    object: VersionedObject,
    /// What is recorded, of whichever remote.
    recorded: Option<CloudVersion>,
    /// In bytes, where it is recorded.
    size: Option<u64>,
}

/// An output's files, sorted; nothing for a directory of which neither the record nor the cache nor
/// the remote has a list.
fn files(
    project: &Project,
    group: &Group,
    output: &Output,
) -> Result<Option<Vec<File>>, ProjectError> {
    // What is elsewhere has no place below the remote's URL.
    let path = relative(project.root(), &project.root().join(&output.path))?;
    let file = |relpath: &str, id, recorded: Option<CloudVersion>, size| {
        let here = recorded
            .as_ref()
            .filter(|version| version.remote.eq_ignore_ascii_case(group.remote.name()));
        File {
            object: VersionedObject {
                key: if relpath.is_empty() {
                    path.to_string()
                } else {
                    format!("{path}/{relpath}")
                },
                id,
                version_id: here.and_then(|version| version.version_id.clone()),
                etag: here.and_then(|version| version.etag.clone()),
            },
            relpath: relpath.to_owned(),
            recorded,
            size,
        }
    };
    if !output.id.is_directory() {
        let recorded = output.entry.cloud_version();
        let size = output.entry.size;
        return Ok(Some(vec![file("", output.id.clone(), recorded, size)]));
    }
    if let Some(known) = output.entry.versioned_files() {
        let known = known.into_iter();
        return Ok(Some(
            known
                .map(|one| file(&one.relpath, one.md5, one.version, one.size))
                .collect(),
        ));
    }
    let cache = project.cache();
    let found: Option<Manifest> = manifest_of(cache, &*group.remote, &output.id, group.options)?;
    Ok(found.map(|manifest| {
        let entries = manifest.entries().iter();
        entries
            .map(|entry| file(&entry.relpath, entry.md5.clone(), None, None))
            .collect()
    }))
}

/// Whether an output's files are looked for by versions there.
fn is_versioned(group: &Group, output: &Output) -> bool {
    let here = |version: &CloudVersion| version.remote.eq_ignore_ascii_case(group.remote.name());
    group.versioning != Versioning::None
        || group.remote.versions().is_some()
            && (output.entry.cloud_version().as_ref().is_some_and(here)
                || output.entry.versioned_files().is_some_and(|files| {
                    let mut versions = files.iter().filter_map(|file| file.version.as_ref());
                    versions.any(here)
                }))
}

/// Where what is recorded for a remote that keeps versions comes from, unless somebody chooses: that
/// remote.
pub(super) fn by_record(outputs: &mut [Output]) {
    for output in outputs.iter_mut().filter(|output| output.remote.is_none()) {
        let version = output.entry.cloud_version().or_else(|| {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for file in output.entry.versioned_files()? {
                if let Some(version) = file.version {
                    *counts.entry(version.remote).or_default() += 1;
                }
            }
            // Most often there is one.
            let (remote, _) = counts
                .into_iter()
                .max_by(|left, right| left.1.cmp(&right.1).then(right.0.cmp(&left.0)))?;
            Some(CloudVersion {
                remote,
                version_id: None,
                etag: None,
            })
        });
        output.remote = version.map(|version| version.remote);
    }
}

/// Puts the lists of files that the project's own files have into the cache.
pub(super) fn ensure_manifests(project: &Project, outputs: &[Output]) -> Result<(), ProjectError> {
    outputs
        .iter()
        .try_for_each(|output| crate::versioned::ensure_manifest(project, &output.entry))
}

fn store(error: StoreError) -> ProjectError {
    ProjectError::Store(error)
}
