//! Remotes that keep every version of an object: files under their own names, each fetched by the
//! version that was recorded.

use std::io::{self, Read, Write};

use camino::Utf8Path;
use ketch_dvc::ObjectId;
use tempfile::NamedTempFile;

use super::stream::{Hasher, VerifiedReader};
use super::transfer::{is_not_there, transient};
use super::{
    Capabilities, ObjectFacts, Remote, RemoteError, TransferOptions, TransferReport, for_each,
};
use crate::atomic::{Durability, named, place, temporary_object};
use crate::cache::same;
use crate::{Cache, Reporter, StoreError};

/// How a remote is used, as its configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versioning {
    /// Objects have the names of their hashes.
    #[default]
    None,
    /// `version_aware`: files have their own names, and are found by the versions that are recorded.
    Aware,
    /// `worktree`: the same, and the newest versions are what the work tree had at the last push.
    Worktree,
}

/// One version of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    pub version_id: String,
    /// As [`ObjectFacts::etag`].
    pub etag: Option<String>,
    /// In bytes.
    pub size: u64,
}

/// What a remote that keeps versions can do besides. Keys are paths below its URL.
pub trait Versions: Send + Sync {
    /// The newest version; nothing if the object is not there.
    fn newest(&self, key: &str) -> Result<Option<ObjectVersion>, RemoteError>;

    /// A version; nothing if it is not there.
    fn version(&self, key: &str, version_id: &str) -> Result<Option<ObjectVersion>, RemoteError>;

    /// Writes a version's bytes into `sink` and says how many there were.
    fn read_version(
        &self,
        key: &str,
        version_id: &str,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError>;

    /// As [`Remote::write`], and says which version it is now.
    ///
    /// # Errors
    ///
    /// [`RemoteError::KeepsNoVersions`] besides, where the bucket does not.
    fn write_version(
        &self,
        key: &str,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<ObjectVersion, RemoteError>;

    /// Gives `found` the key of every object below a folder.
    fn list_newest(&self, folder: &str, found: &mut dyn FnMut(&str)) -> Result<(), RemoteError>;
}

/// A file on a remote that keeps versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedObject {
    /// Its path below the remote's URL.
    pub key: String,
    /// Its content.
    pub id: ObjectId,
    /// The version that is recorded for this remote.
    pub version_id: Option<String>,
    /// What is recorded beside it.
    pub etag: Option<String>,
}

/// What became of the files of an upload.
#[derive(Debug)]
pub struct UploadedVersions {
    pub report: TransferReport,
    /// In the order of the files: where each is now. None for what is neither here nor there, or
    /// could not be sent.
    pub versions: Vec<Option<ObjectVersion>>,
    /// Why some could not be sent. The others were, and should be recorded.
    pub failure: Option<StoreError>,
}

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionedState {
    pub cached: bool,
    pub remote: bool,
}

/// Sends files unless the remote has them.
///
/// A version that is recorded and still there is not sent again, nor is what the newest version
/// is already. With [`Versioning::Worktree`] only the newest version counts. Every file is hashed on
/// its way; a damaged one is an error and not sent.
pub fn upload_versions(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[VersionedObject],
    versioning: Versioning,
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<UploadedVersions, StoreError> {
    let work = Work::new(cache, remote, options)?;
    reporter.start(wanted.len() as u64);
    let results = for_each(wanted, work.jobs, |object| {
        let path = cache.object_path(&object.id);
        if let Some(version) = work.find(object, versioning)? {
            return Ok(Sent::There(version));
        }
        if !cache.contains(&object.id) {
            return Ok(Sent::Missing);
        }
        let size = fs_err::metadata(&path)?.len();
        let version = work.send(object, &path, size)?;
        reporter.file(&path, size);
        Ok(Sent::Now(version, size))
    });
    let mut done = UploadedVersions {
        report: TransferReport::default(),
        versions: Vec::with_capacity(wanted.len()),
        failure: None,
    };
    let mut failures = Vec::new();
    for (object, result) in wanted.iter().zip(results) {
        done.versions.push(match result {
            Ok(Sent::There(version)) => {
                done.report.present += 1;
                Some(version)
            }
            Ok(Sent::Now(version, size)) => {
                done.report.objects += 1;
                done.report.bytes += size;
                Some(version)
            }
            Ok(Sent::Missing) => {
                done.report.missing.push(object.id.clone());
                None
            }
            Err(error) => {
                failures.push(error);
                None
            }
        });
    }
    sort(&mut done.report.missing);
    done.failure = work.failure(failures, wanted.len(), "sent");
    Ok(done)
}

/// Fetches files unless the cache has them: the version that is recorded, or else the newest if it is
/// the same content. Every file is hashed before it gets its name in the cache.
pub fn download_versions(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[VersionedObject],
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<TransferReport, StoreError> {
    let work = Work::new(cache, remote, options)?;
    let mut report = TransferReport::default();
    let mut away: Vec<&VersionedObject> = Vec::new();
    for object in wanted {
        if cache.contains(&object.id) {
            report.present += 1;
        } else if !away.iter().any(|known| known.id == object.id) || object.version_id.is_some() {
            away.push(object);
        }
    }
    reporter.start(away.len() as u64);
    let results = for_each(&away, work.jobs, |object| {
        // Another file with the same content may have come first.
        if cache.contains(&object.id) {
            return Ok(Some(0));
        }
        let size = work.receive(object)?;
        if let Some(size) = size {
            reporter.file(&cache.object_path(&object.id), size);
        }
        Ok(size)
    });
    let mut failures = Vec::new();
    for (object, result) in away.iter().zip(results) {
        match result {
            Ok(Some(size)) => {
                report.objects += 1;
                report.bytes += size;
            }
            Ok(None) => report.missing.push(object.id.clone()),
            Err(error) => failures.push(error),
        }
    }
    report.missing.retain(|id| !cache.contains(id));
    sort(&mut report.missing);
    if report.objects > 0 {
        let root = fs_err::File::open(cache.root())?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&root).map_err(io::Error::from)?;
        #[cfg(not(target_os = "linux"))]
        root.sync_all()?;
    }
    match work.failure(failures, away.len(), "fetched") {
        None => Ok(report),
        Some(error) => Err(error),
    }
}

/// Says where files are, in their order. Changes nothing.
pub fn compare_versions(
    cache: &Cache,
    remote: &dyn Remote,
    wanted: &[VersionedObject],
    versioning: Versioning,
    options: TransferOptions,
) -> Result<Vec<VersionedState>, StoreError> {
    let work = Work::new(cache, remote, options)?;
    let states = for_each(wanted, work.jobs, |object| {
        Ok(VersionedState {
            cached: cache.contains(&object.id),
            remote: work.find(object, versioning)?.is_some(),
        })
    });
    states.into_iter().collect()
}

enum Sent {
    There(ObjectVersion),
    Now(ObjectVersion, u64),
    Missing,
}

struct Work<'a> {
    cache: &'a Cache,
    remote: &'a dyn Remote,
    versions: &'a dyn Versions,
    options: TransferOptions,
    jobs: usize,
}

impl<'a> Work<'a> {
    fn new(
        cache: &'a Cache,
        remote: &'a dyn Remote,
        options: TransferOptions,
    ) -> Result<Self, StoreError> {
        let versions = remote
            .versions()
            .ok_or_else(|| RemoteError::KeepsNoVersions {
                remote: remote.name().to_owned(),
            })?;
        let suited = remote.capabilities().jobs;
        Ok(Self {
            cache,
            remote,
            versions,
            options,
            jobs: options.jobs.unwrap_or(suited).max(1),
        })
    }

