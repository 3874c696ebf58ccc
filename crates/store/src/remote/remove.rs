//! Taking objects away from a remote.

use std::collections::BTreeSet;
use std::time::SystemTime;

use ketch_dvc::ObjectId;

use super::workers::for_each;
use super::{Remote, RemoteError, TransferOptions};

/// Which of the objects were written after `time`, by the remote's clock. Those of which nobody
/// knows are not among them.
pub fn written_since(
    remote: &dyn Remote,
    ids: &[ObjectId],
    time: SystemTime,
    options: TransferOptions,
) -> Result<BTreeSet<ObjectId>, RemoteError> {
    let facts = for_each(ids, jobs(remote, options), |id| {
        let key = id.cache_path();
        options
            .retry
            .run(RemoteError::is_transient, || remote.facts(&key))
    });
    let mut young = BTreeSet::new();
    for (id, facts) in ids.iter().zip(facts) {
        if facts?.is_some_and(|facts| facts.modified_at.is_some_and(|written| written > time)) {
            young.insert(id.clone());
        }
    }
    Ok(young)
}

/// Deletes objects, several at once, and many in one request where the remote can. One that is not
/// there is no error.
///
/// Manifests go first, and when one of them stays all files stay: whoever finds a directory's
/// manifest believes that its files are there. When files fail the others are deleted nevertheless.
pub fn remove_objects(
    remote: &dyn Remote,
    ids: &[ObjectId],
    options: TransferOptions,
) -> Result<(), RemoteError> {
    let (directories, files): (Vec<&ObjectId>, Vec<&ObjectId>) =
        ids.iter().partition(|id| id.is_directory());
    for part in [directories, files] {
        if part.is_empty() {
            continue;
        }
        let left = remove_together(remote, &part, options)?;
        let results = for_each(&left, jobs(remote, options), |id| {
            let key = id.cache_path();
            options
                .retry
                .run(RemoteError::is_transient, || remote.delete(&key))
        });
        options
            .retry
            .run(RemoteError::is_transient, || remote.settle())?;
        let mut errors = results.into_iter().filter_map(Result::err);
        if let Some(error) = errors.next() {
            return Err(match (part.len(), 1 + errors.count()) {
                (1, _) => error,
                (total, failed) => RemoteError::Incomplete {
                    remote: remote.name().to_owned(),
                    failed,
                    total,
                    done: "deleted",
                    source: Box::new(error.into()),
                },
            });
        }
    }
    Ok(())
}

/// Deletes objects in as few requests as the remote lets us. Returns those that may be there still:
/// not every server that calls itself a storage of a kind takes such requests.
fn remove_together<'i>(
    remote: &dyn Remote,
    ids: &[&'i ObjectId],
    options: TransferOptions,
) -> Result<Vec<&'i ObjectId>, RemoteError> {
    let most = remote.most_deleted_together();
    if most < 2 || ids.len() < 2 {
        return Ok(ids.to_vec());
    }
    let batches: Vec<&[&ObjectId]> = ids.chunks(most).collect();
    let results = for_each(&batches, jobs(remote, options), |batch| {
        let keys: Vec<String> = batch.iter().map(|id| id.cache_path()).collect();
        options
            .retry
            .run(RemoteError::is_transient, || remote.delete_together(&keys))
    });
    let mut left = Vec::new();
    for (batch, result) in ids.chunks(most).zip(results) {
        match result {
            Ok(()) => {}
            // Nobody answers: asking for each by itself takes longer and helps nobody.
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => left.extend(batch),
        }
    }
    Ok(left)
}

fn jobs(remote: &dyn Remote, options: TransferOptions) -> usize {
    options.jobs.unwrap_or(remote.capabilities().jobs).max(1)
}
