//! Objects on their way, many small ones in one parcel: their bytes are hashed side by side.

use std::io::{self, Read as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8Path;
use ketch_dvc::ObjectId;
use tempfile::NamedTempFile;

use super::stream::{Hasher, VerifiedReader};
use super::transfer::{Failures, Transfer, TransferReport, is_hopeless, is_not_there, transient};
use super::workers::for_each;
use crate::StoreError;
use crate::atomic::{Durability, named, place, temporary_object};
use crate::cache::{alike, same};
use crate::content::SMALL;
use crate::digest::digest_many;

/// After so many failures the rest is not tried: the network is down or the disk is full.
const MOST_FAILURES: usize = 16;
/// As many as the lanes of the processor take at once, a few times over.
const PARCEL_OBJECTS: usize = 64;
/// What fits into the cache of a processor beside everything else.
const PARCEL_BYTES: u64 = 1 << 20;
/// Parcels for each worker, so that none waits long for another at the end.
const PARCELS_A_JOB: usize = 4;

impl Transfer<'_> {
    /// Sends objects; those that failed, with why if they were tried.
    pub(super) fn send(
        &self,
        objects: &[(ObjectId, u64)],
        report: &mut TransferReport,
    ) -> Failures {
        let failed = AtomicUsize::new(0);
        let parcels = pack(objects, self.parcel_size(objects.len()), |(_, size)| *size);
        let results = for_each(&parcels, self.jobs, |parcel| {
            self.send_parcel(parcel, &failed)
        });
        let mut failures = Vec::new();
        for ((id, size), result) in objects.iter().zip(results.into_iter().flatten()) {
            match result {
                Ok(()) => {
                    report.objects += 1;
                    report.bytes += size;
                }
                Err(error) => failures.push((id.clone(), error)),
            }
        }
        failures
    }

    /// Fetches objects; what the remote does not have goes to the report's `missing`.
    pub(super) fn receive(&self, ids: &[ObjectId], report: &mut TransferReport) -> Failures {
        let failed = AtomicUsize::new(0);
        let parcels = pack(ids, self.parcel_size(ids.len()), |_| 0);
        let results = for_each(&parcels, self.jobs, |parcel| {
            self.receive_parcel(parcel, &failed)
        });
        let mut failures = Vec::new();
        for (id, result) in ids.iter().zip(results.into_iter().flatten()) {
            match result {
                Ok(Some(size)) => {
                    report.objects += 1;
                    report.bytes += size;
                }
                Ok(None) => report.missing.push(id.clone()),
                Err(error) => failures.push((id.clone(), error)),
            }
        }
        failures
    }

    fn parcel_size(&self, objects: usize) -> usize {
        (objects / (self.jobs * PARCELS_A_JOB)).clamp(1, PARCEL_OBJECTS)
    }

    fn send_parcel(
        &self,
        parcel: &[(ObjectId, u64)],
        failed: &AtomicUsize,
    ) -> Vec<Result<(), Option<StoreError>>> {
        let contents: Vec<Vec<u8>> = if parcel.len() > 1 {
            let read = |(id, size): &(ObjectId, u64)| -> io::Result<Vec<u8>> {
                // What has another size has another hash.
                let mut bytes = vec![0; usize::try_from(*size).unwrap_or_default()];
                fs_err::File::open(self.cache.object_path(id))?.read_exact(&mut bytes)?;
                Ok(bytes)
            };
            // What cannot be read has its error when it is sent by itself.
            parcel
                .iter()
                .map(|object| read(object).unwrap_or_default())
                .collect()
        } else {
            Vec::new()
        };
        let found = identify(
            parcel
                .iter()
                .zip(&contents)
                .map(|((id, _), bytes)| (id, bytes.as_slice())),
        );
        let send = |(at, (id, size)): (usize, &(ObjectId, u64))| {
            guarded(failed, || match (contents.get(at), found.get(at)) {
                (Some(bytes), Some(found)) if found == id => {
                    let size = bytes.len() as u64;
                    self.retry(|| {
                        self.remote
                            .write(&id.cache_path(), &mut bytes.as_slice(), size)
                    })?;
                    self.reporter.file(&self.cache.object_path(id), size);
                    Ok(())
                }
                _ => self.send_one(id, *size),
            })
        };
        parcel.iter().enumerate().map(send).collect()
    }

    fn send_one(&self, id: &ObjectId, size: u64) -> Result<(), StoreError> {
        let path = self.cache.object_path(id);
        self.retry.run(transient, || {
            let file = fs_err::File::open(&path)?;
            let mut source = VerifiedReader::new(file, id);
            let written = self.remote.write(&id.cache_path(), &mut source, size);
            // Looked at first: the remote can only say that its source failed.
            if let Some(found) = source.damaged.take() {
                return same(id, found, path.clone());
            }
            Ok(written?)
        })?;
        self.reporter.file(&path, size);
        Ok(())
    }

    fn receive_parcel(
        &self,
        parcel: &[ObjectId],
        failed: &AtomicUsize,
    ) -> Vec<Result<Option<u64>, Option<StoreError>>> {
        let mut results = Vec::with_capacity(parcel.len());
        let mut landed: Vec<(usize, Vec<u8>)> = Vec::with_capacity(parcel.len());
        let mut waiting = 0;
        for id in parcel {
            let result = guarded(failed, || match self.land(id)? {
                Landing::Missing => Ok(None),
                Landing::Small(bytes) => {
                    let size = bytes.len() as u64;
                    waiting += size;
                    landed.push((results.len(), bytes));
                    Ok(Some(size))
                }
                Landing::Large { file, found, size } => {
                    self.place_verified(id, file, found)?;
                    self.reporter.file(&self.cache.object_path(id), size);
                    Ok(Some(size))
                }
            });
            results.push(result);
            if waiting > PARCEL_BYTES {
                self.place_small(parcel, &mut landed, &mut results, failed);
                waiting = 0;
            }
        }
        self.place_small(parcel, &mut landed, &mut results, failed);
        results
    }

    /// Hashes what has landed, and gives to the cache what has the right name.
    fn place_small(
        &self,
        parcel: &[ObjectId],
        landed: &mut Vec<(usize, Vec<u8>)>,
        results: &mut [Result<Option<u64>, Option<StoreError>>],
        failed: &AtomicUsize,
    ) {
        let contents = landed
            .iter()
            .filter_map(|(at, bytes)| Some((parcel.get(*at)?, bytes.as_slice())));
        let all_found = identify(contents);
        for ((at, bytes), found) in landed.iter().zip(all_found) {
            let (Some(id), Some(result)) = (parcel.get(*at), results.get_mut(*at)) else {
                continue;
            };
            let placed = guarded(failed, || {
                self.check(id, found)?;
                let path = self.cache.object_path(id);
                let mut file = temporary_object(&path)?;
                file.write_all(bytes)
                    .map_err(|error| named(&path, "write", &error))?;
                place(file, &path, Durability::Buffered)?;
                self.reporter.file(&path, bytes.len() as u64);
                Ok(Some(bytes.len() as u64))
            });
            if placed.is_err() {
                *result = placed;
            }
        }
        landed.clear();
    }

    /// The object's bytes as the remote gives them, not yet looked at.
    fn land(&self, id: &ObjectId) -> Result<Landing, StoreError> {
        let path = self.cache.object_path(id);
        let key = id.cache_path();
        let landed = self.retry.run(transient, || {
            let mut sink = Sink::new(&path, id);
            match self.remote.read(&key, &mut sink) {
                Ok(_) => Ok(sink.end()),
                // The disk is full, say: not the remote's fault.
                Err(error) => Err(match sink.failure {
                    Some(error) => named(&path, "write", &error).into(),
                    None => error.into(),
                }),
            }
        });
        match landed {
            Err(StoreError::Remote(error)) if is_not_there(&error) => Ok(Landing::Missing),
            landed => landed,
        }
    }

    fn place_verified(
        &self,
        id: &ObjectId,
        file: NamedTempFile,
        found: ObjectId,
    ) -> Result<(), StoreError> {
        self.check(id, found)?;
        let path = self.cache.object_path(id);
        Ok(place(file, &path, Durability::Buffered)?)
    }

    fn check(&self, id: &ObjectId, found: ObjectId) -> Result<(), StoreError> {
        if found == *id {
            Ok(())
        } else {
            Err(self.damaged(&id.cache_path(), found).into())
        }
    }
}

