//! Data as a tree of paths and hashes, and what differs between two of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::{Reporter, hash_directory};

use crate::content::{self, legacy_content};
use crate::snapshot::Recorded;
use crate::versioned::manifest_of;
use crate::{Project, ProjectError};

/// How deep a tree looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Outputs only; a directory is one thing.
    #[default]
    Outputs,
    /// The files in directories too.
    Files,
}

/// Paths relative to the root, by component, each with its hash.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) items: BTreeMap<Utf8PathBuf, ObjectId>,
    /// Directories whose files are not known, because the cache has lost the manifest.
    unknown: BTreeSet<Utf8PathBuf>,
}

/// One path held against its other state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    Added(Utf8PathBuf, ObjectId),
    Deleted(Utf8PathBuf, ObjectId),
    Modified(Utf8PathBuf, ObjectId, ObjectId),
    Renamed(Utf8PathBuf, Utf8PathBuf, ObjectId),
    Unchanged(Utf8PathBuf, ObjectId),
    /// In a directory of which one side cannot be told.
    Unknown(Utf8PathBuf),
}

impl Tree {
    /// What is recorded.
    pub(crate) fn recorded(project: &Project, outputs: &[Recorded], depth: Depth) -> Self {
        let mut tree = Self::default();
        for output in outputs {
            let Some(id) = &output.entry.md5 else {
                continue;
            };
            tree.items.insert(output.path.clone(), id.clone());
            if depth == Depth::Outputs || !id.is_directory() {
                continue;
            }
            match manifest_of(project, &output.entry, id) {
                Ok(manifest) => tree.items.extend(
                    manifest
                        .entries()
                        .iter()
                        .map(|entry| (output.path.join(&entry.relpath), entry.md5.clone())),
                ),
                Err(_) => _ = tree.unknown.insert(output.path.clone()),
            }
        }
        tree
    }

    /// What is in the work tree at these outputs.
    pub(crate) fn workspace(
        project: &Project,
        outputs: &[Recorded],
        depth: Depth,
        reporter: &dyn Reporter,
    ) -> Result<Self, ProjectError> {
        let mut tree = Self::default();
        for output in outputs {
            let path = project.root().join(&output.path);
            // By the hash of the record: files that did not change are seen not to have.
            if output.entry.md5.as_ref().is_some_and(ObjectId::is_legacy) {
                if depth == Depth::Files && path.is_dir() {
                    let root = project.root();
                    let (id, manifest, _) =
                        project.cache().legacy_directory(root, &path, reporter)?;
                    tree.items.insert(output.path.clone(), id);
                    tree.items.extend(
                        manifest
                            .entries()
                            .iter()
                            .map(|entry| (output.path.join(&entry.relpath), entry.md5.clone())),
                    );
                } else if let Some(content) = legacy_content(project, &path, reporter)? {
                    tree.items.insert(output.path.clone(), content.id);
                }
                continue;
            }
            if depth == Depth::Files && path.is_dir() {
                let (manifest, _) = hash_directory(project.root(), &path, reporter)?;
                tree.items.insert(output.path.clone(), manifest.id());
                tree.items.extend(
                    manifest
                        .entries()
                        .iter()
                        .map(|entry| (output.path.join(&entry.relpath), entry.md5.clone())),
                );
            } else if let Some(content) = content::content(project, &path, reporter)? {
                tree.items.insert(output.path.clone(), content.id);
            }
        }
        Ok(tree)
    }

    /// Only what `keep` accepts.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Utf8Path) -> bool) {
        self.items.retain(|path, _| keep(path));
    }

    fn hides(&self, path: &Utf8Path) -> bool {
        path.ancestors()
            .skip(1)
            .any(|above| self.unknown.contains(above))
    }
}

