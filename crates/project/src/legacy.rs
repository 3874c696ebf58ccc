//! From DVC 2 to DVC 3: objects under the hash of their bytes, and entries that say so.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, LockFile, Manifest, ManifestEntry, ObjectId, OutputEntry};
use ketch_store::{Original, Reporter, write_atomically};
use serde::Serialize;

use crate::objects;
use crate::partial::store_as;
use crate::paths::{is_url, join};
use crate::{Project, ProjectError};

/// What to bring to DVC 3's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrate {
    /// The objects of the cache.
    #[default]
    Objects,
    /// The entries of `.dvc` files and `dvc.lock` too.
    ObjectsAndFiles,
}

/// Whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MigrateMode {
    #[default]
    Now,
    /// Only told.
    Dry,
}

/// What was, or would be, brought to DVC 3's form.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MigrateReport {
    /// Objects of DVC 2 that have one of DVC 3 now. They stay, for older commits.
    pub objects: u64,
    /// Objects that are damaged, or directories of which files are missing: they have none.
    pub left: Vec<ObjectId>,
    /// `.dvc` and `dvc.lock` files that were rewritten, relative to the root.
    pub files: Vec<Utf8PathBuf>,
    /// Paths whose content is neither in the cache nor unchanged in the work tree, so that nobody
    /// can tell the other hash: their entries stay.
    pub unknown: Vec<Utf8PathBuf>,
}

/// Gives every object of DVC 2 its place among those of DVC 3, sharing the bytes where the file
/// system can; and, if asked, records the new hashes.
///
/// Unlike DVC, which records what is in the work tree, this records what was recorded: a change
/// that is not added yet stays one. A directory's list of files is made anew with the new hashes.
pub fn migrate_cache(
    project: &Project,
    what: Migrate,
    mode: MigrateMode,
    reporter: &dyn Reporter,
) -> Result<MigrateReport, ProjectError> {
    let _lock = match mode {
        MigrateMode::Now => Some(project.lock()?),
        MigrateMode::Dry => None,
    };
    let mut migration = Migration {
        project,
        mode,
        known: BTreeMap::new(),
        report: MigrateReport::default(),
    };
    migration.objects(reporter)?;
    if what == Migrate::ObjectsAndFiles {
        migration.files(reporter)?;
    }
    migration.report.files.sort();
    migration.report.unknown.sort();
    if mode == MigrateMode::Now && project.autostage() {
        project.git().add(&migration.report.files)?;
    }
    Ok(migration.report)
}

struct Migration<'p> {
    project: &'p Project,
    mode: MigrateMode,
    /// DVC 2's name of a content and DVC 3's.
    known: BTreeMap<ObjectId, ObjectId>,
    report: MigrateReport,
}

