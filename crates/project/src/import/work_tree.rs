//! Data of a directory of this machine, taken as it is now, as DVC does. Of one that Git knows
//! nothing of (a project that does without Git, or only files) that is all there is.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId, OutputEntry};
use ketch_store::remote::TransferReport;
use ketch_store::{Cache, HiddenBy, Reporter, find_in_project};

use super::address::{Address, shown};
use super::places::Places;
use super::taken::{Taken, modern, size};
use super::tree::{SourceTree, inside};
use super::{ImportError, SourceSpec};
use crate::snapshot::Snapshot;
use crate::{Project, ProjectError, RemoteChoice};

/// Such a directory.
pub(super) struct WorkTree {
    root: Utf8PathBuf,
    url: String,
    project: Option<Project>,
}

/// What is at a path: one file, or files by path below it.
pub(super) enum Found {
    File(Held),
    Directory(BTreeMap<String, Held>),
}

/// Where one file's bytes are.
pub(super) enum Held {
    /// In the directory itself, absolute.
    Here(Utf8PathBuf),
    /// Recorded, and not there: in the project's cache or on its remote.
    Object(ObjectId),
}

impl Held {
    fn recorded(&self) -> Option<&ObjectId> {
        match self {
            Self::Object(id) => Some(id),
            Self::Here(_) => None,
        }
    }

    /// Puts it into a cache, which has it already if it is an object.
    fn put(self, cache: &Cache, reporter: &dyn Reporter) -> Result<ObjectId, ProjectError> {
        let path = match self {
            Self::Object(id) => return modern(cache, &id),
            Self::Here(path) => path,
        };
        let mut file = fs_err::File::open(&path)?;
        let (id, bytes) = cache.receive(|sink| {
            std::io::copy(&mut file, sink)?;
            Ok::<(), ProjectError>(())
        })?;
        reporter.file(&path, bytes);
        Ok(id)
    }
}

