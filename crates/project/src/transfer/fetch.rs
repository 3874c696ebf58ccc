//! Getting data from remotes into the cache.

use ketch_store::Reporter;
use ketch_store::remote::download;

use super::outputs::outputs;
use super::{Moved, RemoteTransfer, TransferSelection};
use crate::{Project, ProjectError};

/// Gets the objects of outputs that the cache lacks. The work tree stays as it is.
///
/// What is neither in the cache nor on the remote is reported, not an error. When objects fail the
/// others are fetched first; running it again fetches the rest.
pub fn fetch(
    project: &Project,
    options: &TransferSelection,
    reporter: &dyn Reporter,
) -> Result<Moved, ProjectError> {
    let _lock = project.lock()?;
    let (wanted, skipped) = outputs(project, &options.targets)?;
    let mut remotes = Vec::new();
    for group in options.remote.groups(project, wanted)? {
        let transfer = download(
            project.cache(),
            &*group.remote,
            &group.ids(),
            group.options,
            reporter,
        )?;
        remotes.push(RemoteTransfer {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    Ok(Moved { remotes, skipped })
}
