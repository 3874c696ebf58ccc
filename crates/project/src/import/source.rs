//! Data out of another repository: what is at a path there, and its bytes into a cache here.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use ketch_store::remote::TransferReport;
use ketch_store::{Cache, Reporter};

use super::ImportError;
use super::address::shown;
use super::blobs::BlobReader;
use super::places::{Places, Versions};
use super::repository::{SourceRepository, Surroundings};
use super::spec::SourceSpec;
use super::taken::{Taken, modern, modern_directory, size};
use super::tree::{GitFileKind, SourceOutput, SourceTree, inside};
use crate::{ProjectError, RemoteChoice};

/// How deep imports of imports are followed.
const MOST_IMPORTS: usize = 8;

/// Another repository with all that it has.
pub(super) struct Source<'a> {
    pub(super) repository: SourceRepository,
    pub(super) tree: SourceTree,
    pub(super) around: Surroundings<'a>,
    choice: &'a RemoteChoice,
    /// By project.
    places: BTreeMap<Utf8PathBuf, Places>,
    depth: usize,
}

/// Something in it.
#[derive(Debug)]
pub(super) struct Picked {
    /// Relative to Git's top.
    pub(super) path: Utf8PathBuf,
    pub(super) shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    File(Piece),
    /// A whole directory that is recorded as one.
    Recorded {
        output: usize,
        id: ObjectId,
    },
    /// Files by path below it, which is no directory of DVC's as a whole.
    Gathered(Vec<(String, Piece)>),
}

impl Picked {
    /// The name that DVC 2 gave all of it.
    fn legacy(&self) -> Option<&ObjectId> {
        match &self.shape {
            Shape::Recorded { id, .. } | Shape::File(Piece::Data { id, .. }) => {
                Some(id).filter(|id| id.is_legacy())
            }
            Shape::File(Piece::Git { .. }) | Shape::Gathered(_) => None,
        }
    }
}

/// Where one file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// In the cache of a project or on its remote.
    Data { output: usize, id: ObjectId },
    /// In Git, as a blob.
    Git { id: String },
}

impl<'a> Source<'a> {
    /// Opens a repository at `lock` or else at the revision of `spec`.
    pub(super) fn open(
        spec: &SourceSpec,
        lock: Option<&str>,
        around: Surroundings<'a>,
        choice: &'a RemoteChoice,
    ) -> Result<Self, ProjectError> {
        Self::open_at(spec, lock, around, choice, 0)
    }

    fn open_at(
        spec: &SourceSpec,
        lock: Option<&str>,
        around: Surroundings<'a>,
        choice: &'a RemoteChoice,
        depth: usize,
    ) -> Result<Self, ProjectError> {
        let repository = SourceRepository::open(spec, lock, around)?;
        let tree = SourceTree::load(&repository)?;
        Ok(Self {
            repository,
            tree,
            around,
            choice,
            places: BTreeMap::new(),
            depth,
        })
    }

    /// Refuses a remote that was named and that the project there does not have, whether it would be
    /// asked or not.
    pub(super) fn require_remote(&self) -> Result<(), ProjectError> {
        let base = &self.repository.base;
        let is_project = self.tree.files.contains_key(&base.join(".dvc/config"));
        if self.repository.spec.remote_name().is_none() || !is_project {
            return Ok(());
        }
        let mut places =
            Places::find(&self.repository, &self.tree, base, self.choice, self.around)?;
        if places.has_remote() {
            Ok(())
        } else {
            Err(places.why())
        }
    }

    fn url(&self) -> String {
        shown(&self.repository.spec.url)
    }

    /// A path as it was given, relative to Git's top.
    pub(super) fn place(&self, path: &str) -> Result<Utf8PathBuf, ProjectError> {
        let refused = || ImportError::Path {
            path: path.to_owned(),
        };
        if path.contains('\0') {
            return Err(refused().into());
        }
        // It may lead up in itself, but not out of what the URL names.
        inside(Utf8Path::new(""), path).ok_or_else(refused)?;
        Ok(crate::paths::join(&self.repository.base, path))
    }

