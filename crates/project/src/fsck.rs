//! Whether the cache holds what its names promise, and what is needed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::{Original, Reporter, StoreError, hash_directory, hash_file, hash_like};
use serde::Serialize;

use crate::objects::{Damaged, Uses, add_uses, all};
use crate::snapshot::{Blobs, Snapshot};
use crate::trash::move_file;
use crate::{Project, ProjectError};

/// What to do about what is found.
#[derive(Debug, Clone, Default)]
pub struct FsckOptions {
    pub repair: Repair,
    /// The folder below `.ketch/quarantine` that takes damaged objects.
    pub quarantine: String,
}

/// Whether damage is repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repair {
    #[default]
    No,
    /// Damaged objects go to the quarantine; what is missing is taken from an intact file of the
    /// work tree, or out of the quarantine.
    Yes,
}

/// What the cache is like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FsckReport {
    pub objects: u64,
    /// In bytes.
    pub size: u64,
    /// Objects whose bytes are not those of their name.
    pub corrupt: Vec<FsckObject>,
    /// Needed by the work tree or the last commit, and not there.
    pub missing: Vec<FsckObject>,
    /// Needed by neither; other commits may need them.
    pub unreferenced: u64,
    /// In bytes.
    pub unreferenced_size: u64,
}

/// An object that something is wrong with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FsckObject {
    pub id: ObjectId,
    /// Where it is used, relative to the root.
    pub paths: Vec<Utf8PathBuf>,
    pub repaired: bool,
}

impl FsckReport {
    /// Whether nothing is wrong any more.
    pub fn is_sound(&self) -> bool {
        self.corrupt
            .iter()
            .chain(&self.missing)
            .all(|object| object.repaired)
    }
}

/// Hashes every object again, and looks for what the work tree and the last commit need.
pub fn fsck(
    project: &Project,
    options: &FsckOptions,
    reporter: &dyn Reporter,
) -> Result<FsckReport, ProjectError> {
    let _lock = match options.repair {
        Repair::Yes => Some(project.lock()?),
        Repair::No => None,
    };
    let mut snapshots = vec![Snapshot::of_workspace(project)?];
    if let Some(head) = project.git().head()? {
        snapshots.push(Snapshot::of_commit(project, &head, &Blobs::default())?);
    }
    let objects = all(project)?;
    let ids: Vec<ObjectId> = objects.keys().cloned().collect();
    reporter.start(ids.len() as u64);
    let mut damaged = verify(project, &ids, reporter)?;
    damaged.sort();
    if options.repair == Repair::Yes {
        let quarantine = project
            .state_dir()?
            .join("quarantine")
            .join(&options.quarantine)
            .join("damaged");
        for id in &damaged {
            let object = project.cache().object_path(id);
            move_file(&object, &quarantine.join(id.cache_path()))?;
        }
    }
    let uses = uses(project, &snapshots)?;
    let mut report = FsckReport {
        objects: objects.len() as u64,
        size: objects.values().sum(),
        ..FsckReport::default()
    };
    for (id, size) in &objects {
        if !uses.contains_key(id) && !damaged.contains(id) {
            report.unreferenced += 1;
            report.unreferenced_size += size;
        }
    }
    let missing: Vec<ObjectId> = uses
        .keys()
        .filter(|id| !objects.contains_key(*id))
        .cloned()
        .collect();
    report.corrupt = told(damaged, &uses);
    report.missing = told(missing, &uses);
    if options.repair == Repair::Yes {
        // A manifest that came back names files that nobody knew to be missing.
        while repair(project, &mut report, reporter)? {
            let uses = self::uses(project, &snapshots)?;
            let new: Vec<ObjectId> = uses
                .keys()
                .filter(|id| {
                    let known = report.corrupt.iter().chain(&report.missing);
                    !project.cache().contains(id) && !known.clone().any(|object| object.id == **id)
                })
                .cloned()
                .collect();
            report.missing.extend(told(new, &uses));
        }
    }
    Ok(report)
}

fn uses(project: &Project, snapshots: &[Snapshot]) -> Result<Uses, ProjectError> {
    let mut uses = Uses::new();
    for snapshot in snapshots {
        add_uses(project, snapshot, Damaged::Skip, &mut uses)?;
    }
    Ok(uses)
}

