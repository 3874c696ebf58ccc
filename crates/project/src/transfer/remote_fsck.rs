//! Whether a remote holds what its names promise, and what the work tree needs.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::chunk::ChunkedReport;
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
use crate::objects::Uses;
use crate::{Project, ProjectError};

/// What a remote is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteFsckReport {
    pub remote: String,
    #[serde(flatten)]
    pub check: RemoteCheck,
    /// Of a chunked remote, what its packs and indexes are like.
    pub packs: Option<ChunkedReport>,
    /// What the work tree records and the remote cannot give, relative to the root: files, and
    /// directories of which it is not known what is in them. Sorted.
    pub hit: Vec<Utf8PathBuf>,
}

impl RemoteFsckReport {
    /// Whether all that is there is sound, and all that the work tree needs is there.
    pub fn is_sound(&self) -> bool {
        self.check.damaged.is_empty()
            && self.check.missing.is_empty()
            && self.packs.as_ref().is_none_or(ChunkedReport::is_sound)
    }

    /// What to do next, where something is wrong.
    pub fn hint(&self) -> Option<String> {
        if self.is_sound() {
            return None;
        }
        let mut damaged = self.check.damaged.iter();
        damaged
            .find_map(|object| object.hint.clone())
            .or_else(|| self.packs.as_ref()?.hint())
            .or_else(|| Some("push what is missing from where the data is".to_owned()))
    }
}

/// Reads every object of a remote and hashes it, whatever layout the remote has, and looks for what
/// the outputs of the work tree need. Of a chunked remote each pack is read as a whole before, as a
/// later push may rely on chunks that no object uses now. Of versions that a remote keeps it is only
/// asked whether they are there. Changes nothing and takes no lock.
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
    let packs = match choice.open_chunked(project, &settings)? {
        None => None,
        Some(remote) => Some(remote.verify(reporter).map_err(StoreError::from)?),
    };
    let remote = choice.open(project, &settings)?;
    let listed = list_objects(&*remote, options).map_err(StoreError::from)?;
    let mut ids: BTreeSet<ObjectId> = listed.into_keys().collect();
    let (outputs, _) = outputs(project, &[])?;
    let group = Group {
        remote,
        options,
        versioning: settings.versioning().map_err(StoreError::from)?,
        outputs: Vec::new(),
    };
    let remote = &group.remote;
    let mut missing: BTreeSet<ObjectId> = BTreeSet::new();
    let mut uses = Uses::new();
    for output in outputs.into_iter().filter(|output| output.pushed) {
        // An output with a remote of its own is not expected here.
        let own = output.remote.as_ref();
        if own.is_some_and(|own| *own != settings.name) {
            continue;
        }
        if let Some(files) = states(project, &group, &output)? {
            for file in files.into_iter().filter(|file| !file.found.remote) {
                uses.entry(file.id.clone())
                    .or_default()
                    .insert(output.path.clone());
                missing.insert(file.id);
            }
            continue;
        }
        // A manifest that is damaged is found below.
        if output.id.is_directory()
            && let Ok(Some(manifest)) = manifest_of(project.cache(), &**remote, &output.id, options)
        {
            for entry in manifest.entries() {
                let place = output.path.join(&entry.relpath);
                uses.entry(entry.md5.clone()).or_default().insert(place);
                ids.insert(entry.md5.clone());
            }
        }
        let places = uses.entry(output.id.clone()).or_default();
        places.insert(output.path);
        ids.insert(output.id);
    }
    let ids: Vec<ObjectId> = ids.into_iter().collect();
    let mut check = check_objects(&**remote, &ids, options, reporter).map_err(StoreError::from)?;
    missing.extend(check.missing);
    check.missing = missing.into_iter().collect();
    let damaged = check.damaged.iter().map(|object| &object.id);
    let hit: BTreeSet<&Utf8PathBuf> = damaged
        .chain(&check.missing)
        .filter_map(|id| uses.get(id))
        .flatten()
        .collect();
    Ok(RemoteFsckReport {
        remote: settings.name,
        hit: hit.into_iter().cloned().collect(),
        check,
        packs,
    })
}
