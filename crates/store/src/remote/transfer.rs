//! Moving objects between a cache and a remote.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ketch_dvc::{Manifest, ObjectId};
use serde::Serialize;

use super::workers::for_each;
use super::{FailureKind, Remote, RemoteError, Retry};
use crate::cache::alike;
use crate::{Cache, Reporter, StoreError, hash_bytes};

/// Below this many objects each is asked for by itself.
const FEW: usize = 256;
/// What a listing gives with one request.
const PAGE: usize = 1_000;
/// The folders `00` to `ff`.
const PREFIXES: usize = 256;

/// How to move objects.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransferOptions {
    /// How many at once; what suits the remote if none.
    pub jobs: Option<usize>,
    pub retry: Retry,
}

/// What was moved. Directories' manifests are objects too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TransferReport {
    /// Objects moved now.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub present: usize,
    /// Objects that are neither here nor there, sorted.
    pub missing: Vec<ObjectId>,
}

/// Where objects are. Each list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    pub both: Vec<ObjectId>,
    pub only_cache: Vec<ObjectId>,
    pub only_remote: Vec<ObjectId>,
    pub neither: Vec<ObjectId>,
}

/// Sends objects and, of directories, all their files, unless the remote has them.
///
/// A directory's manifest goes last, and only when the remote has all its files: whoever sees it
/// may rely on them. Every object is hashed on its way; a damaged one is an error and not sent.
/// When some objects fail the others are sent nevertheless, and the next call sends the rest.
pub fn upload(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[ObjectId],
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<TransferReport, StoreError> {
    let transfer = Transfer::new(cache, remote, options, reporter);
    let mut files: BTreeSet<ObjectId> = BTreeSet::new();
    let mut directories: BTreeMap<ObjectId, Manifest> = BTreeMap::new();
    // Directories without a manifest here: nothing can be said of their files.
    let mut unknown = Vec::new();
    for id in wanted {
        if !id.is_directory() {
            files.insert(id.clone());
        } else if cache.object_path(id).is_file() {
            let manifest = cache.manifest(id)?;
            files.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
            directories.insert(id.clone(), manifest);
        } else {
            unknown.push(id.clone());
        }
    }
    let files: Vec<ObjectId> = files.into_iter().collect();
    let asked: Vec<ObjectId> = files
        .iter()
        .chain(directories.keys())
        .chain(&unknown)
        .cloned()
        .collect();
    let there = transfer.lookup(&asked)?;
    let mut report = TransferReport::default();
    let mut absent: HashSet<ObjectId> = HashSet::new();
    for id in unknown {
        if there.contains_key(&id) {
            report.present += 1;
        } else {
            absent.insert(id);
        }
    }
    let mut to_send = Vec::new();
    for id in files {
        match (transfer.cached_size(&id), there.get(&id)) {
            // A size that differs is a leftover of somebody's broken upload.
            (Some(here), Some(size)) if here == *size => report.present += 1,
            (Some(here), _) => to_send.push((id, here)),
            (None, Some(_)) => report.present += 1,
            (None, None) => {
                absent.insert(id);
            }
        }
    }
    let late: Vec<(ObjectId, u64)> = directories
        .keys()
        .filter_map(|id| {
            let here = transfer.cached_size(id)?;
            (there.get(id) != Some(&here)).then(|| (id.clone(), here))
        })
        .collect();
    report.present += directories.len() - late.len();
    let total = to_send.len() + late.len();
    reporter.start(total as u64);

    let mut failures = transfer.send(&to_send, &mut report);
    let failed: HashSet<ObjectId> = failures.iter().map(|(id, _)| id.clone()).collect();
    if report.objects > 0 {
        transfer.settle()?;
    }
    let complete = |manifest: &Manifest| {
        manifest
            .entries()
            .iter()
            .all(|entry| !failed.contains(&entry.md5) && !absent.contains(&entry.md5))
    };
    let late: Vec<(ObjectId, u64)> = late
        .into_iter()
        .filter(|(id, _)| directories.get(id).is_some_and(complete))
        .collect();
    failures.extend(transfer.send(&late, &mut report));
    if !late.is_empty() {
        transfer.settle()?;
    }
    report.missing = sorted(absent);
    transfer.end(failures, total, "sent", report)
}

/// Fetches objects and, of directories, all their files, unless the cache has them.
///
/// Every object is hashed before it gets its name in the cache. When some fail the others are
/// fetched nevertheless, and the next call fetches the rest.
pub fn download(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[ObjectId],
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<TransferReport, StoreError> {
    let transfer = Transfer::new(cache, remote, options, reporter);
    let mut report = TransferReport::default();
    let (directories, files): (BTreeSet<ObjectId>, BTreeSet<ObjectId>) =
        wanted.iter().cloned().partition(ObjectId::is_directory);
    let (here, away): (Vec<ObjectId>, Vec<ObjectId>) = directories
        .into_iter()
        .partition(|id| cache.manifest(id).is_ok());
    report.present += here.len();
    reporter.start(away.len() as u64);
    let mut failures = transfer.receive(&away, &mut report);
    let failed: HashSet<ObjectId> = failures.iter().map(|(id, _)| id.clone()).collect();

    let mut files = files;
    let lost: HashSet<ObjectId> = report.missing.iter().cloned().collect();
    for id in here.iter().chain(&away) {
        if !failed.contains(id) && !lost.contains(id) {
            let manifest = cache.manifest(id)?;
            files.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
        }
    }
    let (here, away_files): (Vec<ObjectId>, Vec<ObjectId>) =
        files.into_iter().partition(|id| cache.contains(id));
    report.present += here.len();
    reporter.start(away_files.len() as u64);
    failures.extend(transfer.receive(&away_files, &mut report));
    if report.objects > 0 {
        transfer.sync_cache()?;
    }
    report.missing.sort();
    let total = away.len() + away_files.len();
    transfer.end(failures, total, "fetched", report)
}

/// Says where objects and, of directories, all their files are. Changes nothing.
pub fn compare(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[ObjectId],
    options: TransferOptions,
) -> Result<Comparison, StoreError> {
    let transfer = Transfer::new(cache, remote, options, &crate::Silent);
    let mut ids: BTreeSet<ObjectId> = wanted.iter().cloned().collect();
    for id in wanted.iter().filter(|id| id.is_directory()) {
        if let Some(manifest) = transfer.manifest(id)? {
            ids.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
        }
    }
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let there = transfer.lookup(&ids)?;
    let mut found = Comparison::default();
    for id in ids {
        match (cache.contains(&id), there.contains_key(&id)) {
            (true, true) => found.both.push(id),
            (true, false) => found.only_cache.push(id),
            (false, true) => found.only_remote.push(id),
            (false, false) => found.neither.push(id),
        }
    }
    Ok(found)
}

/// Which objects the remote has; of a directory, the manifest alone is looked for.
pub fn present(
    cache: &Cache,
    remote: &dyn Remote,
    ids: &[ObjectId],
    options: TransferOptions,
) -> Result<BTreeSet<ObjectId>, StoreError> {
    let there = Transfer::new(cache, remote, options, &crate::Silent).lookup(ids)?;
    Ok(there.into_keys().collect())
}

/// A directory's manifest, from the cache or else from the remote; nothing if neither has it.
pub fn manifest_of(
    cache: &Cache,
    remote: &dyn Remote,
    id: &ObjectId,
    options: TransferOptions,
) -> Result<Option<Manifest>, StoreError> {
    Transfer::new(cache, remote, options, &crate::Silent).manifest(id)
}

pub(super) type Failures = Vec<(ObjectId, Option<StoreError>)>;

pub(super) struct Transfer<'a> {
    pub(super) cache: &'a Cache,
    pub(super) remote: &'a dyn Remote,
    pub(super) jobs: usize,
    pub(super) retry: Retry,
    pub(super) reporter: &'a dyn Reporter,
}

impl<'a> Transfer<'a> {
    fn new(
        cache: &'a Cache,
        remote: &'a dyn Remote,
        options: TransferOptions,
        reporter: &'a dyn Reporter,
    ) -> Self {
        let suited = remote.capabilities().jobs;
        Self {
            cache,
            remote,
            jobs: options.jobs.unwrap_or(suited).max(1),
            retry: options.retry,
            reporter,
        }
    }

    fn cached_size(&self, id: &ObjectId) -> Option<u64> {
        let metadata = std::fs::symlink_metadata(self.cache.object_path(id)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    fn settle(&self) -> Result<(), StoreError> {
        Ok(self.retry(|| self.remote.settle())?)
    }

    pub(super) fn retry<T>(
        &self,
        attempt: impl FnMut() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        self.retry.run(RemoteError::is_transient, attempt)
    }

    /// Which objects the remote has, with their sizes: asked for one by one, or listed when that is
    /// fewer requests.
    fn lookup(&self, ids: &[ObjectId]) -> Result<HashMap<ObjectId, u64>, StoreError> {
        // Objects of DVC 2 are in other folders.
        let (legacy, ids): (Vec<&ObjectId>, Vec<&ObjectId>) =
            ids.iter().partition(|id| id.is_legacy());
        let mut there = self.lookup_in("", &legacy)?;
        there.extend(self.lookup_in("files/md5/", &ids)?);
        Ok(there)
    }

    fn lookup_in(
        &self,
        folder: &str,
        ids: &[&ObjectId],
    ) -> Result<HashMap<ObjectId, u64>, StoreError> {
        let capabilities = self.remote.capabilities();
        if ids.len() >= FEW && capabilities.list && !capabilities.cheap_lookup {
            // Hashes are spread evenly: one folder tells how full the others are.
            let first = self.list_prefix(folder, "00")?;
            let requests = PREFIXES.max(first.len() * PREFIXES / PAGE);
            if requests < ids.len() {
                let prefixes: BTreeSet<&str> =
                    ids.iter().filter_map(|id| id.hex().get(..2)).collect();
                let prefixes: Vec<&str> = prefixes.into_iter().collect();
                let listed = for_each(&prefixes, self.jobs, |prefix| {
                    self.list_prefix(folder, prefix)
                });
                let mut there = HashMap::new();
                for part in listed {
                    there.extend(part?);
                }
                return Ok(ids
                    .iter()
                    .filter_map(|id| Some(((*id).clone(), *there.get(&id.cache_path())?)))
                    .collect());
            }
        }
        let sizes = for_each(ids, self.jobs, |id| {
            self.retry(|| self.remote.size(&id.cache_path()))
        });
        let mut there = HashMap::new();
        for (id, size) in ids.iter().zip(sizes) {
            if let Some(size) = size? {
                there.insert((*id).clone(), size);
            }
        }
        Ok(there)
    }

    fn list_prefix(&self, folder: &str, prefix: &str) -> Result<HashMap<String, u64>, StoreError> {
        let listed = self.retry(|| {
            let mut found = HashMap::new();
            self.remote
                .list(&format!("{folder}{prefix}"), &mut |key, size| {
                    found.insert(key.to_owned(), size);
                })?;
            Ok(found)
        })?;
        Ok(listed)
    }

    fn manifest(&self, id: &ObjectId) -> Result<Option<Manifest>, StoreError> {
        if self.cache.object_path(id).is_file()
            && let Ok(manifest) = self.cache.manifest(id)
        {
            return Ok(Some(manifest));
        }
        let key = id.cache_path();
        let bytes = self.retry(|| {
            let mut bytes = Vec::new();
            self.remote.read(&key, &mut bytes)?;
            Ok(bytes)
        });
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) if is_not_there(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = alike(id, hash_bytes(&bytes));
        if found != *id {
            return Err(self.damaged(&key, found).into());
        }
        Manifest::parse(&bytes)
            .map(|manifest| {
                Some(if id.is_legacy() {
                    manifest.into_legacy()
                } else {
                    manifest
                })
            })
            .map_err(|source| StoreError::Manifest {
                path: key.into(),
                source,
            })
    }

    pub(super) fn damaged(&self, key: &str, found: ObjectId) -> RemoteError {
        RemoteError::Damaged {
            remote: self.remote.name().to_owned(),
            object: key.to_owned(),
            found,
        }
    }

    /// What was fetched is on the disk before anybody is told.
    fn sync_cache(&self) -> Result<(), StoreError> {
        let root = fs_err::File::open(self.cache.root())?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&root).map_err(std::io::Error::from)?;
        #[cfg(not(target_os = "linux"))]
        root.sync_all()?;
        Ok(())
    }

    fn end(
        &self,
        failures: Failures,
        total: usize,
        done: &'static str,
        report: TransferReport,
    ) -> Result<TransferReport, StoreError> {
        let failed = failures.len();
        match failures.into_iter().find_map(|(_, error)| error) {
            None => Ok(report),
            // The only object's own error says it all.
            Some(error) if total == 1 => Err(error),
            Some(error) => Err(RemoteError::Incomplete {
                remote: self.remote.name().to_owned(),
                failed,
                total,
                done,
                source: Box::new(error),
            }
            .into()),
        }
    }
}

/// What will not go better for the next object.
pub(super) fn is_hopeless(error: &StoreError) -> bool {
    match error {
        StoreError::Remote(RemoteError::Failed { kind, .. }) => {
            matches!(kind, FailureKind::Denied | FailureKind::Full)
        }
        StoreError::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

pub(super) fn transient(error: &StoreError) -> bool {
    matches!(error, StoreError::Remote(error) if error.is_transient())
}

pub(crate) fn is_not_there(error: &RemoteError) -> bool {
    matches!(
        error,
        RemoteError::Failed {
            kind: FailureKind::NotFound,
            ..
        }
    )
}

fn sorted(ids: HashSet<ObjectId>) -> Vec<ObjectId> {
    let mut ids: Vec<ObjectId> = ids.into_iter().collect();
    ids.sort();
    ids
}
