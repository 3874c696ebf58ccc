//! What remotes do not have of what the work tree records.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::remote::{RemoteError, RemoteSettings, present};
use ketch_store::{Durability, StoreError, write_atomically_with};

use super::RemoteChoice;
use super::cloud_versioned::states;
use super::outputs::{Output, outputs};
use super::remotes::{Group, levels};
use crate::paths::read_if_there;
use crate::versioned::manifest_of;
use crate::{Depth, Project, ProjectError};

/// Which remotes are looked at, and how.
#[derive(Debug, Clone, Default)]
pub struct NotInRemoteOptions {
    /// Its name is that of the remote for outputs that do not insist on one.
    pub remote: RemoteChoice,
    pub look: RemoteLook,
}

/// Whom to ask what is on a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemoteLook {
    /// The remote. What it says is remembered.
    #[default]
    Ask,
    /// Nobody: what it said when it was asked last.
    Remember,
}

/// An object by the path that it is recorded for, relative to the root.
type Item = (Utf8PathBuf, ObjectId);

/// The recorded data that is not on the remote where it belongs, by path; of directories, the list
/// of files counts, and with [`Depth::Files`] the files do too.
///
/// Left out is what `push` leaves out: imports from repositories, and what is not to be pushed.
/// Where no remote is configured, nothing is on it.
pub(crate) fn not_in_remote(
    project: &Project,
    options: &NotInRemoteOptions,
    depth: Depth,
    wanted: &dyn Fn(&Utf8Path) -> bool,
) -> Result<Vec<Item>, ProjectError> {
    let (mut outputs, _) = outputs(project, &[])?;
    outputs.retain(|output| output.pushed);
    for output in &mut outputs {
        if output.remote.is_none() {
            output.remote.clone_from(&options.remote.name);
        }
    }
    let choice = RemoteChoice {
        name: None,
        ..options.remote.clone()
    };
    let items = |output: &Output| {
        let mut items = items(project, output, depth);
        items.retain(|(path, _)| wanted(path));
        items
    };
    let mut lacking = Vec::new();
    let groups = match choice.groups(project, outputs.clone()) {
        Err(ProjectError::Store(StoreError::Remote(RemoteError::NotConfigured))) => {
            let (nowhere, others): (Vec<Output>, Vec<Output>) =
                outputs.into_iter().partition(|one| one.remote.is_none());
            lacking.extend(nowhere.iter().flat_map(items));
            if others.is_empty() {
                Vec::new()
            } else {
                choice.groups(project, others)?
            }
        }
        groups => groups?,
    };
    for group in &groups {
        let asked: Vec<Item> = group.outputs.iter().flat_map(items).collect();
        let memory = Memory::of(project, group)?;
        let there = match options.look {
            RemoteLook::Remember => memory.known,
            RemoteLook::Ask => {
                let there = asked_for(project, group, &asked)?;
                memory.update(project, &asked, &there);
                there
            }
        };
        let absent = asked
            .into_iter()
            .filter(|(_, id)| !there.contains(&key(id)));
        lacking.extend(absent);
    }
    lacking.sort();
    Ok(lacking)
}

/// An output, and the files in it where they count and are known.
fn items(project: &Project, output: &Output, depth: Depth) -> Vec<Item> {
    let mut items = vec![(output.path.clone(), output.id.clone())];
    if depth == Depth::Files
        && output.id.is_directory()
        && let Ok(manifest) = manifest_of(project, &output.entry, &output.id)
    {
        let files = manifest.entries().iter();
        items.extend(files.map(|file| (output.path.join(&file.relpath), file.md5.clone())));
    }
    items
}

/// The keys of those objects that the remote has.
fn asked_for(
    project: &Project,
    group: &Group,
    asked: &[Item],
) -> Result<BTreeSet<String>, ProjectError> {
    let mut there = BTreeSet::new();
    let mut by_hash: BTreeSet<ObjectId> = asked.iter().map(|(_, id)| id.clone()).collect();
    for output in &group.outputs {
        if !asked.iter().any(|(path, _)| path.starts_with(&output.path)) {
            continue;
        }
        let Some(files) = states(project, group, output)? else {
            continue;
        };
        by_hash.remove(&output.id);
        if files.iter().all(|file| file.found.remote) {
            there.insert(key(&output.id));
        }
        for file in files {
            by_hash.remove(&file.id);
            if file.found.remote {
                there.insert(key(&file.id));
            }
        }
    }
    let by_hash: Vec<ObjectId> = by_hash.into_iter().collect();
    let found = present(project.cache(), &*group.remote, &by_hash, group.options)?;
    there.extend(found.iter().map(key));
    Ok(there)
}

/// Those of DVC 2 and of DVC 3 may have the same name, but not the same place.
fn key(id: &ObjectId) -> String {
    id.cache_path()
}

/// `.ketch/remotes/NAME.seen`: the remote's URL, then the keys of objects that were there when it
/// was asked, one on a line.
struct Memory {
    file: Utf8PathBuf,
    url: String,
    known: BTreeSet<String>,
}

impl Memory {
    fn of(project: &Project, group: &Group) -> Result<Self, ProjectError> {
        let name = group.remote.name();
        let settings =
            RemoteSettings::find(&levels(project)?, Some(name)).map_err(StoreError::from)?;
        let url = settings.shown_url();
        let folder = super::layout::folder_name(name);
        let file = project.root().join(format!(".ketch/remotes/{folder}.seen"));
        let mut known = BTreeSet::new();
        if let Some(text) = read_if_there(&file)? {
            let mut lines = text.lines();
            // It may have been moved since.
            if lines.next() == Some(&url) {
                known = lines.map(str::to_owned).collect();
            }
        }
        Ok(Self { file, url, known })
    }

    fn update(mut self, project: &Project, asked: &[Item], there: &BTreeSet<String>) {
        let before = self.known.clone();
        for (_, id) in asked {
            self.known.remove(&key(id));
        }
        self.known.extend(there.iter().cloned());
        if self.known == before {
            return;
        }
        let mut text = self.url;
        for key in &self.known {
            let _ = write!(text, "\n{key}");
        }
        text.push('\n');
        // Who may not write here may look nevertheless.
        if project.state_dir().is_ok() {
            let _ = write_atomically_with(&self.file, text.as_bytes(), Durability::Buffered);
        }
    }
}