impl Migration<'_> {
    fn objects(&mut self, reporter: &dyn Reporter) -> Result<(), ProjectError> {
        let mut legacy: Vec<ObjectId> = objects::all(self.project)?
            .into_keys()
            .filter(ObjectId::is_legacy)
            .collect();
        if self.mode == MigrateMode::Dry {
            self.report.objects = legacy.len() as u64;
            return Ok(());
        }
        // Directories name files.
        legacy.sort_by_key(ObjectId::is_directory);
        reporter.start(legacy.len() as u64);
        let cache = self.project.cache();
        for id in legacy {
            let path = cache.object_path(&id);
            let new = if id.is_directory() {
                self.directory(&id)?
            } else if cache.verify(&id).is_ok() {
                Some(cache.adopt_object(&path)?)
            } else {
                None
            };
            reporter.file(&path, 0);
            match new {
                Some(new) => {
                    self.report.objects += 1;
                    self.known.insert(id, new);
                }
                None => self.report.left.push(id),
            }
        }
        Ok(())
    }

    /// The directory with DVC 3's hashes; none if one of them is not known.
    fn directory(&self, id: &ObjectId) -> Result<Option<ObjectId>, ProjectError> {
        let Ok(manifest) = self.project.cache().manifest(id) else {
            return Ok(None);
        };
        let entries: Option<Vec<ManifestEntry>> = manifest
            .entries()
            .iter()
            .map(|entry| {
                Some(ManifestEntry {
                    md5: self.known.get(&entry.md5)?.clone(),
                    relpath: entry.relpath.clone(),
                })
            })
            .collect();
        let Some(entries) = entries else {
            return Ok(None);
        };
        let manifest = Manifest::new(entries)?;
        store_as(self.project, &manifest.id(), &manifest)?;
        Ok(Some(manifest.id()))
    }

    fn files(&mut self, reporter: &dyn Reporter) -> Result<(), ProjectError> {
        let files = self.project.find_files(&|path| {
            path.file_name() == Some("dvc.lock") || path.extension() == Some("dvc")
        })?;
        for file in files {
            let text = fs_err::read_to_string(&file)?;
            let name = self.project.shown(&file);
            let home = file.parent().unwrap_or(self.project.root()).to_owned();
            let changed = if file.file_name() == Some("dvc.lock") {
                let mut lock = LockFile::parse(&text, name.as_str())?;
                let mut any = false;
                for (stage, mut record) in lock.stages().clone() {
                    let mut changed = false;
                    for entry in record.deps.iter_mut().chain(&mut record.outs) {
                        changed |= self.entry(entry, &home, reporter)?;
                    }
                    if changed {
                        lock.set_stage(&stage, record);
                        any = true;
                    }
                }
                any.then(|| lock.to_text())
            } else {
                let mut content = DvcFile::parse(&text, name.as_str())?;
                let base = match &content.wdir {
                    Some(wdir) => join(&home, wdir),
                    None => home,
                };
                let mut any = false;
                for entry in &mut content.outs {
                    any |= self.entry(entry, &base, reporter)?;
                }
                any.then(|| content.update_text(&text))
            };
            if let Some(text) = changed {
                if self.mode == MigrateMode::Now {
                    write_atomically(&file, text.as_bytes())?;
                }
                self.report.files.push(name);
            }
        }
        Ok(())
    }

    /// Gives an entry DVC 3's hash; whether there was something to do.
    fn entry(
        &mut self,
        entry: &mut OutputEntry,
        base: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<bool, ProjectError> {
        let Some(id) = entry.md5.clone().filter(ObjectId::is_legacy) else {
            return Ok(false);
        };
        if is_url(&entry.path) || self.mode == MigrateMode::Dry {
            return Ok(!is_url(&entry.path));
        }
        let path = join(base, &entry.path);
        let new = match self.known.get(&id) {
            Some(new) => Some(new.clone()),
            None => self.unchanged(&id, &path, entry.cache, reporter)?,
        };
        let Some(new) = new else {
            self.report.unknown.push(self.project.shown(&path));
            return Ok(false);
        };
        entry.md5 = Some(new);
        entry.hash = Some("md5".to_owned());
        Ok(true)
    }

    /// DVC 3's hash of what is in the work tree, if that is what was recorded.
    fn unchanged(
        &self,
        id: &ObjectId,
        path: &Utf8Path,
        cached: bool,
        reporter: &dyn Reporter,
    ) -> Result<Option<ObjectId>, ProjectError> {
        let (cache, root) = (self.project.cache(), self.project.root());
        let is_directory = path.is_dir();
        if path.metadata().is_err() || is_directory != id.is_directory() {
            return Ok(None);
        }
        let now = if is_directory {
            cache.legacy_directory(root, path, reporter)?.0
        } else {
            cache.legacy_file(path)?.0
        };
        if now != *id {
            return Ok(None);
        }
        // A dependency that Git keeps is not for the cache.
        let keep = cached && !self.project.git().is_tracked(path)?;
        Ok(Some(match (is_directory, keep) {
            (true, true) => {
                let original = Original::Untouched;
                cache.add_directory(root, path, original, reporter)?.id
            }
            (true, false) => cache.hash_directory(root, path, reporter)?.id,
            (false, true) => cache.add_file(path, Original::Untouched, reporter)?.id,
            (false, false) => cache.hash_file(path, reporter)?.id,
        }))
    }
}
