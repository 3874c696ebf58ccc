//! Which environment made which result; and the documents of the environments.
//!
//! Each result has an empty file whose name says everything: what `dvc.lock` says of the stage, the
//! environment, and the stage. So reading them is listing a directory, and Git merges them without
//! a conflict whatever was run on which branch: a file is there or it is not. Where two people made
//! the same result in two environments, both files are there, and both are true. Documents are never
//! removed: where two people put another one in the place of one, Git would see a file that was
//! renamed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::StageLock;
use ketch_store::{Durability, hash_bytes, write_atomically, write_atomically_with};

use super::document::{Environment, EnvironmentId};
use super::machine::listing;
use super::present::Captured;
use crate::paths::{read_if_there, remove};
use crate::stage::{Index, Stage};
use crate::{CommitId, Project, ProjectError};

pub(crate) const DOCUMENTS: &str = ".ketch-environments";
const RESULTS: &str = ".ketch-environments/results";

/// The longest name of a stage in the name of a file, in bytes: with the rest it is below 255.
const LONGEST_STAGE: usize = 180;

/// What made the results of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Makers {
    /// All that is recorded, by name of the file.
    entries: BTreeSet<Entry>,
}

/// The name of a file: `RESULT-ENVIRONMENT-STAGE`. The file is empty: Git would take one with
/// something in it for another one renamed, and see conflicts where there are none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The MD5 of what `dvc.lock` says of the stage. Where it says something else now, somebody
    /// else made the result.
    result: EnvironmentId,
    environment: EnvironmentId,
    /// See [`stage_name`].
    stage: String,
}

impl Entry {
    fn new(stage: &Stage, result: &StageLock, environment: EnvironmentId) -> Self {
        Self {
            result: result_id(result),
            environment,
            stage: stage_name(&stage.address),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        Some(Self {
            result: EnvironmentId::parse(parts.next()?)?,
            environment: EnvironmentId::parse(parts.next()?)?,
            stage: parts.next()?.to_owned(),
        })
    }

    fn path(&self, project: &Project) -> Utf8PathBuf {
        let Self {
            result,
            environment,
            stage,
        } = self;
        let name = format!("{result}-{environment}-{stage}");
        project.root().join(RESULTS).join(name)
    }
}

impl Makers {
    /// Those of the work tree.
    pub(crate) fn read(project: &Project) -> Self {
        let names = listing(&project.root().join(RESULTS));
        let entries = names
            .iter()
            .filter_map(|path| Entry::parse(path.file_name()?));
        Self {
            entries: entries.collect(),
        }
    }

    /// Whether nothing is known of any result.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Those of a commit, by the address of the stage.
    pub(super) fn at(
        project: &Project,
        commit: &CommitId,
    ) -> Result<BTreeMap<String, BTreeSet<EnvironmentId>>, ProjectError> {
        let folder = format!("{RESULTS}/");
        let arguments = [
            "ls-tree",
            "-z",
            "--name-only",
            commit.as_str(),
            "--",
            &folder,
        ];
        let listing = project.git().run(&arguments)?;
        let mut found: BTreeMap<String, BTreeSet<EnvironmentId>> = BTreeMap::new();
        for path in listing.split('\0') {
            if let Some(entry) = Utf8Path::new(path).file_name().and_then(Entry::parse) {
                let of_stage = found.entry(address(&entry.stage)).or_default();
                of_stage.insert(entry.environment);
            }
        }
        Ok(found)
    }

    /// What made the result that `dvc.lock` has of a stage; empty if that is not known.
    pub(crate) fn of(&self, stage: &Stage, index: &Index) -> BTreeSet<EnvironmentId> {
        let Some(result) = index.recorded(stage).filter(|_| !self.is_empty()) else {
            return BTreeSet::new();
        };
        let (name, result) = (stage_name(&stage.address), result_id(result));
        self.entries
            .iter()
            .filter(|entry| entry.stage == name && entry.result == result)
            .map(|entry| entry.environment.clone())
            .collect()
    }

