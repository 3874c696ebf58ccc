//! Sending data to remotes.

use ketch_store::Reporter;
use ketch_store::remote::upload;

use super::history::selected;
use super::{Moved, RemoteTransfer, SkipReason, Skipped, TransferSelection};
use crate::{Project, ProjectError};

/// Sends the objects of outputs that their remotes lack.
///
/// What is neither in the cache nor on the remote is reported, not an error. When objects fail the
/// others are sent first; running it again sends the rest.
pub fn push(
    project: &Project,
    options: &TransferSelection,
    reporter: &dyn Reporter,
) -> Result<Moved, ProjectError> {
    let _lock = project.lock()?;
    let (mut wanted, mut skipped) = selected(project, options)?;
    wanted.retain(|output| {
        if !output.pushed {
            skipped.push(Skipped {
                path: output.path.clone(),
                reason: SkipReason::NotPushed,
            });
        }
        output.pushed
    });
    let mut remotes = Vec::new();
    for group in options.remote.groups(project, wanted)? {
        let mut transfer = upload(
            project.cache(),
            &*group.remote,
            &group.objects(project)?,
            group.options,
            reporter,
        )?;
        group.push_manifests(project, reporter, &mut transfer)?;
        remotes.push(RemoteTransfer {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    Ok(Moved { remotes, skipped })
}
