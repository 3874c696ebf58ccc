//! Sending data to remotes.

use ketch_store::Reporter;
use ketch_store::remote::{Versioning, upload};

use super::cloud_versioned::{ensure_manifests, push_group};
use super::history::selected;
use super::remotes::Group;
use super::{History, Moved, RemoteTransfer, SkipReason, Skipped, TransferSelection};
use crate::{Project, ProjectError};

/// Sends the objects of outputs that their remotes lack.
///
/// To a remote that keeps versions files go under their own names, and the project's files record
/// the versions.
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
    ensure_manifests(project, &wanted)?;
    let mut remotes = Vec::new();
    let mut changed_files = Vec::new();
    let groups = options.remote.groups(project, wanted)?;
    let versioned = |group: &&Group| group.versioning != Versioning::None;
    if (options.history != History::Workspace || options.commits.is_some())
        && let Some(group) = groups.iter().find(versioned)
    {
        return Err(ProjectError::PastVersions {
            remote: group.remote.name().to_owned(),
        });
    }
    for group in groups {
        let transfer = if group.versioning == Versioning::None {
            let mut transfer = upload(
                project.cache(),
                &*group.remote,
                &group.objects(project)?,
                group.options,
                reporter,
            )?;
            group.push_manifests(project, reporter, &mut transfer)?;
            transfer
        } else {
            let (transfer, changed) = push_group(project, &group, reporter)?;
            changed_files.extend(changed);
            transfer
        };
        remotes.push(RemoteTransfer {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    changed_files.sort();
    changed_files.dedup();
    if project.autostage() {
        project.git().add(&changed_files)?;
    }
    Ok(Moved {
        remotes,
        changed_files,
        skipped,
    })
}