    /// What is at a path. `cache` may know manifests already.
    pub(super) fn pick(&mut self, path: &str, cache: &Cache) -> Result<Picked, ProjectError> {
        let place = self.place(path)?;
        let pointer = place.extension() == Some("dvc") && self.tree.files.contains_key(&place);
        if pointer || SourceTree::is_internal(&place) {
            return Err(ImportError::Pointer {
                path: place,
                url: self.url(),
            }
            .into());
        }
        let mut blobs = BlobReader::open(&self.repository.git)?;
        let place = self.tree.follow(&self.repository, &mut blobs, &place)?;
        let shape = self.shape(&place, cache, &mut blobs)?;
        Ok(Picked { path: place, shape })
    }

    fn shape(
        &mut self,
        place: &Utf8Path,
        cache: &Cache,
        blobs: &mut BlobReader,
    ) -> Result<Shape, ProjectError> {
        if let Some((output, found)) = self.tree.output_around(place) {
            let id = self.recorded(found)?;
            if found.path == place {
                return Ok(if id.is_directory() {
                    Shape::Recorded { output, id }
                } else {
                    Shape::File(Piece::Data { output, id })
                });
            }
            let below = place.strip_prefix(&found.path).unwrap_or(place).to_owned();
            return self.part(output, &id, &below, place, cache);
        }
        if self.tree.files.contains_key(place) {
            return Ok(Shape::File(self.file(place, place, cache, blobs)?));
        }
        let mut pieces = Vec::new();
        let tracked: Vec<Utf8PathBuf> = self
            .tree
            .files
            .keys()
            .filter(|path| path.starts_with(place))
            .filter(|path| !SourceTree::is_internal(path) && !SourceTree::is_pointer(path))
            .cloned()
            .collect();
        for path in tracked {
            let below = path.strip_prefix(place).unwrap_or(&path).to_string();
            // A submodule is an empty directory in a clone.
            let submodule = |file: &super::tree::GitFile| file.kind == GitFileKind::Submodule;
            if self.tree.files.get(&path).is_some_and(submodule) {
                continue;
            }
            pieces.push((below, self.file(&path, &path, cache, blobs)?));
        }
        for output in 0..self.tree.outputs.len() {
            let Some(found) = self.tree.outputs.get(output) else {
                continue;
            };
            let Ok(below) = found.path.strip_prefix(place) else {
                continue;
            };
            let below = below.to_owned();
            let id = self.recorded(found)?;
            if !id.is_directory() {
                pieces.push((below.into_string(), Piece::Data { output, id }));
                continue;
            }
            for entry in self.manifest(output, &id, cache)?.entries() {
                let id = entry.md5.clone();
                let path = below.join(&entry.relpath).into_string();
                pieces.push((path, Piece::Data { output, id }));
            }
        }
        if pieces.is_empty() {
            return Err(self.not_there(place));
        }
        Ok(Shape::Gathered(pieces))
    }

    /// One file, through links; `asked` is what errors call it.
    fn file(
        &mut self,
        place: &Utf8Path,
        asked: &Utf8Path,
        cache: &Cache,
        blobs: &mut BlobReader,
    ) -> Result<Piece, ProjectError> {
        let place = self.tree.follow(&self.repository, blobs, place)?;
        if let Some((output, found)) = self.tree.output_around(&place) {
            let id = self.recorded(found)?;
            let below = place.strip_prefix(&found.path).unwrap_or(&place).to_owned();
            if below.as_str().is_empty() && !id.is_directory() {
                return Ok(Piece::Data { output, id });
            }
            let manifest = self.manifest(output, &id, cache)?;
            let entries = manifest.entries().iter();
            let entry = entries.clone().find(|entry| entry.relpath == below);
            return match entry {
                Some(entry) => Ok(Piece::Data {
                    output,
                    id: entry.md5.clone(),
                }),
                None => Err(self.not_there(asked)),
            };
        }
        let url = self.url();
        match self.tree.files.get(&place) {
            Some(file) if file.kind == GitFileKind::Submodule => Err(ImportError::Submodule {
                path: asked.to_owned(),
                url,
            }
            .into()),
            Some(file) => Ok(Piece::Git {
                id: file.id.clone(),
            }),
            // A link to nothing, or to a directory.
            None => Err(self.not_there(asked)),
        }
    }

