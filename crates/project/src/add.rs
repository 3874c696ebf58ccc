//! Tracking data with `.dvc` files.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, Manifest, ManifestEntry, ObjectId, OutputEntry};
use ketch_store::{Reporter, RuleEffect, StoreError, ignore_rule, write_atomically};
use serde::Serialize;

use crate::content::{self, Content, save_as, save_untouched};
use crate::partial::{keep_absent, store};
use crate::paths::{overlap, read_if_there, relative};
use crate::stage::{Index, TrackedData};
use crate::versioned::{keep_versions, manifest_of};
use crate::{ImportError, Project, ProjectError, gitignore};

/// What to track.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// Files and directories, absolute or relative to the project's root.
    pub targets: Vec<Utf8PathBuf>,
}

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddedContent {
    /// They go into the cache, and the data becomes links to it where `cache.type` says so.
    #[default]
    Linked,
    /// They go into the cache; the data stays as it is.
    Copied,
    /// They are hashed and recorded; `record` puts them into the cache.
    Recorded,
}

/// What is tracked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddReport {
    pub data: Vec<AddedData>,
    /// `.dvc` and `.gitignore` files that were written, for `git add`; relative to the root.
    pub changed_files: Vec<Utf8PathBuf>,
}

/// One file or directory that is tracked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddedData {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// How many files, of a directory.
    pub files: Option<u64>,
    /// How many of these files are neither here nor in the cache: the directory was pulled in
    /// part, and the rest of it stays recorded.
    pub absent: u64,
}

/// Puts data into the cache, keeps it out of Git and records it in `.dvc` files.
///
/// A `.dvc` file that is there keeps what people wrote into it. The data itself stays as it is, or
/// becomes links to the cache where `cache.type` says so.
pub fn add(
    project: &Project,
    options: &AddOptions,
    reporter: &dyn Reporter,
) -> Result<AddReport, ProjectError> {
    add_as(project, options, AddedContent::Linked, reporter)
}

/// [`add`], and what becomes of the bytes.
///
/// A target in a directory that is tracked changes the record of that directory there, and nowhere
/// else.
pub fn add_as(
    project: &Project,
    options: &AddOptions,
    what: AddedContent,
    reporter: &dyn Reporter,
) -> Result<AddReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    // All are looked at before any is added.
    let mut targets: Vec<Target> = Vec::new();
    for target in &options.targets {
        let found = check(project, &index, target)?;
        // Several places in one directory change its record once.
        if let Target::Inside { data, paths: more } = &found && let Some(Target::Inside {
            paths,
            ..
        }) = targets.iter_mut().find(
            |known| matches!(known, Target::Inside { data: other, .. } if other.path == data.path),
        ) {
            paths.extend(more.iter().cloned());
            continue;
        }
        targets.push(found);
    }
    let mut report = AddReport {
        data: Vec::new(),
        changed_files: Vec::new(),
    };
    for target in targets {
        match target {
            Target::Whole(path) => {
                add_one(project, &path, what, reporter, &mut report)?;
            }
            Target::Inside { data, paths } => {
                add_inside(project, &data, &paths, what, reporter, &mut report)?;
            }
        }
    }
    project.remember();
    report.changed_files.sort();
    report.changed_files.dedup();
    if project.autostage() {
        project.git().add(&report.changed_files)?;
    }
    Ok(report)
}