fn told(ids: Vec<ObjectId>, uses: &Uses) -> Vec<FsckObject> {
    ids.into_iter()
        .map(|id| FsckObject {
            paths: uses
                .get(&id)
                .map(|paths| paths.iter().cloned().collect())
                .unwrap_or_default(),
            id,
            repaired: false,
        })
        .collect()
}

/// The damaged ones; on every processor.
fn verify(
    project: &Project,
    ids: &[ObjectId],
    reporter: &dyn Reporter,
) -> Result<Vec<ObjectId>, ProjectError> {
    let next = AtomicUsize::new(0);
    let damaged = Mutex::new(Vec::new());
    let failure: Mutex<Option<StoreError>> = Mutex::new(None);
    let work = || {
        while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
            match project.cache().verify(id) {
                Ok(()) => {}
                Err(StoreError::Corrupt { .. }) => {
                    if let Ok(mut damaged) = damaged.lock() {
                        damaged.push(id.clone());
                    }
                }
                // Somebody collected it meanwhile.
                Err(StoreError::Missing { .. }) => {}
                Err(error) => {
                    if let Ok(mut failure) = failure.lock() {
                        failure.get_or_insert(error);
                    }
                    return;
                }
            }
            reporter.file(&project.cache().object_path(id), 0);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner() {
        Ok(Some(error)) => Err(error.into()),
        _ => Ok(damaged.into_inner().unwrap_or_default()),
    }
}

/// Tries every object once; whether a directory came back.
fn repair(
    project: &Project,
    report: &mut FsckReport,
    reporter: &dyn Reporter,
) -> Result<bool, ProjectError> {
    let quarantine = quarantined(project)?;
    let mut again = false;
    for object in report.corrupt.iter_mut().chain(&mut report.missing) {
        if object.repaired {
            continue;
        }
        let mut found = false;
        for path in &object.paths {
            let path = project.root().join(path);
            if object.id.is_legacy() {
                found = repair_legacy(project, &object.id, &path, reporter)?;
            } else if object.id.is_directory() && path.is_dir() {
                let (manifest, _) = hash_directory(project.root(), &path, reporter)?;
                if manifest.id() == object.id {
                    project.cache().add_directory(
                        project.root(),
                        &path,
                        Original::Untouched,
                        reporter,
                    )?;
                    found = true;
                }
            } else if path.is_file() && hash_file(&path).is_ok_and(|(id, _)| id == object.id) {
                project
                    .cache()
                    .add_file(&path, Original::Untouched, reporter)?;
                found = true;
            }
            if found {
                break;
            }
        }
        for folder in &quarantine {
            let copy = folder.join(object.id.cache_path());
            if found || !copy.is_file() {
                continue;
            }
            if hash_like(&object.id, &copy)? == object.id {
                move_file(&copy, &project.cache().object_path(&object.id))?;
                found = project.cache().contains(&object.id);
            }
        }
        object.repaired = found;
        again |= found && object.id.is_directory();
    }
    Ok(again)
}

/// Whether what is at `path` is still this content of DVC 2, and in the cache now.
fn repair_legacy(
    project: &Project,
    id: &ObjectId,
    path: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<bool, ProjectError> {
    let cache = project.cache();
    if id.is_directory() && path.is_dir() {
        let (found, manifest, _) = cache.legacy_directory(project.root(), path, reporter)?;
        if found == *id {
            cache.add_legacy(id, path, Some(&manifest))?;
        }
        return Ok(found == *id);
    }
    let is_it = !id.is_directory() && path.is_file() && cache.legacy_file(path)?.0 == *id;
    if is_it {
        cache.add_legacy(id, path, None)?;
    }
    Ok(is_it)
}

/// The folders that collections left, the newest first.
fn quarantined(project: &Project) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let quarantine = project.state_dir()?.join("quarantine");
    let Ok(entries) = quarantine.read_dir_utf8() else {
        return Ok(Vec::new());
    };
    let mut folders = entries
        .map(|entry| Ok(entry?.into_path()))
        .collect::<Result<Vec<_>, ProjectError>>()?;
    folders.sort();
    folders.reverse();
    Ok(folders)
}