    /// A file or directory inside of a recorded directory.
    fn part(
        &mut self,
        output: usize,
        id: &ObjectId,
        below: &Utf8Path,
        place: &Utf8Path,
        cache: &Cache,
    ) -> Result<Shape, ProjectError> {
        if !id.is_directory() {
            return Err(self.not_there(place));
        }
        let manifest = self.manifest(output, id, cache)?;
        let mut pieces = Vec::new();
        for entry in manifest.entries() {
            let Ok(rest) = Utf8Path::new(&entry.relpath).strip_prefix(below) else {
                continue;
            };
            let piece = Piece::Data {
                output,
                id: entry.md5.clone(),
            };
            if rest.as_str().is_empty() {
                return Ok(Shape::File(piece));
            }
            pieces.push((rest.to_string(), piece));
        }
        if pieces.is_empty() {
            return Err(self.not_there(place));
        }
        Ok(Shape::Gathered(pieces))
    }

    /// What a project there records of an output, if it can be had.
    pub(super) fn recorded(&self, output: &SourceOutput) -> Result<ObjectId, ProjectError> {
        let refused = |how| ImportError::Recorded {
            path: output.path.clone(),
            url: self.url(),
            how,
        };
        let entry = &output.entry;
        let Some(id) = &entry.md5 else {
            return Err(refused("without a hash").into());
        };
        if entry.hash.as_deref().is_some_and(|hash| hash != "md5") {
            return Err(refused("with another hash than MD5").into());
        }
        Ok(id.clone())
    }

    /// A directory's manifest.
    pub(super) fn manifest(
        &mut self,
        output: usize,
        id: &ObjectId,
        cache: &Cache,
    ) -> Result<Manifest, ProjectError> {
        let choice = self.choice;
        if let Some(found) = self.tree.outputs.get(output)
            && let Some(manifest) = found.entry.versioned_manifest()
        {
            return Ok(manifest);
        }
        if let Some(manifest) = self.places(output)?.manifest(cache, id, choice)? {
            return Ok(manifest);
        }
        // What is imported from elsewhere is there as a whole.
        self.fetch(
            output,
            std::slice::from_ref(id),
            cache,
            &ketch_store::Silent,
        )?;
        Ok(cache.manifest(id)?)
    }

    /// Where an output's objects are, or would be.
    pub(super) fn storage(&mut self, output: usize) -> Result<String, ProjectError> {
        self.places(output)?.storage()
    }

    fn places(&mut self, output: usize) -> Result<&mut Places, ProjectError> {
        let found = self.tree.outputs.get(output);
        let project = found.map(|found| found.project.clone()).unwrap_or_default();
        if !self.places.contains_key(&project) {
            let places = Places::find(
                &self.repository,
                &self.tree,
                &project,
                self.choice,
                self.around,
            )?;
            self.places.insert(project.clone(), places);
        }
        self.places.get_mut(&project).ok_or_else(|| {
            ImportError::Path {
                path: project.into_string(),
            }
            .into()
        })
    }