fn add_one(
    project: &Project,
    path: &Utf8Path,
    what: AddedContent,
    reporter: &dyn Reporter,
    report: &mut AddReport,
) -> Result<(), ProjectError> {
    let file = pointer(path);
    let name = path.file_name().unwrap_or_default();
    let before = read_if_there(&file)?;
    let known = match &before {
        Some(text) => DvcFile::parse(text, project.shown(&file).as_str())?.outs,
        None => Vec::new(),
    };
    let known = known.into_iter().find(|out| out.path == name);
    let mut content = taken(project, path, what, known.as_ref(), reporter)?;
    let mut absent = 0;
    if let Some(file) = gitignore::ignore(project, path)? {
        report.changed_files.push(project.shown(&file));
    }
    let text = match before {
        None => DvcFile {
            outs: vec![content.entry(name)],
            ..DvcFile::default()
        }
        .to_text(),
        Some(before) => {
            let mut known = DvcFile::parse(&before, project.shown(&file).as_str())?;
            match known.outs.iter_mut().find(|out| out.path == name) {
                Some(entry) => {
                    // Without its objects in the cache nothing can be said of the rest.
                    if what != AddedContent::Recorded {
                        (content, absent) = keep_absent(project, path, entry, content)?;
                    }
                    let earlier = entry.clone();
                    content.record(entry);
                    keep_versions(project, &earlier, entry)?;
                }
                None => known.outs = vec![content.entry(name)],
            }
            known.update_text(&before)
        }
    };
    write_atomically(&file, text.as_bytes())?;
    report.changed_files.push(project.shown(&file));
    report.data.push(AddedData {
        path: project.shown(path),
        id: content.id,
        size: content.size,
        files: content.files,
        absent,
    });
    Ok(())
}

fn taken(
    project: &Project,
    path: &Utf8Path,
    what: AddedContent,
    recorded: Option<&OutputEntry>,
    reporter: &dyn Reporter,
) -> Result<Content, ProjectError> {
    match what {
        AddedContent::Linked => save_as(project, path, recorded, reporter),
        AddedContent::Copied => save_untouched(project, path, reporter),
        AddedContent::Recorded => {
            content::content(project, path, reporter)?.ok_or_else(|| ProjectError::NotRecorded {
                path: project.shown(path),
            })
        }
    }
}

/// Records what is at some paths in a tracked directory, and leaves the rest of its record as it
/// is, whether it is here or not.
fn add_inside(
    project: &Project,
    data: &TrackedData,
    paths: &[Utf8PathBuf],
    what: AddedContent,
    reporter: &dyn Reporter,
    report: &mut AddReport,
) -> Result<(), ProjectError> {
    let cache = project.cache();
    let known = data.entry.md5.as_ref().filter(|id| id.is_directory());
    if known.is_some_and(ObjectId::is_legacy) {
        return Err(ProjectError::InsideLegacy {
            path: project.shown(&data.path),
        });
    }
    let before = known
        .map(|id| manifest_of(project, &data.entry, id))
        .transpose()?;
    let mut files: BTreeMap<String, ManifestEntry> = before
        .iter()
        .flat_map(|manifest| manifest.entries().iter().cloned())
        .map(|entry| (entry.relpath.clone(), entry))
        .collect();
    let mut size = data.entry.size;
    for path in paths {
        let below = path.strip_prefix(&data.path).unwrap_or(path).as_str();
        let inside = format!("{below}/");
        let gone: Vec<String> = files
            .keys()
            .filter(|name| *name == below || name.starts_with(&inside))
            .cloned()
            .collect();
        for name in gone {
            if let Some(entry) = files.remove(&name) {
                let object = fs_err::metadata(cache.object_path(&entry.md5));
                size = size
                    .zip(object.ok())
                    .map(|(size, object)| size.saturating_sub(object.len()));
            }
        }
        let content = taken(project, path, what, None, reporter)?;
        size = size.map(|size| size + content.size);
        let new = if content.id.is_directory() {
            let manifest = cache.manifest(&content.id)?;
            let place = |entry: &ManifestEntry| ManifestEntry {
                relpath: format!("{inside}{}", entry.relpath),
                ..entry.clone()
            };
            manifest.entries().iter().map(place).collect()
        } else {
            vec![ManifestEntry {
                relpath: below.to_owned(),
                md5: content.id.clone(),
            }]
        };
        files.extend(new.into_iter().map(|entry| (entry.relpath.clone(), entry)));
        report.data.push(AddedData {
            path: project.shown(path),
            id: content.id,
            size: content.size,
            files: content.files,
            absent: 0,
        });
    }
    let manifest = Manifest::new(files.into_values().collect())?;
    let id = store(project, &manifest)?;
    // Written or not, it is what says that the place is tracked.
    report.changed_files.push(project.shown(&data.file));
    if known == Some(&id) {
        return Ok(());
    }
    let text = fs_err::read_to_string(&data.file)?;
    let mut file = DvcFile::parse(&text, project.shown(&data.file).as_str())?;
    if let Some(entry) = file.outs.iter_mut().find(|out| out.path == data.entry.path) {
        entry.md5 = Some(id);
        entry.size = size;
        entry.nfiles = Some(manifest.entries().len() as u64);
        entry.hash = Some("md5".to_owned());
        (entry.files, entry.cloud) = (None, None);
        keep_versions(project, &data.entry, entry)?;
    }
    write_atomically(&data.file, file.update_text(&text).as_bytes())?;
    Ok(())
}

