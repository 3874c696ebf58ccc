//! The files of a project: those of Git, and the data that `.dvc` files and `dvc.lock` stand for.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use serde::Serialize;

use crate::paths::join;
use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::transfer::look_up_manifests;
use crate::versioned::manifest_of;
use crate::{CommitId, Project, ProjectError, RemoteChoice};

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// A file or directory below the root; all of the project if empty.
    pub path: Utf8PathBuf,
    /// A revision; the work tree if not given.
    pub revision: Option<String>,
    pub folders: Folders,
    pub origin: Origin,
    /// Where the manifests of directories are asked for that the cache lacks; nowhere if not given.
    pub manifests: Option<RemoteChoice>,
}

/// What becomes of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folders {
    /// Each is one entry.
    #[default]
    Listed,
    /// Their files are listed in their place.
    Walked,
}

/// Whose files are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    #[default]
    All,
    /// Data only.
    Data,
}

/// One file or directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListEntry {
    #[serde(rename = "isout")]
    pub is_data: bool,
    #[serde(rename = "isdir")]
    pub is_directory: bool,
    #[serde(rename = "isexec")]
    pub is_executable: bool,
    /// In bytes, where it is known. Of a directory, the sum over its files.
    pub size: Option<u64>,
    pub md5: Option<ObjectId>,
    /// Relative to the path that was listed.
    pub path: Utf8PathBuf,
}

/// Lists, ordered by path. Takes no lock and changes nothing.
pub fn list(project: &Project, options: &ListOptions) -> Result<Vec<ListEntry>, ProjectError> {
    let base = project.shown(&join(project.root(), &options.path));
    let base = if base == project.root() {
        Utf8PathBuf::new()
    } else {
        base
    };
    let git = project.git();
    let (outputs, mut files) = match &options.revision {
        Some(revision) => {
            let commit = git.resolve(revision)?;
            let snapshot = Snapshot::of_commit(project, &commit, &Blobs::default())?;
            (snapshot.outputs()?, of_commit(project, &commit)?)
        }
        None => (
            Snapshot::of_workspace(project)?.outputs()?,
            of_workspace(project)?,
        ),
    };
    if options.origin == Origin::Data {
        files.clear();
    }
    if let Some(from) = &options.manifests {
        // What lies elsewhere is not looked into.
        let near = |one: &&Recorded| one.path.starts_with(&base) || base.starts_with(&one.path);
        look_up_manifests(project, outputs.iter().filter(near), from);
    }
    for output in &outputs {
        add_output(project, output, options, &mut files);
    }
    let inside: Vec<(Utf8PathBuf, ListEntry)> = files
        .into_iter()
        .filter(|(path, _)| path.starts_with(&base))
        .collect();
    if inside.is_empty() && !base.as_str().is_empty() {
        return Err(ProjectError::UnknownTarget {
            name: options.path.to_string(),
            suggestion: None,
        });
    }
    let directories: BTreeSet<&Utf8Path> = outputs
        .iter()
        .filter(|output| {
            output
                .entry
                .md5
                .as_ref()
                .is_some_and(ObjectId::is_directory)
        })
        .map(|output| output.path.as_path())
        .collect();
    let mut entries: Vec<ListEntry> = match options.folders {
        Folders::Walked => inside
            .into_iter()
            .map(|(path, entry)| ListEntry {
                path: below(&path, &base),
                ..entry
            })
            .collect(),
        Folders::Listed => gathered(inside, &base, &outputs, &directories),
    };
    // By text, as DVC does; not by component.
    entries.sort_by(|left, right| left.path.as_str().cmp(right.path.as_str()));
    Ok(entries)
}

/// One entry for each file or directory right below `base`.
fn gathered(
    inside: Vec<(Utf8PathBuf, ListEntry)>,
    base: &Utf8Path,
    outputs: &[Recorded],
    directories: &BTreeSet<&Utf8Path>,
) -> Vec<ListEntry> {
    let mut entries: BTreeMap<String, ListEntry> = BTreeMap::new();
    for (path, entry) in inside {
        let relative = below(&path, base);
        let mut parts = relative.components();
        let first = parts.next().map(|part| part.as_str().to_owned());
        let Some(first) = first else {
            continue;
        };
        if parts.next().is_none() {
            entries.insert(
                first,
                ListEntry {
                    path: relative,
                    ..entry
                },
            );
            continue;
        }
        let place = base.join(&first);
        let output = outputs.iter().find(|output| output.path == place);
        let folder = entries.entry(first.clone()).or_insert_with(|| ListEntry {
            is_data: directories.iter().any(|data| place.starts_with(data)),
            is_directory: true,
            is_executable: false,
            size: Some(0),
            md5: output.and_then(|output| output.entry.md5.clone()),
            path: first.into(),
        });
        folder.size = match (folder.size, entry.size) {
            (Some(sum), Some(size)) => Some(sum + size),
            _ => output.and_then(|output| output.entry.size),
        };
    }
    entries.into_values().collect()
}

