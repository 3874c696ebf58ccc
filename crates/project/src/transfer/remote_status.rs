//! What the cache and the remotes do not both have.

use std::collections::HashSet;

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::remote::{compare, manifest_of};
use serde::Serialize;

use super::cloud_versioned::{FileState, by_record, states};
use super::history::selected;
use super::outputs::Output;
use super::{Skipped, TransferSelection};
use crate::inside::Part;
use crate::{Project, ProjectError};

/// Where the objects of each output are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteStatusReport {
    pub outputs: Vec<OutputRemoteStatus>,
    pub skipped: Vec<Skipped>,
}

/// One output: how many of its objects are where. A directory's manifest counts as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputRemoteStatus {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub remote: String,
    pub state: RemoteState,
    pub both: usize,
    pub only_cache: usize,
    pub only_remote: usize,
    pub neither: usize,
    /// The files that are not on both sides, and the directory itself where its manifest is not.
    pub objects: Vec<RemoteObject>,
}

/// One file or directory that is not on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteObject {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub state: RemoteState,
}

/// In DVC's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteState {
    /// Both have everything.
    InSync,
    /// The remote lacks something that can be pushed.
    New,
    /// The cache lacks something that can be fetched.
    Deleted,
    /// Some of it is on neither side.
    Missing,
}

impl RemoteStatusReport {
    /// Whether cache and remotes have everything.
    pub fn is_in_sync(&self) -> bool {
        self.outputs
            .iter()
            .all(|output| output.state == RemoteState::InSync)
    }
}

/// Holds the cache against the remotes. Changes nothing and takes no lock.
pub fn remote_status(
    project: &Project,
    options: &TransferSelection,
) -> Result<RemoteStatusReport, ProjectError> {
    let (mut wanted, skipped) = selected(project, options)?;
    if options.remote.name.is_none() {
        by_record(&mut wanted);
    }
    let mut outputs = Vec::new();
    if wanted.is_empty() && options.remote.name.is_none() {
        return Ok(RemoteStatusReport { outputs, skipped });
    }
    for mut group in options.remote.groups(project, wanted)? {
        let mut by_hash = Vec::new();
        for output in std::mem::take(&mut group.outputs) {
            match states(project, &group, &output)? {
                Some(files) => outputs.push(of_files(&output, group.remote.name(), files)),
                None => by_hash.push(output),
            }
        }
        group.outputs = by_hash;
        if group.outputs.is_empty() {
            continue;
        }
        let wanted = group.objects(project)?;
        let found = compare(project.cache(), &*group.remote, &wanted, group.options)?;
        let lists = [
            found.both,
            found.only_cache,
            found.only_remote,
            found.neither,
        ];
        let lists = lists.map(|ids| ids.into_iter().collect::<HashSet<ObjectId>>());
        for output in &group.outputs {
            let mut ids = HashSet::new();
            let mut places = Vec::new();
            if output.part == Part::Whole {
                ids.insert(output.id.clone());
                places.push((output.path.clone(), output.id.clone()));
            }
            if output.id.is_directory()
                && let Some(manifest) =
                    manifest_of(project.cache(), &*group.remote, &output.id, group.options)?
            {
                for entry in output.part.of(&manifest, &output.path)? {
                    ids.insert(entry.md5.clone());
                    places.push((output.path.join(&entry.relpath), entry.md5.clone()));
                }
            }
            let state_of = |id: &ObjectId| {
                let [_, only_cache, only_remote, neither] = &lists;
                match () {
                    () if neither.contains(id) => Some(RemoteState::Missing),
                    () if only_cache.contains(id) => Some(RemoteState::New),
                    () if only_remote.contains(id) => Some(RemoteState::Deleted),
                    () => None,
                }
            };
            let objects = places
                .into_iter()
                .filter_map(|(path, id)| Some((path, state_of(&id)?)))
                .map(|(path, state)| RemoteObject { path, state })
                .collect();
            let [both, only_cache, only_remote, neither] =
                lists.each_ref().map(|list| list.intersection(&ids).count());
            let state = if neither > 0 {
                RemoteState::Missing
            } else if only_cache > 0 {
                RemoteState::New
            } else if only_remote > 0 {
                RemoteState::Deleted
            } else {
                RemoteState::InSync
            };
            outputs.push(OutputRemoteStatus {
                path: output.path.clone(),
                remote: group.remote.name().to_owned(),
                state,
                both,
                only_cache,
                only_remote,
                neither,
                objects,
            });
        }
    }
    Ok(RemoteStatusReport { outputs, skipped })
}

/// An output on a remote that keeps versions.
fn of_files(output: &Output, remote: &str, files: Vec<FileState>) -> OutputRemoteStatus {
    let mut status = OutputRemoteStatus {
        path: output.path.clone(),
        remote: remote.to_owned(),
        state: RemoteState::InSync,
        both: 0,
        only_cache: 0,
        only_remote: 0,
        neither: 0,
        objects: Vec::new(),
    };
    for FileState { path, found, .. } in files {
        let state = match (found.cached, found.remote) {
            (true, true) => {
                status.both += 1;
                continue;
            }
            (true, false) => {
                status.only_cache += 1;
                RemoteState::New
            }
            (false, true) => {
                status.only_remote += 1;
                RemoteState::Deleted
            }
            (false, false) => {
                status.neither += 1;
                RemoteState::Missing
            }
        };
        status.objects.push(RemoteObject { path, state });
    }
    status.state = if status.neither > 0 {
        RemoteState::Missing
    } else if status.only_cache > 0 {
        RemoteState::New
    } else if status.only_remote > 0 {
        RemoteState::Deleted
    } else {
        RemoteState::InSync
    };
    status
}