    fn retry<T>(&self, attempt: impl FnMut() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        self.options.retry.run(RemoteError::is_transient, attempt)
    }

    /// The version on the remote that is this content, if it can be told without reading it.
    fn find(
        &self,
        object: &VersionedObject,
        versioning: Versioning,
    ) -> Result<Option<ObjectVersion>, StoreError> {
        if versioning != Versioning::Worktree
            && let Some(id) = &object.version_id
            && let Some(version) = self.retry(|| self.versions.version(&object.key, id))?
        {
            return Ok(Some(version));
        }
        let newest = self.retry(|| self.versions.newest(&object.key))?;
        let Some(newest) = newest.filter(|newest| object.is_content_of(newest)) else {
            return Ok(None);
        };
        // The record stays as it is while it is right.
        if let Some(id) = object
            .version_id
            .as_ref()
            .filter(|id| **id != newest.version_id)
            && let Some(version) = self.retry(|| self.versions.version(&object.key, id))?
        {
            return Ok(Some(version));
        }
        Ok(Some(newest))
    }

    fn send(
        &self,
        object: &VersionedObject,
        path: &Utf8Path,
        size: u64,
    ) -> Result<ObjectVersion, StoreError> {
        self.options.retry.run(transient, || {
            let file = fs_err::File::open(path)?;
            let mut source = VerifiedReader::new(file, &object.id);
            let written = self.versions.write_version(&object.key, &mut source, size);
            // Looked at first: the remote can only say that its source failed.
            if let Some(found) = source.damaged.take() {
                same(&object.id, found, path.to_owned())?;
            }
            Ok(written?)
        })
    }

    /// Its size; nothing if it is not there.
    fn receive(&self, object: &VersionedObject) -> Result<Option<u64>, StoreError> {
        if let Some(id) = &object.version_id {
            let (file, found, size) = match self.land(object, Some(id)) {
                Err(StoreError::Remote(error)) if is_not_there(&error) => return Ok(None),
                landed => landed?,
            };
            if found != object.id {
                return Err(RemoteError::Damaged {
                    remote: self.remote.name().to_owned(),
                    object: object.key.clone(),
                    found,
                }
                .into());
            }
            return self.keep(object, file, size);
        }
        match self.land(object, None) {
            Err(StoreError::Remote(error)) if is_not_there(&error) => Ok(None),
            Err(error) => Err(error),
            Ok((file, found, size)) if found == object.id => self.keep(object, file, size),
            // Somebody pushed something else since.
            Ok(_) => Ok(None),
        }
    }

