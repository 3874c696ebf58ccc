//! What a remote that keeps versions has now, whatever is recorded of it.

use ketch_dvc::ObjectId;

use super::transfer::transient;
use super::{ObjectVersion, Remote, RemoteError, TransferOptions, Versions, for_each};
use crate::{Cache, StoreError};

/// A file of a folder on a remote that keeps versions, as it is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestFile {
    /// Below the folder.
    pub relpath: String,
    pub version: ObjectVersion,
}

/// The newest version of an object; nothing if it is not there.
pub fn newest_version(
    remote: &dyn Remote,
    key: &str,
    options: TransferOptions,
) -> Result<Option<ObjectVersion>, StoreError> {
    let versions = versions_of(remote)?;
    let look = || versions.newest(key);
    Ok(options.retry.run(RemoteError::is_transient, look)?)
}

/// The newest versions of all files of a folder, in the order of their names; none if there is no
/// such folder.
pub fn newest_versions(
    remote: &dyn Remote,
    folder: &str,
    options: TransferOptions,
) -> Result<Vec<NewestFile>, StoreError> {
    let versions = versions_of(remote)?;
    let mut names = options.retry.run(RemoteError::is_transient, || {
        let mut names = Vec::new();
        versions.list_newest(folder, &mut |key| {
            let name = key
                .strip_prefix(folder)
                .map(|name| name.trim_start_matches('/'));
            names.extend(name.map(str::to_owned));
        })?;
        Ok::<_, RemoteError>(names)
    })?;
    names.sort();
    let jobs = options.jobs.unwrap_or(remote.capabilities().jobs).max(1);
    let found = for_each(&names, jobs, |relpath| {
        newest_version(remote, &format!("{folder}/{relpath}"), options)
    });
    let mut files = Vec::with_capacity(names.len());
    for (relpath, version) in names.into_iter().zip(found) {
        // What went away since it was listed is not there.
        if let Some(version) = version? {
            files.push(NewestFile { relpath, version });
        }
    }
    Ok(files)
}

/// Brings versions of objects into the cache, each given by its key and version. Returns what they
/// are and their sizes in bytes, in their order.
pub fn receive_versions(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[(String, String)],
    options: TransferOptions,
) -> Result<Vec<(ObjectId, u64)>, StoreError> {
    let versions = versions_of(remote)?;
    let jobs = options.jobs.unwrap_or(remote.capabilities().jobs).max(1);
    let received = for_each(wanted, jobs, |(key, version_id)| {
        options.retry.run(transient, || {
            cache.receive(|sink| {
                versions.read_version(key, version_id, sink)?;
                Ok::<(), StoreError>(())
            })
        })
    });
    received.into_iter().collect()
}

fn versions_of(remote: &dyn Remote) -> Result<&dyn Versions, RemoteError> {
    remote
        .versions()
        .ok_or_else(|| RemoteError::KeepsNoVersions {
            remote: remote.name().to_owned(),
        })
}