impl WorkTree {
    /// The directory that `spec` names, whether Git knows it or not. What is neither a project nor
    /// the top of a work tree may be part of one: only Git can tell what belongs to it.
    pub(super) fn find(
        spec: &SourceSpec,
        bases: &[&Utf8Path],
    ) -> Result<Option<Self>, ProjectError> {
        let Some(root) = directory(spec, bases)? else {
            return Ok(None);
        };
        let project = if root.join(".dvc").is_dir() {
            Some(Project::open(&root)?)
        } else if root.join(".git").symlink_metadata().is_ok() || !is_known_to_git(&root) {
            None
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            url: shown(&spec.url),
            root,
            project,
        }))
    }

    /// Whether it is a project whose data Git's commits record.
    pub(super) fn has_commits(&self) -> bool {
        let project = self.project.as_ref();
        project.is_some_and(|project| !project.git().is_declined())
    }

    pub(super) fn is_project(&self) -> bool {
        self.project.is_some()
    }

    /// Where the project has its data; nothing of a directory that is none.
    pub(super) fn places(
        &self,
        spec: &SourceSpec,
        choice: &RemoteChoice,
        bases: &[&Utf8Path],
    ) -> Result<Option<Places>, ProjectError> {
        let places = |project| Places::of_project(project, spec, choice, bases);
        self.project.as_ref().map(places).transpose()
    }

    /// What is at a path. `cache` may have manifests already; of a directory of data that is
    /// neither in a cache nor on a remote only the files are found that are there.
    pub(super) fn look(
        &self,
        path: &str,
        places: &mut Option<Places>,
        choice: &RemoteChoice,
        cache: &Cache,
    ) -> Result<Found, ProjectError> {
        let refused = || ImportError::Path {
            path: path.to_owned(),
        };
        if path.contains('\0') {
            return Err(refused().into());
        }
        let place = inside(Utf8Path::new(""), path).ok_or_else(refused)?;
        let here = crate::paths::join(&self.root, &place);
        let pointer = place.extension() == Some("dvc") && here.is_file();
        if self.is_project() && (pointer || SourceTree::is_internal(&place)) {
            return Err(ImportError::Pointer {
                path: place,
                url: self.url.clone(),
            }
            .into());
        }
        if here.is_file() {
            return Ok(Found::File(Held::Here(self.checked(&here)?)));
        }
        let mut files = BTreeMap::new();
        if here.is_dir() {
            for file in find_in_project(&here, HiddenBy::Dvc, &|_| true)? {
                if self.is_project() && SourceTree::is_pointer(&file) {
                    continue;
                }
                let below = file.strip_prefix(&here).unwrap_or(&file).to_string();
                files.insert(below, Held::Here(self.checked(&file)?));
            }
        }
        for (output, entry) in self.outputs()? {
            let near = output.starts_with(&place) || place.starts_with(&output);
            let Some(id) = entry.md5.as_ref().filter(|_| near) else {
                continue;
            };
            if !id.is_directory() {
                if output == place {
                    return Ok(Found::File(Held::Object(id.clone())));
                }
                if let Ok(below) = output.strip_prefix(&place) {
                    let held = || Held::Object(id.clone());
                    files.entry(below.to_string()).or_insert_with(held);
                }
                continue;
            }
            for file in files_of(&entry, id, places, choice, cache)? {
                let full = output.join(&file.relpath);
                if full == place {
                    return Ok(Found::File(Held::Object(file.md5)));
                }
                if let Ok(below) = full.strip_prefix(&place) {
                    let held = || Held::Object(file.md5.clone());
                    files.entry(below.to_string()).or_insert_with(held);
                }
            }
        }
        if files.is_empty() && !here.is_dir() {
            return Err(ImportError::NotInDirectory {
                path: place,
                url: self.url.clone(),
            }
            .into());
        }
        Ok(Found::Directory(files))
    }

    /// Puts what was found into a cache.
    pub(super) fn take(
        &self,
        found: Found,
        places: &mut Option<Places>,
        choice: &RemoteChoice,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Taken, ProjectError> {
        let files = match found {
            Found::File(held) => {
                let wanted = held.recorded().cloned().into_iter().collect();
                let fetched = self.fetch(wanted, places, choice, cache, reporter)?;
                let id = held.put(cache, reporter)?;
                return Ok(Taken {
                    size: fs_err::metadata(cache.object_path(&id))?.len(),
                    id,
                    files: None,
                    fetched,
                    legacy: None,
                });
            }
            Found::Directory(files) => files,
        };
        let wanted = files.values().filter_map(Held::recorded).cloned().collect();
        let fetched = self.fetch(wanted, places, choice, cache, reporter)?;
        let mut entries = Vec::with_capacity(files.len());
        for (relpath, held) in files {
            let md5 = held.put(cache, reporter)?;
            entries.push(ManifestEntry { md5, relpath });
        }
        let manifest = Manifest::new(entries)?;
        Ok(Taken {
            id: cache.add_manifest(&manifest)?,
            size: size(cache, &manifest)?,
            files: Some(manifest.entries().len() as u64),
            fetched,
            legacy: None,
        })
    }

    fn fetch(
        &self,
        wanted: BTreeSet<ObjectId>,
        places: &mut Option<Places>,
        choice: &RemoteChoice,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<TransferReport, ProjectError> {
        let wanted: Vec<ObjectId> = wanted.into_iter().collect();
        let Some(places) = places.as_mut().filter(|_| !wanted.is_empty()) else {
            return Ok(TransferReport::default());
        };
        let fetched = places.fetch(cache, &wanted, choice, reporter)?;
        let missing = wanted.iter().filter(|id| !cache.contains(id)).count();
        if missing == 0 {
            return Ok(fetched);
        }
        if !places.has_remote() {
            return Err(places.why());
        }
        Err(ImportError::Missing {
            path: self.root.clone(),
            url: self.url.clone(),
            missing,
        }
        .into())
    }

    /// What the project records, by path below the root.
    fn outputs(&self) -> Result<Vec<(Utf8PathBuf, OutputEntry)>, ProjectError> {
        let Some(project) = &self.project else {
            return Ok(Vec::new());
        };
        let outputs = Snapshot::of_workspace(project)?.outputs()?;
        let both = outputs
            .into_iter()
            .map(|output| (output.path, output.entry));
        Ok(both.collect())
    }

    /// A file, unless it is a link that leads out of the directory.
    fn checked(&self, path: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
        let real = crate::project::canonical(path)?;
        let cache = self
            .project
            .as_ref()
            .and_then(|project| crate::project::canonical(project.cache().root()).ok());
        if real.starts_with(&self.root) || cache.is_some_and(|cache| real.starts_with(cache)) {
            return Ok(real);
        }
        Err(ImportError::LinkOut {
            path: path.strip_prefix(&self.root).unwrap_or(path).to_owned(),
            url: self.url.clone(),
        }
        .into())
    }
}

/// The files of a recorded directory, as far as its manifest is anywhere.
fn files_of(
    entry: &OutputEntry,
    id: &ObjectId,
    places: &mut Option<Places>,
    choice: &RemoteChoice,
    cache: &Cache,
) -> Result<Vec<ManifestEntry>, ProjectError> {
    if let Some(manifest) = entry.versioned_manifest() {
        return Ok(manifest.entries().to_vec());
    }
    let Some(places) = places else {
        return Ok(Vec::new());
    };
    let manifest = places.manifest(cache, id, choice)?;
    Ok(manifest.map_or_else(Vec::new, |manifest| manifest.entries().to_vec()))
}

/// The directory that is meant as it is now, if it is one of this machine.
fn directory(spec: &SourceSpec, bases: &[&Utf8Path]) -> Result<Option<Utf8PathBuf>, ProjectError> {
    if spec.revision.is_some() {
        return Ok(None);
    }
    Ok(match Address::parse(&spec.url, bases)? {
        Address::Directory(root) => Some(root),
        Address::Url(_) => None,
    })
}

/// Whether it is in a work tree of Git's, or a bare repository.
fn is_known_to_git(directory: &Utf8Path) -> bool {
    directory
        .ancestors()
        .any(|path| path.join(".git").symlink_metadata().is_ok())
        || (directory.join("HEAD").is_file() && directory.join("objects").is_dir())
}
