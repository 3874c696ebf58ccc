//! What a repository has at a commit: the files of Git, and the data that DVC's files record.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::yaml::Value;
use ketch_dvc::{DvcFile, OutputEntry};

use super::ImportError;
use super::address::shown;
use super::blobs::BlobReader;
use super::repository::SourceRepository;
use crate::ProjectError;
use crate::paths::join;
use crate::snapshot::Snapshot;

/// Links that lead to links are followed so far.
const MOST_LINKS: usize = 16;

/// Everything there is. Paths are relative to Git's top.
#[derive(Debug)]
pub(super) struct SourceTree {
    pub(super) files: BTreeMap<Utf8PathBuf, GitFile>,
    pub(super) outputs: Vec<SourceOutput>,
}

/// A file that Git tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitFile {
    pub(super) kind: GitFileKind,
    /// Of the blob.
    pub(super) id: String,
    /// In bytes.
    pub(super) size: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitFileKind {
    Plain,
    Executable,
    Link,
    Submodule,
}

/// Data that a project there keeps in its cache.
#[derive(Debug, Clone)]
pub(super) struct SourceOutput {
    pub(super) path: Utf8PathBuf,
    /// The project that it belongs to: the folder with `.dvc` in it.
    pub(super) project: Utf8PathBuf,
    pub(super) entry: OutputEntry,
    /// Where that project has it from, and the path there, if it is an import itself.
    pub(super) imported: Option<(Value, String)>,
}

impl SourceTree {
    pub(super) fn load(source: &SourceRepository) -> Result<Self, ProjectError> {
        let listing = source.git.run(&[
            "ls-tree",
            "-r",
            "-l",
            "-z",
            "--full-tree",
            source.commit.as_str(),
        ])?;
        let mut files = BTreeMap::new();
        for line in listing.split('\0') {
            let Some((facts, path)) = line.split_once('\t') else {
                continue;
            };
            let facts: Vec<&str> = facts.split_whitespace().collect();
            let [mode, _, id, size] = facts[..] else {
                continue;
            };
            let kind = match mode {
                "100755" => GitFileKind::Executable,
                "120000" => GitFileKind::Link,
                "160000" => GitFileKind::Submodule,
                _ => GitFileKind::Plain,
            };
            let file = GitFile {
                kind,
                id: id.to_owned(),
                size: size.parse().ok(),
            };
            files.insert(Utf8PathBuf::from(path), file);
        }
        let outputs = outputs(source, &files)?;
        Ok(Self { files, outputs })
    }

    /// The output at a path, or the directory it is in.
    pub(super) fn output_around(&self, path: &Utf8Path) -> Option<(usize, &SourceOutput)> {
        let around = |(_, output): &(usize, &SourceOutput)| path.starts_with(&output.path);
        self.outputs.iter().enumerate().find(around)
    }

    /// Whether a path belongs to a project's own records.
    pub(super) fn is_internal(path: &Utf8Path) -> bool {
        path.components().any(|part| part.as_str() == ".dvc")
    }

    /// A file that says where data is, or what is none.
    pub(super) fn is_pointer(path: &Utf8Path) -> bool {
        path.extension() == Some("dvc")
            || matches!(path.file_name(), Some("dvc.yaml" | ".dvcignore"))
    }

    /// Where a link leads, by its text and not through the file system.
    pub(super) fn follow(
        &self,
        source: &SourceRepository,
        blobs: &mut BlobReader,
        path: &Utf8Path,
    ) -> Result<Utf8PathBuf, ProjectError> {
        let mut place = path.to_owned();
        for _ in 0..MOST_LINKS {
            match self.files.get(&place) {
                Some(file) if file.kind == GitFileKind::Link => {
                    let target = blobs.text(&file.id, file.size)?;
                    place = inside(place.parent().unwrap_or(Utf8Path::new("")), &target)
                        .ok_or_else(|| ImportError::LinkOut {
                            path: path.to_owned(),
                            url: shown(&source.spec.url),
                        })?;
                }
                _ => return Ok(place),
            }
        }
        Err(ImportError::LinkOut {
            path: path.to_owned(),
            url: shown(&source.spec.url),
        }
        .into())
    }
}

