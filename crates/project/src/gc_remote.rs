//! Making room on a remote, and what a remote has.

use std::collections::BTreeSet;
use std::time::SystemTime;

use ketch_dvc::ObjectId;
use ketch_store::StoreError;
use ketch_store::chunk::{ChunkedRemote, Cleaned, Repacked};
use ketch_store::remote::{
    Remote, RemoteError, TransferOptions, list_objects, manifest_of, present, remove_objects,
    written_since,
};
use serde::Serialize;

use crate::gc::{GcMode, GcObject};
use crate::{Project, ProjectError, RemoteChoice};

/// What a remote had that nothing uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteGarbage {
    pub remote: String,
    pub collected: Vec<GcObject>,
    /// In bytes.
    pub size: u64,
    /// Objects that stay.
    pub kept: u64,
    /// How many of these stay only because they are young.
    pub young: u64,
    /// Of a chunked remote, what became of its packs.
    pub packs: Option<PackGarbage>,
}

/// What a clean-up did with the packs of a chunked remote; in a dry run what it would do if it
/// deleted no objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackGarbage {
    /// Packs of which little was used, and what is used of them in new ones.
    pub repacked: Repacked,
    /// Packs that nothing uses: they are in the remote's quarantine.
    pub set_aside: Cleaned,
    /// Packs that were in the quarantine before.
    pub deleted: Cleaned,
}

/// Deletes the objects that are not `wanted`, those of DVC 2 too, and lists them all the same in a
/// dry run.
///
/// The manifests of wanted directories that only the remote has are read first: their files are
/// wanted too. A directory's manifest is deleted before its files, so that what is interrupted
/// leaves no directory that looks complete and is not.
///
/// Somebody may be pushing: the objects come first, and the commit that uses them later. What was
/// written after `spared_since` stays therefore. That does not help a push which relies on an old
/// object that nothing used until now; nothing on a remote could.
pub(crate) fn collect_remote(
    project: &Project,
    choice: &RemoteChoice,
    wanted: BTreeSet<ObjectId>,
    spared_since: Option<SystemTime>,
    mode: GcMode,
) -> Result<RemoteGarbage, ProjectError> {
    let (remote, options) = choice.chosen(project)?;
    let wanted = with_files(project, &*remote, options, wanted)?;
    let mut found = list_objects(&*remote, options).map_err(StoreError::from)?;
    let all = found.len();
    found.retain(|id, _| !wanted.contains(id));
    let unused: Vec<ObjectId> = found.keys().cloned().collect();
    let young = match spared_since {
        Some(time) => written_since(&*remote, &unused, time, options).map_err(StoreError::from)?,
        None => BTreeSet::new(),
    };
    found.retain(|id, _| !young.contains(id));
    let mut collected: Vec<GcObject> = found
        .into_iter()
        .map(|(id, size)| GcObject { id, size })
        .collect();
    collected.sort_by_key(|object| (!object.id.is_directory(), object.id.clone()));
    let chunked = choice.chosen_chunked(project)?;
    let mut deleted = Cleaned::default();
    if let (Some(chunked), GcMode::EmptyQuarantine) = (&chunked, mode) {
        // What goes into the quarantine now stays there until the next time.
        deleted = chunked.empty_quarantine().map_err(StoreError::from)?;
    }
    if mode != GcMode::Dry {
        let ids: Vec<ObjectId> = collected.iter().map(|one| one.id.clone()).collect();
        remove_objects(&*remote, &ids, options).map_err(StoreError::from)?;
    }
    let packs = chunked
        .map(|chunked| collect_packs(&chunked, mode, deleted).map_err(StoreError::from))
        .transpose()?;
    Ok(RemoteGarbage {
        remote: remote.name().to_owned(),
        size: collected.iter().map(|object| object.size).sum(),
        kept: (all - collected.len()) as u64,
        young: young.len() as u64,
        collected,
        packs,
    })
}

fn collect_packs(
    remote: &ChunkedRemote,
    mode: GcMode,
    deleted: Cleaned,
) -> Result<PackGarbage, RemoteError> {
    let (repacked, set_aside) = match mode {
        GcMode::Dry => (remote.half_used()?, remote.unused()?),
        _ => (remote.repack()?, remote.set_aside()?),
    };
    Ok(PackGarbage {
        repacked,
        set_aside,
        deleted,
    })
}

/// Which of the objects the remote has.
pub(crate) fn on_remote(
    project: &Project,
    choice: &RemoteChoice,
    ids: &BTreeSet<ObjectId>,
) -> Result<BTreeSet<ObjectId>, ProjectError> {
    let (remote, options) = choice.chosen(project)?;
    let ids: Vec<ObjectId> = ids.iter().cloned().collect();
    Ok(present(project.cache(), &*remote, &ids, options)?)
}

fn with_files(
    project: &Project,
    remote: &dyn Remote,
    options: TransferOptions,
    mut wanted: BTreeSet<ObjectId>,
) -> Result<BTreeSet<ObjectId>, ProjectError> {
    let directories: Vec<ObjectId> = wanted
        .iter()
        .filter(|id| id.is_directory() && !project.cache().contains(id))
        .cloned()
        .collect();
    for id in directories {
        if let Some(manifest) = manifest_of(project.cache(), remote, &id, options)? {
            wanted.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
        }
    }
    Ok(wanted)
}