/// Every path of either tree, ordered by path. Of what was added and deleted, the same content is
/// a rename; in the order of the paths where there are several.
pub(crate) fn compare(old: &Tree, new: &Tree) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut gone: HashMap<&ObjectId, VecDeque<&Utf8PathBuf>> = HashMap::new();
    for (path, id) in &old.items {
        if old.hides(path) || new.hides(path) {
            if new.items.contains_key(path) {
                found.push(Difference::Unknown(path.clone()));
            }
            continue;
        }
        match new.items.get(path) {
            None => gone.entry(id).or_default().push_back(path),
            Some(now) if now == id => found.push(Difference::Unchanged(path.clone(), id.clone())),
            Some(now) => found.push(Difference::Modified(path.clone(), id.clone(), now.clone())),
        }
    }
    for (path, id) in &new.items {
        if old.items.contains_key(path) {
            continue;
        }
        if old.hides(path) || new.hides(path) {
            found.push(Difference::Unknown(path.clone()));
            continue;
        }
        match gone.get_mut(id).and_then(VecDeque::pop_front) {
            Some(before) => found.push(Difference::Renamed(
                before.clone(),
                path.clone(),
                id.clone(),
            )),
            None => found.push(Difference::Added(path.clone(), id.clone())),
        }
    }
    for (path, id) in &old.items {
        if gone.get(id).is_some_and(|left| left.contains(&path)) {
            found.push(Difference::Deleted(path.clone(), id.clone()));
        }
    }
    found.sort_by(|left, right| left.path().cmp(right.path()));
    found
}

impl Difference {
    fn path(&self) -> &Utf8Path {
        match self {
            Self::Added(path, _)
            | Self::Deleted(path, _)
            | Self::Modified(path, _, _)
            | Self::Renamed(path, _, _)
            | Self::Unchanged(path, _)
            | Self::Unknown(path) => path,
        }
    }
}

/// A path as DVC shows it: a directory ends with a slash.
pub(crate) fn shown(path: &Utf8Path, id: &ObjectId) -> String {
    if id.is_directory() {
        format!("{path}/")
    } else {
        path.to_string()
    }
}

/// Which paths the targets choose: outputs, what is in them, `.dvc` files and stages. Fails for a
/// target that chooses nothing.
pub(crate) fn chosen(
    project: &Project,
    outputs: &[Recorded],
    targets: &[String],
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let mut paths = Vec::new();
    for target in targets {
        let place = crate::paths::join(project.root(), target);
        let below = project.shown(&place);
        let before = paths.len();
        for output in outputs {
            if output.stage.as_ref() == Some(target) || output.file == below {
                paths.push(output.path.clone());
            } else if below.starts_with(&output.path) || output.path.starts_with(&below) {
                paths.push(below.clone());
            }
        }
        if paths.len() == before {
            return Err(ProjectError::UnknownTarget {
                name: target.clone(),
                suggestion: None,
            });
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(items: &[(&str, u8)]) -> Tree {
        let items = items
            .iter()
            .map(|(path, digest)| ((*path).into(), ObjectId::file_from_digest([*digest; 16])))
            .collect();
        Tree {
            items,
            unknown: BTreeSet::new(),
        }
    }

    #[test]
    fn renames_pair_in_the_order_of_paths() {
        let old = tree(&[("a", 1), ("b", 1), ("c", 2), ("same", 3)]);
        let new = tree(&[("x", 1), ("c", 4), ("same", 3), ("y", 5)]);
        let id = |digest| ObjectId::file_from_digest([digest; 16]);
        assert_eq!(
            compare(&old, &new),
            [
                Difference::Renamed("a".into(), "x".into(), id(1)),
                Difference::Deleted("b".into(), id(1)),
                Difference::Modified("c".into(), id(2), id(4)),
                Difference::Unchanged("same".into(), id(3)),
                Difference::Added("y".into(), id(5)),
            ]
        );
    }

    #[test]
    fn what_is_in_a_lost_directory_is_neither_added_nor_deleted() {
        let mut old = tree(&[("d", 1)]);
        old.unknown.insert("d".into());
        let new = tree(&[("d", 2), ("d/x", 3)]);
        let differences = compare(&old, &new);
        assert!(matches!(differences[0], Difference::Modified(..)));
        assert_eq!(differences[1], Difference::Unknown("d/x".into()));
    }
}
