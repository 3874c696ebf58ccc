//! Taking objects away from a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use ketch_dvc::ObjectId;

use super::workers::for_each;
use super::{Remote, RemoteError, TransferOptions};

/// Every object of a remote, those of DVC 2 too, with its size in bytes.
///
/// # Errors
///
/// [`RemoteError::NotListable`] where nobody can say what there is.
pub fn list_with_sizes(
    remote: &dyn Remote,
    options: TransferOptions,
) -> Result<BTreeMap<ObjectId, u64>, RemoteError> {
    if !remote.capabilities().list {
        return Err(RemoteError::NotListable {
            remote: remote.name().to_owned(),
        });
    }
    options.retry.run(RemoteError::is_transient, || {
        let mut found = BTreeMap::new();
        // DVC 2 has its objects beside the folder of DVC 3.
        remote.list("", &mut |key, size| {
            if let Some(id) = object_at(key) {
                found.insert(id, size);
            }
        })?;
        Ok(found)
    })
}

/// The object of a key, `files/md5/ab/cdef…` or of DVC 2 `ab/cdef…`; nothing where it is no
/// object's.
pub(super) fn object_at(key: &str) -> Option<ObjectId> {
    let below = key.strip_prefix("files/md5/");
    let (prefix, rest) = below.unwrap_or(key).split_once('/')?;
    let id = ObjectId::parse(&format!("{prefix}{rest}")).ok()?;
    let id = if below.is_some() { id } else { id.as_legacy() };
    (id.cache_path() == key).then_some(id)
}

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

/// Deletes objects, several at once. One that is not there is no error.
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
        let results = for_each(&part, jobs(remote, options), |id| {
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

fn jobs(remote: &dyn Remote, options: TransferOptions) -> usize {
    options.jobs.unwrap_or(remote.capabilities().jobs).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_are_taken_for_objects() {
        let hash = "d41d8cd98f00b204e9800998ecf8427e";
        let (prefix, rest) = hash.split_at(2);
        let found = |key: &str| object_at(key).map(|id| id.is_legacy());
        assert_eq!(found(&format!("files/md5/{prefix}/{rest}")), Some(false));
        assert_eq!(
            found(&format!("files/md5/{prefix}/{rest}.dir")),
            Some(false)
        );
        assert_eq!(found(&format!("{prefix}/{rest}")), Some(true));
        assert_eq!(found(&format!("{prefix}/{rest}.dir")), Some(true));
        for key in [
            String::new(),
            rest.to_owned(),
            hash.to_owned(),
            format!("{prefix}/{}", rest.to_uppercase()),
            format!("{prefix}/{rest}.unpacked"),
            format!("a/{prefix}/{rest}"),
            format!("runs/{prefix}/{rest}"),
            format!("files/md5/{hash}"),
            format!("files/{prefix}/{rest}"),
            format!("d/{}{rest}", &prefix[1..]),
        ] {
            assert_eq!(found(&key), None, "{key}");
        }
    }
}