/// What a target turns out to be.
enum Target {
    /// Data with a `.dvc` file of its own, absolute.
    Whole(Utf8PathBuf),
    /// Places in a directory that is tracked already.
    Inside {
        data: Box<TrackedData>,
        paths: Vec<Utf8PathBuf>,
    },
}

/// The absolute path of a target that may be tracked.
fn check(project: &Project, index: &Index, target: &Utf8Path) -> Result<Target, ProjectError> {
    let below = relative(project.root(), target)?;
    let internal = below
        .components()
        .any(|part| matches!(part.as_str(), ".git" | ".dvc" | ".ketch"));
    if internal {
        return Err(ProjectError::OwnedByStage {
            path: below,
            owner: "the project itself".to_owned(),
        });
    }
    let path = project.root().join(&below);
    refuse_linked(project, &path)?;
    if let Some(rule) = ignore_rule(project.root(), &path)?
        && rule.effect == RuleEffect::Hides
    {
        return Err(StoreError::Ignored { path }.into());
    }
    fs_err::metadata(&path)?;
    if is_pointer(&path) {
        return Err(ProjectError::PointerAsData { path: below });
    }
    for stage in &index.stages {
        if stage.outputs().any(|(_, out)| overlap(&out, &path)) {
            return Err(ProjectError::OwnedByStage {
                path: below,
                owner: stage.shown(),
            });
        }
    }
    let file = pointer(&path);
    for data in &index.data {
        let is_directory = data.entry.md5.as_ref().is_some_and(ObjectId::is_directory);
        if is_directory && path != data.path && path.starts_with(&data.path) {
            return Ok(Target::Inside {
                data: Box::new(data.clone()),
                paths: vec![path],
            });
        }
        if data.file != file && overlap(&data.path, &path) {
            return Err(ProjectError::OverlappingOutputs {
                path: below,
                owner: format!("`{}`", project.shown(&file)),
                other: project.shown(&data.path),
                other_owner: format!("`{}`", project.shown(&data.file)),
            });
        }
    }
    gitignore::refuse_tracked(project, &path)?;
    if !file.exists() && project.git().is_ignored(&file)? {
        // Nobody would look for the record where Git ignores it.
        return Err(ImportError::PointerIgnored {
            file: project.shown(&file),
        }
        .into());
    }
    Ok(Target::Whole(path))
}

/// Refuses a link to a directory and what is behind one: a checkout would write through it, and a
/// walk does not follow it.
fn refuse_linked(project: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
    let above = path.ancestors();
    for folder in above.take_while(|folder| *folder != project.root()) {
        if folder.is_symlink() && folder.is_dir() {
            return Err(ImportError::LinkedFolder {
                path: project.shown(folder),
            }
            .into());
        }
    }
    Ok(())
}

/// `data.csv` is recorded in `data.csv.dvc`.
fn pointer(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.dvc"))
}

/// Whether DVC reads what it tracks out of a file of this name.
/// Whether DVC takes a file of this name for one of its own, and so never for data.
pub(crate) fn is_pointer(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    path.extension() == Some("dvc") || matches!(name, "dvc.yaml" | "dvc.lock")
}
