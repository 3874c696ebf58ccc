//! Whether a remote holds what its names promise, and what the work tree needs.

use std::collections::BTreeSet;

use ketch_dvc::ObjectId;
use ketch_store::remote::{
    RemoteCheck, RemoteSettings, TransferOptions, check_objects, list_objects, manifest_of,
};
use ketch_store::{Reporter, StoreError};
use serde::Serialize;

use super::RemoteChoice;
use super::cloud_versioned::states;
use super::layout::check_names;
use super::outputs::outputs;
use super::remotes::{Group, levels};
use crate::{Project, ProjectError};

/// What a remote is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteFsckReport {
    pub remote: String,
    #[serde(flatten)]
    pub check: RemoteCheck,
}

impl RemoteFsckReport {
    /// Whether all that is there is sound, and all that the work tree needs is there.
    pub fn is_sound(&self) -> bool {
        self.check.damaged.is_empty() && self.check.missing.is_empty()
    }
}

/// Reads every object of a remote and hashes it, whatever layout the remote has, and looks for what
/// the outputs of the work tree need. Of versions that a remote keeps it is only asked whether they are
/// there. Changes nothing and takes no lock.
pub fn remote_fsck(
    project: &Project,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<RemoteFsckReport, ProjectError> {
    let levels = levels(project)?;
    check_names(project, &levels)?;
    let settings = RemoteSettings::find(&levels, choice.name.as_deref())
        .map_err(|error| ProjectError::Store(error.into()))?;
    let options = TransferOptions {
        jobs: choice.jobs.or(settings.jobs().map_err(StoreError::from)?),
        retry: choice.retry,
    };
    let remote = choice.open(project, &settings)?;
    let listed = list_objects(&*remote, options).map_err(StoreError::from)?;
    let mut ids: BTreeSet<ObjectId> = listed.into_iter().collect();
    let (outputs, _) = outputs(project, &[])?;
    let group = Group {
        remote,
        options,
        versioning: settings.versioning().map_err(StoreError::from)?,
        outputs: Vec::new(),
    };
    let remote = &group.remote;
    let mut missing: BTreeSet<ObjectId> = BTreeSet::new();
    for output in outputs.into_iter().filter(|output| output.pushed) {
        // An output with a remote of its own is not expected here.
        let own = output.remote.as_ref();
        if own.is_some_and(|own| *own != settings.name) {
            continue;
        }
        if let Some(files) = states(project, &group, &output)? {
            let absent = files.into_iter().filter(|file| !file.found.remote);
            missing.extend(absent.map(|file| file.id));
            continue;
        }
        // A manifest that is damaged is found below.
        if output.id.is_directory()
            && let Ok(Some(manifest)) = manifest_of(project.cache(), &**remote, &output.id, options)
        {
            ids.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
        }
        ids.insert(output.id);
    }
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let mut check = check_objects(&**remote, &ids, options, reporter).map_err(StoreError::from)?;
    missing.extend(check.missing);
    check.missing = missing.into_iter().collect();
    Ok(RemoteFsckReport {
        remote: settings.name,
        check,
    })
}
