//! What is in other repositories and at URLs.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::{Cache, Durability, TemporaryFolder};
use serde::Serialize;

use super::repository::Surroundings;
use super::source::Source;
use super::tree::{GitFileKind, SourceTree};
use super::url_source::{Found, UrlSource};
use super::work_tree::{self, Held, WorkTree};
use super::{ImportError, SourceSpec};
use crate::{ListEntry, Origin, ProjectError, RemoteChoice};

/// What to list of a repository.
#[derive(Debug, Clone)]
pub struct SourceListOptions {
    pub source: SourceSpec,
    /// A file or directory; all if empty.
    pub path: String,
    /// Where relative addresses begin, absolute.
    pub directory: Utf8PathBuf,
    /// How many levels of directories are looked into: 1 for what is right there. Directories at
    /// the last level are one entry each; without a limit only files are listed.
    pub levels: Option<usize>,
    pub origin: Origin,
    pub transfer: RemoteChoice,
    /// A folder for a clone, and for what is read on the way.
    pub scratch: Utf8PathBuf,
}

/// What to list of a URL.
#[derive(Debug, Clone)]
pub struct UrlListOptions {
    /// A path, a URL, or `remote://NAME/PATH`.
    pub url: String,
    /// Where relative paths begin, absolute.
    pub directory: Utf8PathBuf,
    /// The project that `remote://` is of, if there is one.
    pub root: Option<Utf8PathBuf>,
    /// As [`SourceListOptions::levels`].
    pub levels: Option<usize>,
    /// Options for the server, as a remote has them.
    pub settings: Vec<(String, String)>,
    pub transfer: RemoteChoice,
}

/// One file or directory at a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UrlListEntry {
    /// Relative to the URL.
    pub path: Utf8PathBuf,
    #[serde(rename = "isdir")]
    pub is_directory: bool,
    /// In bytes; of a directory, the sum over its files.
    pub size: Option<u64>,
}

/// Lists a repository at a commit, ordered by path. Nothing is downloaded but what says which files
/// a directory of data has.
pub fn list_source(options: &SourceListOptions) -> Result<Vec<ListEntry>, ProjectError> {
    let around = Surroundings {
        bases: &[&options.directory],
        scratch: &options.scratch,
    };
    options.source.check_given(around.bases)?;
    // What a project records of its data is more than the data itself.
    if let Some(tree) = WorkTree::find(&options.source, around.bases)?
        && !tree.has_commits()
    {
        return list_work_tree(&tree, options, around);
    }
    let mut source = Source::open(&options.source, None, around, &options.transfer)?;
    source.require_remote()?;
    let base = source.place(&options.path)?;
    let room = TemporaryFolder::make_in(&options.scratch)?;
    let cache = Cache::open_with(room.path(), Durability::Buffered);
    let mut found = Gathered {
        base,
        levels: options.levels,
        entries: BTreeMap::new(),
    };
    if options.origin == Origin::All {
        for (path, file) in &source.tree.files {
            if !SourceTree::is_internal(path) {
                found.put(path, git_entry(file.kind, file.size));
            }
        }
    }
    for output in 0..source.tree.outputs.len() {
        let Some(known) = source.tree.outputs.get(output).cloned() else {
            continue;
        };
        let Some(id) = known.entry.md5.clone() else {
            found.put(&known.path, data_entry(None, known.entry.size));
            continue;
        };
        if !id.is_directory() {
            let mut entry = data_entry(Some(id), known.entry.size);
            entry.is_executable = known.entry.is_executable;
            found.put(&known.path, entry);
            continue;
        }
        // What lies elsewhere need not be looked up.
        let near = known.path.starts_with(&found.base) || found.base.starts_with(&known.path);
        if !near || found.is_deep(&known.path) {
            found.put(&known.path, data_entry(Some(id), known.entry.size));
            continue;
        }
        source.recorded(&known)?;
        let manifest = source.manifest(output, &id, &cache)?;
        for file in manifest.entries() {
            let entry = data_entry(Some(file.md5.clone()), None);
            found.put(&known.path.join(&file.relpath), entry);
        }
        found.put_directory(&known.path, &id, known.entry.size);
    }
    if found.entries.is_empty() && !options.path.trim_matches(['/', '.']).is_empty() {
        return Err(ImportError::NotThere {
            path: found.base,
            url: options.source.url.clone(),
            commit: source.repository.commit.as_str().chars().take(7).collect(),
        }
        .into());
    }
    Ok(found.sorted())
}

