//! What a remote has.

use std::collections::BTreeMap;

use ketch_dvc::ObjectId;

use super::{Remote, RemoteError, TransferOptions};

/// Every key below `folder` with its size in bytes; `""` is the whole remote.
///
/// # Errors
///
/// [`RemoteError::NotListable`] where nobody can say what there is.
pub fn list_keys(
    remote: &dyn Remote,
    folder: &str,
    options: TransferOptions,
) -> Result<BTreeMap<String, u64>, RemoteError> {
    if !remote.capabilities().list {
        return Err(RemoteError::NotListable {
            remote: remote.name().to_owned(),
        });
    }
    options.retry.run(RemoteError::is_transient, || {
        let mut found = BTreeMap::new();
        remote.list(folder, &mut |key, size| {
            found.insert(key.to_owned(), size);
        })?;
        Ok(found)
    })
}

/// Every object of a remote, those of DVC 2 too, with its size in bytes.
///
/// # Errors
///
/// As [`list_keys`].
pub fn list_objects(
    remote: &dyn Remote,
    options: TransferOptions,
) -> Result<BTreeMap<ObjectId, u64>, RemoteError> {
    // DVC 2 has its objects beside the folder of DVC 3.
    let keys = list_keys(remote, "", options)?;
    Ok(keys
        .into_iter()
        .filter_map(|(key, size)| Some((object_at(&key)?, size)))
        .collect())
}

/// The object of a key, `files/md5/ab/cdef…` or of DVC 2 `ab/cdef…`; nothing where it is no
/// object's.
fn object_at(key: &str) -> Option<ObjectId> {
    let below = key.strip_prefix("files/md5/");
    let (prefix, rest) = below.unwrap_or(key).split_once('/')?;
    let id = ObjectId::parse(&format!("{prefix}{rest}")).ok()?;
    let id = if below.is_some() { id } else { id.as_legacy() };
    (id.cache_path() == key).then_some(id)
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
