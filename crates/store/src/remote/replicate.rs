//! From one remote to another, without a cache between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::thread;

use ketch_dvc::{Manifest, ObjectId};

use super::stream::VerifiedReader;
use super::workers::for_each;
use super::{Remote, RemoteError, TransferOptions, TransferReport, is_not_there, list_objects};
use crate::{Reporter, StoreError, hash_bytes};

/// What is to be copied.
#[derive(Debug, Clone, Copy)]
pub enum Replicated<'a> {
    /// Everything that there is.
    All,
    /// These and, of directories, all their files.
    These(&'a [ObjectId]),
}

/// Copies objects from one remote to another, unless they are there.
///
/// As with [`upload`](super::upload): a directory's manifest goes last, and only when all its files
/// are there; every object is hashed on its way; what fails does not keep the others.
pub fn replicate(
    from: &dyn Remote,
    to: &dyn Remote,
    wanted: Replicated<'_>,
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<TransferReport, StoreError> {
    let copier = Copier {
        from,
        to,
        options,
        reporter,
    };
    let wanted = match wanted {
        Replicated::These(ids) => ids.to_vec(),
        Replicated::All => list_objects(from, options)?.into_keys().collect(),
    };
    let mut report = TransferReport::default();
    let (directories, files): (BTreeSet<ObjectId>, BTreeSet<ObjectId>) =
        wanted.into_iter().partition(ObjectId::is_directory);
    let mut files = files;
    let mut manifests: BTreeMap<ObjectId, Manifest> = BTreeMap::new();
    for id in directories {
        match copier.manifest(&id)? {
            Some(manifest) => {
                files.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
                manifests.insert(id, manifest);
            }
            None => report.missing.push(id),
        }
    }
    let files: Vec<ObjectId> = files.into_iter().collect();
    let total = files.len() + manifests.len();
    reporter.start(total as u64);
    let mut failures = Vec::new();
    let mut absent: HashSet<ObjectId> = HashSet::new();
    copier.copy_all(&files, &mut report, &mut failures, &mut absent);
    to_settle(to, options)?;
    let complete = |manifest: &Manifest| {
        let mut entries = manifest.entries().iter();
        entries.all(|entry| !absent.contains(&entry.md5))
    };
    let late: Vec<ObjectId> = manifests
        .iter()
        .filter(|(_, manifest)| complete(manifest))
        .map(|(id, _)| id.clone())
        .collect();
    copier.copy_all(&late, &mut report, &mut failures, &mut absent);
    to_settle(to, options)?;
    report.missing.sort();
    let failed = failures.len();
    match failures.into_iter().next() {
        None => Ok(report),
        Some(error) if total == 1 => Err(error),
        Some(error) => Err(RemoteError::Incomplete {
            remote: to.name().to_owned(),
            failed,
            total,
            done: "sent",
            source: Box::new(error),
        }
        .into()),
    }
}

fn to_settle(to: &dyn Remote, options: TransferOptions) -> Result<(), StoreError> {
    let settled = options.retry.run(RemoteError::is_transient, || to.settle());
    Ok(settled?)
}

struct Copier<'a> {
    from: &'a dyn Remote,
    to: &'a dyn Remote,
    options: TransferOptions,
    reporter: &'a dyn Reporter,
}

/// What became of one object.
enum Copied {
    Now(u64),
    Before,
    Nowhere,
}

impl Copier<'_> {
    fn retry<T>(&self, attempt: impl FnMut() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        self.options.retry.run(RemoteError::is_transient, attempt)
    }

    fn manifest(&self, id: &ObjectId) -> Result<Option<Manifest>, StoreError> {
        let key = id.cache_path();
        let bytes = match self.retry(|| {
            let mut bytes = Vec::new();
            self.from.read(&key, &mut bytes)?;
            Ok(bytes)
        }) {
            Ok(bytes) => bytes,
            Err(error) if is_not_there(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let found = hash_bytes(&bytes).as_directory();
        if found != *id {
            return Err(self.damaged(&key, found).into());
        }
        Manifest::parse(&bytes)
            .map(Some)
            .map_err(|source| StoreError::Manifest {
                path: key.into(),
                source,
            })
    }

    fn copy_all(
        &self,
        ids: &[ObjectId],
        report: &mut TransferReport,
        failures: &mut Vec<StoreError>,
        absent: &mut HashSet<ObjectId>,
    ) {
        let [from, to] = [self.from, self.to].map(|remote| remote.capabilities().jobs);
        let jobs = self.options.jobs.unwrap_or(from.min(to)).max(1);
        let results = for_each(ids, jobs, |id| self.copy(id));
        for (id, result) in ids.iter().zip(results) {
            match result {
                Ok(Copied::Now(size)) => {
                    report.objects += 1;
                    report.bytes += size;
                }
                Ok(Copied::Before) => report.present += 1,
                Ok(Copied::Nowhere) => {
                    report.missing.push(id.clone());
                    absent.insert(id.clone());
                }
                Err(error) => {
                    failures.push(error);
                    absent.insert(id.clone());
                }
            }
        }
    }

    fn copy(&self, id: &ObjectId) -> Result<Copied, StoreError> {
        let key = id.cache_path();
        let Some(size) = self.retry(|| self.from.size(&key))? else {
            return Ok(Copied::Nowhere);
        };
        if self.retry(|| self.to.size(&key))? == Some(size) {
            return Ok(Copied::Before);
        }
        self.retry(|| self.pass(id, &key, size))?;
        self.reporter.file(key.as_str().into(), size);
        Ok(Copied::Now(size))
    }

    /// Reads on one thread and writes on another, with a pipe between: never a whole object.
    fn pass(&self, id: &ObjectId, key: &str, size: u64) -> Result<(), RemoteError> {
        let (reader, writer) =
            io::pipe().map_err(|error| RemoteError::io(self.to.name(), "write", key, error))?;
        thread::scope(|scope| {
            let mut writer = writer;
            let reading = scope.spawn(move || self.from.read(key, &mut writer));
            let mut source = VerifiedReader::new(reader, id);
            let written = self.to.write(key, &mut source, size);
            let damaged = source.damaged.take();
            // Whoever still writes into the pipe is told that nobody reads.
            drop(source);
            let read = reading.join().unwrap_or(Ok(0));
            match (read, damaged, written) {
                // The reader broke off, so that the bytes are not the object's.
                (Err(error), Some(_), _) => Err(error),
                (_, Some(found), _) => Err(self.damaged(key, found)),
                // The writer broke off first, and the reader because of it.
                (_, None, written) => written,
            }
        })
    }

    fn damaged(&self, key: &str, found: ObjectId) -> RemoteError {
        RemoteError::Damaged {
            remote: self.from.name().to_owned(),
            object: key.to_owned(),
            found,
        }
    }
}
