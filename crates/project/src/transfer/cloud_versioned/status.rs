//! Which files are where.

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::remote::{VersionedState, compare_versions};

use super::{files, is_versioned, store};
use crate::transfer::outputs::Output;
use crate::transfer::remotes::Group;
use crate::{Project, ProjectError};

/// A file of an output, by path relative to the root.
pub(in crate::transfer) struct FileState {
    pub(in crate::transfer) path: Utf8PathBuf,
    pub(in crate::transfer) id: ObjectId,
    pub(in crate::transfer) found: VersionedState,
}

/// Where each file of an output is; nothing for an output that is not found by versions there.
pub(in crate::transfer) fn states(
    project: &Project,
    group: &Group,
    output: &Output,
) -> Result<Option<Vec<FileState>>, ProjectError> {
    if !is_versioned(group, output) {
        return Ok(None);
    }
    let Some(files) = files(project, group, output)? else {
        return Ok(None);
    };
    let (places, objects): (Vec<_>, Vec<_>) = files
        .into_iter()
        .map(|file| {
            let place = if file.relpath.is_empty() {
                output.path.clone()
            } else {
                output.path.join(&file.relpath)
            };
            (place, file.object)
        })
        .unzip();
    let states = compare_versions(
        project.cache(),
        &*group.remote,
        &objects,
        group.versioning,
        group.options,
    )
    .map_err(store)?;
    let files = places.into_iter().zip(objects).zip(states);
    Ok(Some(
        files
            .map(|((path, object), found)| FileState {
                path,
                id: object.id,
                found,
            })
            .collect(),
    ))
}