    /// Records what results were made in, and forgets what was made before and stages that there
    /// are no more. The project's lock has to be held.
    pub(crate) fn record(
        project: &Project,
        index: &Index,
        made: &[(&Stage, &StageLock, &Captured)],
    ) -> Result<(), ProjectError> {
        let mut makers = Self::read(project);
        let stages = index.stages.iter();
        let known: BTreeSet<String> = stages.map(|stage| stage_name(&stage.address)).collect();
        let mut stale: Vec<Entry> = Vec::new();
        makers.keep(&mut stale, |entry| known.contains(&entry.stage));
        for (stage, result, captured) in made {
            let document = document_path(project, &captured.id);
            if !document.exists() {
                write_atomically(&document, captured.text.as_bytes())?;
            }
            let new = Entry::new(stage, result, captured.id.clone());
            makers.keep(&mut stale, |entry| {
                entry.stage != new.stage || *entry == new
            });
            if makers.entries.insert(new.clone()) {
                // Losing it loses where the result is from, not the result.
                write_atomically_with(&new.path(project), b"", Durability::Buffered)?;
            }
        }
        for entry in &stale {
            remove(&entry.path(project))?;
        }
        if project.autostage() {
            project.git().add(&[DOCUMENTS.into()])?;
        }
        Ok(())
    }

    /// Keeps those that are wanted; the others are put to `stale`.
    fn keep(&mut self, stale: &mut Vec<Entry>, wanted: impl Fn(&Entry) -> bool) {
        let (kept, others) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition::<Vec<_>, _>(wanted);
        self.entries = kept.into_iter().collect();
        stale.extend(others);
    }
}

/// A stage's address as part of a file's name: what is no letter, digit or one of `_@.` is written
/// as in URLs; one that is too long by `%` and its MD5.
fn stage_name(address: &str) -> String {
    let mut name = String::new();
    for byte in address.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'.') {
            name.push(char::from(byte));
        } else {
            // Writing into text does not fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.len() > LONGEST_STAGE {
        return format!("%{}", hash_bytes(address.as_bytes()).hex());
    }
    name
}

/// The address that [`stage_name`] stands for; itself where it is no such name.
fn address(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        match u8::from_str_radix(digits, 16) {
            Ok(byte) if name.len() <= LONGEST_STAGE && !is_hashed(name) => bytes.push(byte),
            _ => return name.to_owned(),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

fn is_hashed(name: &str) -> bool {
    name.strip_prefix('%')
        .is_some_and(|digits| EnvironmentId::parse(digits).is_some())
}

/// A document of the work tree, or else of a commit.
pub(super) fn document(
    project: &Project,
    id: &EnvironmentId,
    commit: Option<&CommitId>,
) -> Result<Environment, ProjectError> {
    let path = document_path(project, id);
    let shown = project.shown(&path);
    let text = match (read_if_there(&path)?, commit) {
        (Some(text), _) => text,
        (None, Some(commit)) => project.git().show(commit, &shown)?,
        (None, None) => {
            return Err(ProjectError::EnvironmentDocument {
                path: shown,
                message: "it is not there".to_owned(),
            });
        }
    };
    if EnvironmentId::of(&text) != *id {
        return Err(ProjectError::EnvironmentDocument {
            path: shown,
            message: "it is not what its name says, so it was changed".to_owned(),
        });
    }
    Environment::parse(&text, shown.as_str())
}

fn document_path(project: &Project, id: &EnvironmentId) -> Utf8PathBuf {
    project.root().join(DOCUMENTS).join(format!("{id}.json"))
}

/// Names what an entry of `dvc.lock` says, without where versions of the outputs are.
fn result_id(entry: &StageLock) -> EnvironmentId {
    let mut entry = entry.clone();
    for output in entry.deps.iter_mut().chain(&mut entry.outs) {
        (output.files, output.cloud) = (None, None);
    }
    EnvironmentId::of(&entry.to_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_everything_and_others_are_left_alone() {
        let id = "0123456789abcdef0123456789abcdef";
        for stage in ["train", "sub/dvc.yaml:train", "fit@a-b", "größer", "a%2Fb"] {
            let name = stage_name(stage);
            let entry = Entry::parse(&format!("{id}-{id}-{name}")).unwrap();
            assert_eq!(entry.environment.as_str(), id);
            assert_eq!(address(&entry.stage), stage);
        }
        for other in [
            "",
            "README",
            id,
            &format!("{id}-{id}"),
            &format!("0-{id}-x"),
        ] {
            assert!(Entry::parse(other).is_none(), "{other}");
        }
        assert_eq!(address("a%"), "a%");
        assert_eq!(address("a%ZZ"), "a%ZZ");
    }

    #[test]
    fn long_addresses_fit_into_a_name() {
        let name = stage_name(&"ä".repeat(300));
        assert!(name.len() < LONGEST_STAGE, "{name}");
        assert_eq!(address(&name), name);
        assert_ne!(name, stage_name(&"ä".repeat(301)));
    }
}