    /// Puts what was picked into the cache.
    pub(super) fn take(
        &mut self,
        picked: &Picked,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Taken, ProjectError> {
        let mut fetched = TransferReport::default();
        let pieces: Vec<(String, Piece)> = match &picked.shape {
            Shape::Recorded { output, id } => {
                let ids = std::slice::from_ref(id);
                fetched = self.fetch(*output, ids, cache, reporter)?;
                let (id, manifest) = modern_directory(cache, id)?;
                return Ok(Taken {
                    size: size(cache, &manifest)?,
                    files: Some(manifest.entries().len() as u64),
                    fetched,
                    id,
                    legacy: picked.legacy().cloned(),
                });
            }
            Shape::File(piece) => vec![(String::new(), piece.clone())],
            Shape::Gathered(pieces) => pieces.clone(),
        };
        let mut data: BTreeMap<usize, Vec<ObjectId>> = BTreeMap::new();
        for (_, piece) in &pieces {
            if let Piece::Data { output, id } = piece {
                data.entry(*output).or_default().push(id.clone());
            }
        }
        for (output, ids) in data {
            let more = self.fetch(output, &ids, cache, reporter)?;
            fetched.objects += more.objects;
            fetched.bytes += more.bytes;
        }
        let mut blobs = BlobReader::open(&self.repository.git)?;
        let mut entries = Vec::with_capacity(pieces.len());
        for (relpath, piece) in pieces {
            let md5 = match piece {
                Piece::Data { id, .. } => modern(cache, &id)?,
                Piece::Git { id } => {
                    let (md5, bytes) = cache.receive(|sink| blobs.copy(&id, sink).map(drop))?;
                    reporter.file(&picked.path.join(&relpath), bytes);
                    md5
                }
            };
            entries.push(ManifestEntry { md5, relpath });
        }
        if let Shape::File(_) = picked.shape
            && let Some(entry) = entries.pop()
        {
            let size = fs_err::metadata(cache.object_path(&entry.md5))?.len();
            return Ok(Taken {
                id: entry.md5,
                size,
                files: None,
                fetched,
                legacy: picked.legacy().cloned(),
            });
        }
        let manifest = Manifest::new(entries)?;
        let id = cache.add_manifest(&manifest)?;
        Ok(Taken {
            id,
            size: size(cache, &manifest)?,
            files: Some(manifest.entries().len() as u64),
            fetched,
            legacy: None,
        })
    }

    /// Brings an output's objects into the cache; from where that project has them from itself, if
    /// it does not have them.
    fn fetch(
        &mut self,
        output: usize,
        ids: &[ObjectId],
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<TransferReport, ProjectError> {
        let choice = self.choice;
        let absent = |ids: &[ObjectId]| ids.iter().filter(|id| !cache.contains_all(id)).count();
        if absent(ids) == 0 {
            return Ok(TransferReport::default());
        }
        let found = self.tree.outputs.get(output);
        let imported = found.and_then(|found| found.imported.clone());
        let path = found.map(|found| found.path.clone()).unwrap_or_default();
        let versions = found.map(|found| Versions::wanted(found, ids));
        if let Some(manifest) = found.and_then(|found| found.entry.versioned_manifest()) {
            cache.add_manifest(&manifest)?;
        }
        let places = self.places(output)?;
        let mut fetched = TransferReport::default();
        if let Some(versions) = versions.filter(|versions| !versions.objects.is_empty()) {
            fetched = places.fetch_versions(cache, &versions, choice, reporter)?;
        }
        if absent(ids) > 0 {
            match places.fetch(cache, ids, choice, reporter) {
                Err(error) if imported.is_none() => return Err(error),
                more => {
                    let more = more.unwrap_or_default();
                    fetched.objects += more.objects;
                    fetched.bytes += more.bytes;
                }
            }
        }
        if absent(ids) == 0 {
            return Ok(fetched);
        }
        if let Some((repo, from)) = imported {
            self.fetch_further(&repo, &from, cache, reporter)?;
        }
        let missing = absent(ids);
        if missing == 0 {
            return Ok(fetched);
        }
        let places = self.places(output)?;
        if !places.has_remote() {
            return Err(places.why());
        }
        Err(ImportError::Missing {
            path,
            url: self.url(),
            missing,
        }
        .into())
    }

    fn fetch_further(
        &self,
        repo: &ketch_dvc::yaml::Value,
        path: &str,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<(), ProjectError> {
        if self.depth == MOST_IMPORTS {
            return Err(ImportError::TooDeep {
                url: self.url(),
                most: MOST_IMPORTS,
            }
            .into());
        }
        let Some((spec, lock)) = SourceSpec::of_value(repo) else {
            return Ok(());
        };
        let mut bases: Vec<&Utf8Path> = self.repository.top.iter().map(AsRef::as_ref).collect();
        bases.extend(self.around.bases);
        let around = Surroundings {
            bases: &bases,
            scratch: self.around.scratch,
        };
        let mut next =
            Source::open_at(&spec, lock.as_deref(), around, self.choice, self.depth + 1)?;
        let picked = next.pick(path, cache)?;
        next.take(&picked, cache, reporter).map(drop)
    }

    fn not_there(&self, path: &Utf8Path) -> ProjectError {
        ImportError::NotThere {
            path: path.to_owned(),
            url: self.url(),
            commit: self.repository.commit.as_str().chars().take(7).collect(),
        }
        .into()
    }
}