    fn keep(
        &self,
        object: &VersionedObject,
        file: NamedTempFile,
        size: u64,
    ) -> Result<Option<u64>, StoreError> {
        place(
            file,
            &self.cache.object_path(&object.id),
            Durability::Buffered,
        )?;
        Ok(Some(size))
    }

    /// The bytes in a temporary file beside the object's place, what they are, and how many.
    fn land(
        &self,
        object: &VersionedObject,
        version_id: Option<&str>,
    ) -> Result<(NamedTempFile, ObjectId, u64), StoreError> {
        let path = self.cache.object_path(&object.id);
        self.options.retry.run(transient, || {
            let mut sink = Sink {
                file: temporary_object(&path)?,
                hasher: Hasher::of(&object.id),
                failure: None,
            };
            let read = match version_id {
                Some(id) => self.versions.read_version(&object.key, id, &mut sink),
                None => self.versions_newest(&object.key, &mut sink),
            };
            if let Some(error) = sink.failure {
                // The disk is full, say: not the remote's fault.
                return Err(named(&path, "write", &error).into());
            }
            let size = read?;
            Ok((sink.file, sink.hasher.finish(&object.id), size))
        })
    }

    fn versions_newest(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        let newest = self.versions.newest(key)?;
        match newest {
            Some(newest) => self.versions.read_version(key, &newest.version_id, sink),
            None => Err(RemoteError::Failed {
                remote: self.remote.name().to_owned(),
                action: "read",
                object: key.to_owned(),
                kind: super::FailureKind::NotFound,
                source: "it is not there".into(),
            }),
        }
    }

    fn failure(
        &self,
        failures: Vec<StoreError>,
        total: usize,
        done: &'static str,
    ) -> Option<StoreError> {
        let failed = failures.len();
        let first = failures.into_iter().next()?;
        if total == 1 {
            return Some(first);
        }
        Some(
            RemoteError::Incomplete {
                remote: self.remote.name().to_owned(),
                failed,
                total,
                done,
                source: Box::new(first),
            }
            .into(),
        )
    }
}

impl VersionedObject {
    /// Whether a version is this content, as far as its etag tells: the one that was recorded, or the
    /// MD5 that S3 gives to what was sent in one piece.
    fn is_content_of(&self, version: &ObjectVersion) -> bool {
        if self.version_id.as_ref() == Some(&version.version_id) {
            return true;
        }
        match &version.etag {
            Some(etag) => {
                self.etag.as_ref() == Some(etag) || (!self.id.is_legacy() && etag == self.id.hex())
            }
            None => false,
        }
    }
}

/// Hashes what it writes.
struct Sink {
    file: NamedTempFile,
    hasher: Hasher,
    /// Why the file could not be written.
    failure: Option<io::Error>,
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.file.write_all(buffer) {
            Ok(()) => {
                self.hasher.update(buffer);
                Ok(buffer.len())
            }
            Err(error) => {
                let copy = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                Err(copy)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sort(ids: &mut Vec<ObjectId>) {
    ids.sort();
    ids.dedup();
}

/// A `worktree` remote: what has no name but its hash is out of the way, below `.dvc`.
#[derive(Debug)]
pub(crate) struct WorktreeRemote(pub(crate) Box<dyn Remote>);

const HIDDEN: &str = ".dvc/";

fn hidden(key: &str) -> String {
    format!("{HIDDEN}{key}")
}

impl Remote for WorktreeRemote {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        self.0.size(&hidden(key))
    }

    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        self.0.facts(&hidden(key))
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        self.0.list(&hidden(folder), &mut |key, size| {
            if let Some(key) = key.strip_prefix(HIDDEN) {
                found(key, size);
            }
        })
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.0.read(&hidden(key), sink)
    }

    fn read_range(
        &self,
        key: &str,
        offset: u64,
        length: u64,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        self.0.read_range(&hidden(key), offset, length, sink)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        self.0.write(&hidden(key), source, size)
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.0.delete(&hidden(key))
    }

    fn most_deleted_together(&self) -> usize {
        self.0.most_deleted_together()
    }

    fn delete_together(&self, keys: &[String]) -> Result<(), RemoteError> {
        let keys: Vec<String> = keys.iter().map(|key| hidden(key)).collect();
        self.0.delete_together(&keys)
    }

    fn settle(&self) -> Result<(), RemoteError> {
        self.0.settle()
    }

    fn versions(&self) -> Option<&dyn Versions> {
        self.0.versions()
    }
}