fn add_output(
    project: &Project,
    output: &Recorded,
    options: &ListOptions,
    files: &mut BTreeMap<Utf8PathBuf, ListEntry>,
) {
    let Some(id) = &output.entry.md5 else {
        return;
    };
    let entry = |id: &ObjectId, size: Option<u64>| ListEntry {
        is_data: true,
        is_directory: id.is_directory(),
        is_executable: output.entry.is_executable,
        size,
        md5: Some(id.clone()),
        path: Utf8PathBuf::new(),
    };
    let manifest = id
        .is_directory()
        .then(|| manifest_of(project, &output.entry, id).ok())
        .flatten();
    match manifest {
        // Without its manifest a directory cannot be looked into.
        None => {
            files.insert(output.path.clone(), entry(id, output.entry.size));
        }
        Some(manifest) => {
            for file in manifest.entries() {
                let place = output.path.join(&file.relpath);
                let object = project.cache().object_path(&file.md5);
                let mut size = fs_err::metadata(object).ok().map(|found| found.len());
                if size.is_none() && options.revision.is_none() {
                    let there = project.root().join(&place);
                    size = fs_err::metadata(there).ok().map(|found| found.len());
                }
                files.insert(place, entry(&file.md5, size));
            }
        }
    }
}

/// Paths of the files that Git tracks, or would; without it, of all but DVC's outputs.
fn present(project: &Project) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    if project.git().is_declined() {
        let found = project.find_files(&|_| true)?;
        return Ok(found.iter().map(|path| project.shown(path)).collect());
    }
    let listing = project.git().run(&[
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])?;
    let paths = listing.split('\0').filter(|path| !path.is_empty());
    Ok(paths.map(Utf8PathBuf::from).collect())
}

/// Files that Git tracks, or would.
fn of_workspace(project: &Project) -> Result<BTreeMap<Utf8PathBuf, ListEntry>, ProjectError> {
    let mut files = BTreeMap::new();
    for path in present(project)? {
        let Ok(metadata) = fs_err::symlink_metadata(project.root().join(&path)) else {
            continue;
        };
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if !is_internal(&path) {
            files.insert(path, of_git(mode & 0o111 != 0, Some(metadata.len())));
        }
    }
    Ok(files)
}

fn of_commit(
    project: &Project,
    commit: &CommitId,
) -> Result<BTreeMap<Utf8PathBuf, ListEntry>, ProjectError> {
    let listing = project
        .git()
        .run(&["ls-tree", "-r", "-l", "-z", commit.as_str()])?;
    let mut files = BTreeMap::new();
    for line in listing.split('\0') {
        let Some((facts, path)) = line.split_once('\t') else {
            continue;
        };
        let mut facts = facts.split_whitespace();
        let is_executable = facts.next() == Some("100755");
        let size = facts.nth(2).and_then(|size| size.parse().ok());
        let path = Utf8PathBuf::from(path);
        if !is_internal(&path) {
            files.insert(path, of_git(is_executable, size));
        }
    }
    Ok(files)
}

fn of_git(is_executable: bool, size: Option<u64>) -> ListEntry {
    ListEntry {
        is_data: false,
        is_directory: false,
        is_executable,
        size,
        md5: None,
        path: Utf8PathBuf::new(),
    }
}

fn is_internal(path: &Utf8Path) -> bool {
    path.starts_with(".dvc")
}

/// The path of what was listed itself is its name.
fn below(path: &Utf8Path, base: &Utf8Path) -> Utf8PathBuf {
    match path.strip_prefix(base) {
        Ok(rest) if !rest.as_str().is_empty() => rest.to_owned(),
        _ => path.file_name().unwrap_or_default().into(),
    }
}
