//! The run cache on its way: `runs/KEY[..2]/KEY/VALUE`, the same here and on a remote.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{ObjectId, StageLock};
use ketch_store::remote::{
    Remote, RemoteError, TransferOptions, TransferReport, download, list_keys, upload,
};
use ketch_store::{Durability, Reporter, StoreError, write_atomically_with};
use serde::Serialize;

use super::RemoteChoice;
use crate::{Project, ProjectError};

/// Where results are, in a cache and on a remote.
const FOLDER: &str = "runs";

/// What was moved of the run cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunsMoved {
    pub remote: String,
    /// Results moved now.
    pub runs: usize,
    /// Results that were there already.
    pub present: usize,
    /// Files that are not what their names promise; they were not moved.
    pub damaged: Vec<Utf8PathBuf>,
    /// The outputs of the results.
    #[serde(flatten)]
    pub transfer: TransferReport,
}

/// Sends the results of all runs, and the objects of their outputs, which go first: a result on a
/// remote can be used.
///
/// # Errors
///
/// When the remote cannot be listed (plain HTTP), or is not there.
pub fn push_runs(
    project: &Project,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<RunsMoved, ProjectError> {
    let _lock = project.lock()?;
    let group = choice.one(project)?;
    let remote = &*group.remote;
    let there = listed(remote, group.options)?;
    let mut moved = RunsMoved::on(remote);
    let (mut results, mut objects) = (Vec::new(), BTreeSet::new());
    for (key, path) in local(project)? {
        let bytes = fs_err::read(&path)?;
        let Some(outputs) = checked(&key, &bytes) else {
            moved.damaged.push(key.into());
            continue;
        };
        if there.contains(&key) {
            moved.present += 1;
            continue;
        }
        objects.extend(outputs);
        results.push((key, bytes));
    }
    let ids: Vec<ObjectId> = objects.into_iter().collect();
    moved.transfer = upload(project.cache(), remote, &ids, group.options, reporter)?;
    for (key, bytes) in results {
        let attempt = || remote.write(&key, &mut bytes.as_slice(), bytes.len() as u64);
        group
            .options
            .retry
            .run(RemoteError::is_transient, attempt)
            .map_err(StoreError::from)?;
        moved.runs += 1;
    }
    Ok(moved)
}

/// Gets the results of all runs that the remote has, and the objects of their outputs.
///
/// # Errors
///
/// As [`push_runs`].
pub fn fetch_runs(
    project: &Project,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<RunsMoved, ProjectError> {
    let _lock = project.lock()?;
    let group = choice.one(project)?;
    let remote = &*group.remote;
    let mut moved = RunsMoved::on(remote);
    let (mut results, mut objects) = (Vec::new(), BTreeSet::new());
    for key in listed(remote, group.options)? {
        let path = project.cache().root().join(&key);
        // The name of a file is data from elsewhere: only one that we would make is taken.
        if !is_key(&key) {
            moved.damaged.push(key.into());
            continue;
        }
        if path.is_file() {
            moved.present += 1;
            continue;
        }
        let bytes = group.options.retry.run(RemoteError::is_transient, || {
            let mut bytes = Vec::new();
            remote.read(&key, &mut bytes)?;
            Ok(bytes)
        });
        let bytes = bytes.map_err(StoreError::from)?;
        let Some(outputs) = checked(&key, &bytes) else {
            moved.damaged.push(key.into());
            continue;
        };
        objects.extend(outputs);
        results.push((path, bytes));
    }
    let ids: Vec<ObjectId> = objects.into_iter().collect();
    moved.transfer = download(project.cache(), remote, &ids, group.options, reporter)?;
    for (path, bytes) in &results {
        // Losing it costs a run, nothing else.
        write_atomically_with(path, bytes, Durability::Buffered)?;
        moved.runs += 1;
    }
    Ok(moved)
}

impl RunsMoved {
    fn on(remote: &dyn Remote) -> Self {
        Self {
            remote: remote.name().to_owned(),
            runs: 0,
            present: 0,
            damaged: Vec::new(),
            transfer: TransferReport::default(),
        }
    }

    /// Whether the receiving side has every result and every output of one.
    pub fn is_complete(&self) -> bool {
        self.damaged.is_empty() && self.transfer.missing.is_empty()
    }
}

/// The results that the cache has, with their keys.
fn local(project: &Project) -> Result<Vec<(String, Utf8PathBuf)>, ProjectError> {
    let root = project.cache().root();
    let mut found = Vec::new();
    let mut pending = vec![project.cache().runs_directory()];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = folder.read_dir_utf8() else {
            continue;
        };
        for entry in entries {
            let path = entry?.into_path();
            let key = path.strip_prefix(root).unwrap_or(Utf8Path::new(""));
            if path.is_dir() {
                pending.push(path);
            } else if is_key(key.as_str()) {
                found.push((key.to_string(), path));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn listed(remote: &dyn Remote, options: TransferOptions) -> Result<BTreeSet<String>, ProjectError> {
    if !remote.capabilities().list {
        return Err(ProjectError::NoRunCache {
            remote: remote.name().to_owned(),
        });
    }
    let keys = list_keys(remote, FOLDER, options).map_err(StoreError::from)?;
    Ok(keys.into_keys().collect())
}

/// `runs/ab/ab…/cd…`
fn is_key(key: &str) -> bool {
    let is_hash = |text: &str| {
        text.len() == 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let parts: Vec<&str> = key.split('/').collect();
    matches!(parts[..], [FOLDER, prefix, key, value]
        if is_hash(key) && is_hash(value) && key.get(..2) == Some(prefix))
}

/// The objects of a result whose content is what its two names are the hashes of.
fn checked(key: &str, bytes: &[u8]) -> Option<Vec<ObjectId>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let result = StageLock::parse(text, key).ok()?;
    let names = format!("{}/{}", result.run_cache_key()?, result.run_cache_value()?);
    key.ends_with(&names)
        .then(|| result.outs.into_iter().filter_map(|out| out.md5).collect())
}