/// `base/path` if that stays below the top.
pub(super) fn inside(base: &Utf8Path, path: &str) -> Option<Utf8PathBuf> {
    let mut depth = base.components().count();
    for part in Utf8Path::new(path).components() {
        match part {
            camino::Utf8Component::Normal(_) => depth += 1,
            camino::Utf8Component::CurDir => {}
            camino::Utf8Component::ParentDir => depth = depth.checked_sub(1)?,
            _ => return None,
        }
    }
    Some(join(base, path))
}

/// What every project in the repository keeps, by what it records itself.
fn outputs(
    source: &SourceRepository,
    files: &BTreeMap<Utf8PathBuf, GitFile>,
) -> Result<Vec<SourceOutput>, ProjectError> {
    let projects: BTreeSet<Utf8PathBuf> = files.keys().filter_map(|path| home(path)).collect();
    let mut texts: BTreeMap<&Utf8Path, Vec<(Utf8PathBuf, String)>> = BTreeMap::new();
    let mut imports = BTreeMap::new();
    let mut blobs = BlobReader::open(&source.git)?;
    for (path, file) in files {
        let records = path.extension() == Some("dvc")
            || matches!(path.file_name(), Some("dvc.yaml" | "dvc.lock"));
        let plain = matches!(file.kind, GitFileKind::Plain | GitFileKind::Executable);
        if !records || !plain || SourceTree::is_internal(path) {
            continue;
        }
        let owner = projects
            .iter()
            .filter(|project| path.starts_with(project))
            .max_by_key(|project| project.components().count());
        let Some(project) = owner else {
            continue;
        };
        let text = blobs.text(&file.id, file.size)?;
        let below = path.strip_prefix(project).unwrap_or(path).to_owned();
        if path.extension() == Some("dvc") {
            let file = DvcFile::parse(&text, path.as_str())?;
            let from = file.deps.into_iter().find_map(|dependency| {
                let path = dependency.path;
                dependency.repo.map(|repo| (repo, path))
            });
            if let Some(from) = from {
                imports.insert(path.clone(), from);
            }
        }
        texts.entry(project).or_default().push((below, text));
    }
    let mut outputs = Vec::new();
    let blobs = RefCell::new(blobs);
    for (project, own) in texts {
        let read = |path: &Utf8Path| match files.get(&project.join(path)) {
            Some(file) => {
                let text = blobs.borrow_mut().text(&file.id, file.size);
                text.map(Some).map_err(io::Error::other)
            }
            None => Ok(None),
        };
        for recorded in Snapshot::of_files(own, read).outputs()? {
            outputs.push(SourceOutput {
                path: project.join(&recorded.path),
                project: project.to_owned(),
                imported: imports.get(&project.join(&recorded.file)).cloned(),
                entry: recorded.entry,
            });
        }
    }
    Ok(outputs)
}

/// The project whose `.dvc` a file is in.
fn home(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut home = Utf8PathBuf::new();
    for part in path.components() {
        if part.as_str() == ".dvc" {
            return Some(home);
        }
        home.push(part.as_str());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let found =
            |base: &str, path: &str| inside(base.into(), path).map(Utf8PathBuf::into_string);
        assert_eq!(found("a/b", "../c").as_deref(), Some("a/c"));
        assert_eq!(found("a", "..").as_deref(), Some(""));
        for path in ["/etc/passwd", "../../x", "../b/../../x"] {
            assert_eq!(found("a", path), None, "{path}");
        }
    }

    #[test]
    fn projects_are_where_dvc_is() {
        assert_eq!(home(".dvc/config".into()), Some("".into()));
        assert_eq!(home("a/b/.dvc/config".into()), Some("a/b".into()));
        assert_eq!(home("a/b.dvc".into()), None);
    }
}