/// What each of these contents is, as the same kind of object as the one it should be.
fn identify<'b>(contents: impl Iterator<Item = (&'b ObjectId, &'b [u8])>) -> Vec<ObjectId> {
    let (ids, messages): (Vec<&ObjectId>, Vec<&[u8]>) = contents.unzip();
    let digests = digest_many(&messages);
    let named = ids.iter().zip(&messages).zip(digests);
    named
        .map(|((id, bytes), digest)| {
            if id.is_legacy() {
                let mut hasher = Hasher::of(id);
                hasher.update(bytes);
                hasher.finish(id)
            } else {
                alike(id, ObjectId::file_from_digest(digest))
            }
        })
        .collect()
}

/// What came from a remote.
enum Landing {
    Missing,
    Small(Vec<u8>),
    Large {
        file: NamedTempFile,
        /// What the bytes hashed to.
        found: ObjectId,
        /// In bytes.
        size: u64,
    },
}

/// Takes an object's bytes: into memory while they are few, into a temporary file beside the
/// object's place beyond.
struct Sink<'a> {
    path: &'a Utf8Path,
    id: &'a ObjectId,
    memory: Vec<u8>,
    large: Option<(NamedTempFile, Hasher)>,
    size: u64,
    /// Why the file could not be written; the remote is not to blame then.
    failure: Option<io::Error>,
}

