//! Reading a remote's objects again, to see whether they are what their names say.

use ketch_dvc::ObjectId;
use serde::Serialize;

use super::stream::HashingSink;
use super::workers::for_each;
use super::{FailureKind, Remote, RemoteError, TransferOptions, is_not_there};
use crate::Reporter;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RemoteCheck {
    /// Objects that are what their names say.
    pub sound: u64,
    /// Of those, in bytes.
    pub size: u64,
    /// Sorted by id.
    pub damaged: Vec<DamagedObject>,
    /// Objects that were asked for and are not there, sorted.
    pub missing: Vec<ObjectId>,
}

/// An object that cannot be had from the remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamagedObject {
    pub id: ObjectId,
    /// In words; it names the file that is damaged.
    pub problem: String,
    /// What to do, in words.
    pub hint: Option<String>,
}

/// Reads these objects and hashes them. Changes nothing, on either side.
pub fn check_objects(
    remote: &dyn Remote,
    ids: &[ObjectId],
    options: TransferOptions,
    reporter: &dyn Reporter,
) -> Result<RemoteCheck, RemoteError> {
    reporter.start(ids.len() as u64);
    let jobs = options.jobs.unwrap_or(remote.capabilities().jobs).max(1);
    let results = for_each(ids, jobs, |id| {
        let key = id.cache_path();
        let read = options.retry.run(RemoteError::is_transient, || {
            let mut sink = HashingSink::new(id);
            let size = remote.read(&key, &mut sink)?;
            let found = sink.found(id);
            if found == *id {
                return Ok(size);
            }
            Err(RemoteError::Damaged {
                remote: remote.name().to_owned(),
                object: key.clone(),
                found,
            })
        });
        reporter.file(key.as_str().into(), *read.as_ref().unwrap_or(&0));
        read
    });
    let mut check = RemoteCheck::default();
    for (id, result) in ids.iter().zip(results) {
        match result {
            Ok(size) => {
                check.sound += 1;
                check.size += size;
            }
            Err(error) if is_not_there(&error) => check.missing.push(id.clone()),
            // The remote itself cannot be asked; of its objects that says nothing.
            Err(
                error @ RemoteError::Failed {
                    kind: FailureKind::Transient | FailureKind::Denied,
                    ..
                },
            ) => return Err(error),
            Err(error) => check.damaged.push(DamagedObject {
                id: id.clone(),
                problem: error.to_string(),
                hint: error.hint(),
            }),
        }
    }
    Ok(check)
}