/// Lists a directory as it is now.
fn list_work_tree(
    tree: &WorkTree,
    options: &SourceListOptions,
    around: Surroundings<'_>,
) -> Result<Vec<ListEntry>, ProjectError> {
    let choice = &options.transfer;
    let mut places = tree.places(&options.source, choice, around.bases)?;
    let room = TemporaryFolder::make_in(&options.scratch)?;
    let cache = Cache::open_with(room.path(), Durability::Buffered);
    let files = match tree.look(&options.path, &mut places, choice, &cache)? {
        work_tree::Found::Directory(files) => files,
        work_tree::Found::File(held) => {
            let name = Utf8Path::new(&options.path).file_name().unwrap_or_default();
            BTreeMap::from([(name.to_owned(), held)])
        }
    };
    let mut found = Gathered {
        base: Utf8PathBuf::new(),
        levels: options.levels,
        entries: BTreeMap::new(),
    };
    for (path, held) in files {
        let entry = match held {
            Held::Here(_) if options.origin == Origin::Data => continue,
            Held::Here(path) => {
                let metadata = fs_err::metadata(&path)?;
                let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
                let kind = if mode & 0o111 == 0 {
                    GitFileKind::Plain
                } else {
                    GitFileKind::Executable
                };
                git_entry(kind, Some(metadata.len()))
            }
            Held::Object(id) => data_entry(Some(id), None),
        };
        found.put(Utf8Path::new(&path), entry);
    }
    Ok(found.sorted())
}

/// Lists what is at a URL, ordered by path. A file by itself has its own name.
pub fn list_url(options: &UrlListOptions) -> Result<Vec<UrlListEntry>, ProjectError> {
    let source = UrlSource::open(
        &options.url,
        &options.settings,
        &options.directory,
        options.root.as_deref(),
        &options.transfer,
    )?;
    let files = match source.find_all()? {
        Found::File(file) => {
            let path = options.url.trim_end_matches('/').rsplit('/').next();
            return Ok(vec![UrlListEntry {
                path: path.unwrap_or_default().into(),
                is_directory: false,
                size: Some(file.size),
            }]);
        }
        Found::Directory(files) => files,
    };
    let mut found = Gathered {
        base: Utf8PathBuf::new(),
        levels: options.levels,
        entries: BTreeMap::new(),
    };
    for file in files {
        found.put(
            Utf8Path::new(&file.relpath),
            git_entry(GitFileKind::Plain, Some(file.size)),
        );
    }
    Ok(found
        .sorted()
        .into_iter()
        .map(|entry| UrlListEntry {
            path: entry.path,
            is_directory: entry.is_directory,
            size: entry.size,
        })
        .collect())
}

/// Files, and the directories that they are summed up in.
struct Gathered {
    base: Utf8PathBuf,
    levels: Option<usize>,
    /// By path below the base.
    entries: BTreeMap<Utf8PathBuf, ListEntry>,
}

impl Gathered {
    /// Whether all of a directory is one entry at most.
    fn is_deep(&self, directory: &Utf8Path) -> bool {
        let below = directory.strip_prefix(&self.base).ok();
        let depth = below.map(|below| below.components().count());
        matches!((self.levels, depth), (Some(levels), Some(depth)) if depth >= levels && depth > 0)
    }

    fn put(&mut self, path: &Utf8Path, entry: ListEntry) {
        let Ok(below) = path.strip_prefix(&self.base) else {
            return;
        };
        if below.as_str().is_empty() {
            // The file that was asked for; it has its own name.
            let name = path.file_name().unwrap_or_default();
            self.entries.insert(name.into(), entry);
            return;
        }
        let kept: Utf8PathBuf = match self.levels {
            Some(levels) => below.components().take(levels.max(1)).collect(),
            None => below.to_owned(),
        };
        if kept == below {
            self.entries.insert(kept, entry);
            return;
        }
        let folder = self.entries.entry(kept).or_insert_with(|| ListEntry {
            is_directory: true,
            is_executable: false,
            md5: None,
            size: Some(0),
            ..entry.clone()
        });
        folder.size = match (folder.size, entry.size) {
            (Some(sum), Some(size)) => Some(sum + size),
            _ => None,
        };
    }

    /// A directory of data that was put file by file: what is known of it as a whole.
    fn put_directory(&mut self, path: &Utf8Path, id: &ObjectId, size: Option<u64>) {
        if let Ok(below) = path.strip_prefix(&self.base)
            && let Some(entry) = self.entries.get_mut(below)
            && entry.is_directory
        {
            entry.md5 = Some(id.clone());
            entry.size = size;
        }
    }

    /// In the order of the text, as DVC's.
    fn sorted(self) -> Vec<ListEntry> {
        let mut entries: Vec<ListEntry> = self
            .entries
            .into_iter()
            .map(|(path, entry)| ListEntry { path, ..entry })
            .collect();
        entries.sort_by(|left, right| left.path.as_str().cmp(right.path.as_str()));
        entries
    }
}

fn git_entry(kind: GitFileKind, size: Option<u64>) -> ListEntry {
    ListEntry {
        is_data: false,
        is_directory: kind == GitFileKind::Submodule,
        is_executable: kind == GitFileKind::Executable,
        size,
        md5: None,
        path: Utf8PathBuf::new(),
    }
}

fn data_entry(md5: Option<ObjectId>, size: Option<u64>) -> ListEntry {
    ListEntry {
        is_data: true,
        is_directory: md5.as_ref().is_some_and(ObjectId::is_directory),
        is_executable: false,
        size,
        md5,
        path: Utf8PathBuf::new(),
    }
}