impl<'a> Sink<'a> {
    fn new(path: &'a Utf8Path, id: &'a ObjectId) -> Self {
        Self {
            path,
            id,
            memory: Vec::new(),
            large: None,
            size: 0,
            failure: None,
        }
    }

    fn end(self) -> Landing {
        match self.large {
            None => Landing::Small(self.memory),
            Some((file, hasher)) => Landing::Large {
                file,
                found: hasher.finish(self.id),
                size: self.size,
            },
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.large.is_none() {
            if self.size + bytes.len() as u64 <= SMALL {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = temporary_object(self.path)?;
            let mut hasher = Hasher::of(self.id);
            file.write_all(&self.memory)?;
            hasher.update(&self.memory);
            self.memory = Vec::new();
            self.large = Some((file, hasher));
        }
        if let Some((file, hasher)) = &mut self.large {
            file.write_all(bytes)?;
            hasher.update(bytes);
        }
        Ok(())
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.take(buffer) {
            Ok(()) => {
                self.size += buffer.len() as u64;
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

/// Neighbours in parcels of at most `most`; a large object has one of its own.
fn pack<T>(objects: &[T], most: usize, size: impl Fn(&T) -> u64) -> Vec<&[T]> {
    let mut parcels = Vec::new();
    let mut rest = objects;
    while let Some(first) = rest.first() {
        let mut bytes = size(first);
        let more = rest.iter().skip(1).take(most - 1).take_while(|object| {
            bytes = bytes.saturating_add(size(object));
            bytes <= PARCEL_BYTES
        });
        let (parcel, after) = rest.split_at(1 + more.count());
        parcels.push(parcel);
        rest = after;
    }
    parcels
}

/// Does the work unless too much has failed already; without an error it was not tried.
fn guarded<T>(
    failed: &AtomicUsize,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, Option<StoreError>> {
    if failed.load(Ordering::Relaxed) >= MOST_FAILURES {
        return Err(None);
    }
    work().map_err(|error| {
        let weight = if is_hopeless(&error) {
            MOST_FAILURES
        } else {
            1
        };
        failed.fetch_add(weight, Ordering::Relaxed);
        Some(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parcels_keep_the_order_and_their_limits() {
        let sizes: Vec<u64> = (0..300).map(|number| number * 997 % 40_000).collect();
        let parcels = pack(&sizes, 64, |size| *size);
        assert_eq!(parcels.concat(), sizes);
        assert!(parcels.iter().all(|parcel| parcel.len() <= 64));
        assert!(
            parcels
                .iter()
                .all(|parcel| { parcel.len() == 1 || parcel.iter().sum::<u64>() <= PARCEL_BYTES })
        );
        let large = [PARCEL_BYTES * 2, 1, PARCEL_BYTES * 2];
        assert_eq!(pack(&large, 64, |size| *size).len(), 3);
        assert_eq!(pack(&[1, 2, 3], 1, |_| 0).len(), 3);
    }

    #[test]
    fn what_grows_moves_to_a_file_and_keeps_its_digest() {
        let guard = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(guard.path()).unwrap().join("ab/object");
        for size in [0, 1, SMALL as usize, SMALL as usize + 1, 3 * SMALL as usize] {
            let bytes = vec![7; size];
            let id = crate::hash_bytes(&bytes);
            let mut sink = Sink::new(&path, &id);
            for piece in bytes.chunks(100_000) {
                sink.write_all(piece).unwrap();
            }
            match sink.end() {
                Landing::Small(found) => assert!(size as u64 <= SMALL && found == bytes),
                Landing::Large { file, found, size } => {
                    assert!(size > SMALL);
                    assert_eq!((found, size), (id.clone(), bytes.len() as u64));
                    assert_eq!(fs_err::read(file.path()).unwrap(), bytes);
                }
                Landing::Missing => panic!("it is there"),
            }
        }
    }
}
