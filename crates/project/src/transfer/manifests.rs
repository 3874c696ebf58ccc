//! Manifests that only a remote has, for whoever wants to look into a directory.

use ketch_dvc::ObjectId;
use ketch_store::remote::manifest_of;

use super::outputs::Output;
use crate::inside::Part;
use crate::snapshot::Recorded;
use crate::{Project, RemoteChoice};

/// Looks up the manifests of recorded directories that the cache lacks, on the remotes that the
/// directories belong to. The project keeps them in mind; the cache stays as it is.
///
/// What cannot be had is left: without a remote, or with one that does not answer, as much can be
/// said as without asking.
pub(crate) fn look_up_manifests<'r>(
    project: &Project,
    recorded: impl IntoIterator<Item = &'r Recorded>,
    from: &RemoteChoice,
) {
    let lacking: Vec<Output> = recorded
        .into_iter()
        .filter_map(|one| {
            let id = one.entry.md5.clone().filter(ObjectId::is_directory)?;
            let is_lacking = one.entry.files.is_none() && !project.cache().contains(&id);
            is_lacking.then(|| Output {
                path: one.path.clone(),
                id,
                remote: one.entry.remote.clone(),
                pushed: one.entry.push,
                part: Part::Whole,
                entry: one.entry.clone(),
            })
        })
        .collect();
    if lacking.is_empty() {
        return;
    }
    for group in from.groups(project, lacking).into_iter().flatten() {
        for output in &group.outputs {
            let (cache, id) = (project.cache(), &output.id);
            // Another program may write the same list with other blanks.
            if let Ok(Some(manifest)) = manifest_of(cache, &*group.remote, id, group.options)
                && manifest.id().hex() == id.hex()
            {
                project.see_manifest(id, manifest);
            }
        }
    }
}
