//! The merge driver: three versions of a `.dvc` file or of `dvc.lock`, merged by what they say.
//!
//! Git merges lines. In these files neighbouring lines are one record, so that two changes which
//! have nothing to do with each other are a conflict of lines, and two that do may be none.

mod dvc_file;
mod install;
mod lock_file;
mod manifests;
mod text;
mod value;

pub use self::install::install_merge_driver;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::yaml::{self, Node, Style, Value};
use ketch_dvc::{DvcFile, FormatError, LockFile, Manifest, ObjectId};
use ketch_store::{StoreError, write_atomically};
use serde::Serialize;

use self::dvc_file::DvcFileMerge;
use self::lock_file::merge_lock_file;
use self::text::{Texts, merged_text, with_markers};
use self::value::{Merged, Pick, Three};
use crate::partial::store_as;
use crate::{Project, ProjectError};

/// The three files that Git gives to a merge driver.
#[derive(Debug, Clone)]
pub struct MergeOptions {
    /// Git's `%O`; empty where both sides made the file.
    pub ancestor: Utf8PathBuf,
    /// Git's `%A`: the result is written here.
    pub ours: Utf8PathBuf,
    /// Git's `%B`.
    pub theirs: Utf8PathBuf,
    /// Git's `%P`, what the file is called; by its content it is told what it is if none.
    pub path: Option<Utf8PathBuf>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergeReport {
    pub path: Utf8PathBuf,
    /// Where both sides changed the same.
    pub conflicts: Vec<MergeConflict>,
    /// Whether the file has marks there; otherwise it is ours as it was.
    pub is_marked: bool,
    /// Directories whose files were merged.
    pub directories: Vec<ObjectId>,
}

/// One thing that both sides changed. A value is none where the thing is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergeConflict {
    pub what: String,
    pub base: Option<String>,
    pub ours: Option<String>,
    pub theirs: Option<String>,
    /// Why it could not be merged and what to do, if that is not plain.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    DvcFile,
    LockFile,
}

/// What is known of objects.
trait Objects {
    fn manifest(&self, id: &ObjectId) -> Result<Manifest, StoreError>;
    /// In bytes, if the object is here.
    fn size(&self, id: &ObjectId) -> Option<u64>;
}

impl Objects for Project {
    fn manifest(&self, id: &ObjectId) -> Result<Manifest, StoreError> {
        self.cache().manifest(id)
    }

    fn size(&self, id: &ObjectId) -> Option<u64> {
        let metadata = fs_err::metadata(self.cache().object_path(id)).ok()?;
        Some(metadata.len())
    }
}

/// Merges the three files and writes the result in the place of ours.
///
/// `.dvc` files are merged by entry, directories by file, `dvc.lock` by stage. The lists of files
/// of merged directories are put into the cache first. What both sides changed differently is
/// reported and marked in the file as Git does it. Takes no lock: Git calls it, perhaps on behalf
/// of somebody who holds the lock, and the cache only grows.
///
/// A file that is not what it should be is merged by lines, and reported; one that is no text stays
/// as ours is.
pub fn merge_driver(
    project: &Project,
    options: &MergeOptions,
) -> Result<MergeReport, ProjectError> {
    let path = options.path.clone().unwrap_or_else(|| options.ours.clone());
    let base = if options.ancestor.exists() {
        fs_err::read(&options.ancestor)?
    } else {
        Vec::new()
    };
    let ours = fs_err::read(&options.ours)?;
    let theirs = fs_err::read(&options.theirs)?;
    let (base, ours, theirs) = match texts([base, ours, theirs]) {
        Ok([base, ours, theirs]) => (base, ours, theirs),
        Err(side) => return Ok(no_text(path, side)),
    };
    let texts = Texts {
        base: &base,
        ours: &ours,
        theirs: &theirs,
    };
    let kind = kind(options.path.as_deref(), &ours);
    let read = || -> Result<[Value; 3], FormatError> {
        Ok([
            read(kind, &base, &format!("{path} (base)"))?,
            read(kind, &ours, &format!("{path} (ours)"))?,
            read(kind, &theirs, &format!("{path} (theirs)"))?,
        ])
    };
    let (text, conflicts, directories) = match read() {
        Ok(values) => merge(project, texts, &values, kind)?,
        Err(error) => {
            let (text, _) = project.git().merge_texts(&base, &ours, &theirs)?;
            let conflict = MergeConflict {
                what: "the whole file".to_owned(),
                base: None,
                ours: None,
                theirs: None,
                reason: Some(format!(
                    "it was merged by lines, as it cannot be read: {error}"
                )),
            };
            (text, vec![conflict], Vec::new())
        }
    };
    write_atomically(&options.ours, text.as_bytes())?;
    Ok(MergeReport {
        path,
        is_marked: !conflicts.is_empty(),
        conflicts,
        directories,
    })
}

/// Base, ours and theirs as text; else which of them is none, in words.
fn texts(versions: [Vec<u8>; 3]) -> Result<[String; 3], &'static str> {
    let [base, ours, theirs] = versions.map(String::from_utf8);
    Ok([
        base.map_err(|_| "the version that both began with")?,
        ours.map_err(|_| "our version")?,
        theirs.map_err(|_| "their version")?,
    ])
}

/// Nothing is written: Git has our version there, and calls it a conflict.
fn no_text(path: Utf8PathBuf, side: &str) -> MergeReport {
    let reason = format!(
        "{side} is no text: `{path}` is ours as it was; `git checkout --theirs {path}` takes theirs"
    );
    MergeReport {
        path,
        conflicts: vec![MergeConflict {
            what: "the whole file".to_owned(),
            base: None,
            ours: None,
            theirs: None,
            reason: Some(reason),
        }],
        is_marked: false,
        directories: Vec::new(),
    }
}

type Outcome = (String, Vec<MergeConflict>, Vec<ObjectId>);

fn merge(
    project: &Project,
    texts: Texts<'_>,
    values: &[Value; 3],
    kind: FileKind,
) -> Result<Outcome, ProjectError> {
    let (merged, conflicts, manifests) = merge_values(project, values, kind);
    let mut directories = Vec::new();
    for (id, manifest) in manifests {
        store_as(project, &id, &manifest)?;
        if !directories.contains(&id) {
            directories.push(id);
        }
    }
    let nothing = || Value::Mapping(indexmap::IndexMap::new());
    let (ours, theirs) = (
        merged.ours.unwrap_or_else(nothing),
        merged.theirs.unwrap_or_else(nothing),
    );
    let text = if conflicts.is_empty() {
        merged_text(project, texts, &ours, kind)?
    } else {
        with_markers(project, texts, &ours, &theirs, kind)?
    };
    Ok((text, conflicts, directories))
}

fn merge_values(
    objects: &dyn Objects,
    values: &[Value; 3],
    kind: FileKind,
) -> (Merged, Vec<MergeConflict>, Vec<(ObjectId, Manifest)>) {
    let [base, ours, theirs] = values.each_ref().map(Some);
    let three = Three { base, ours, theirs };
    let pick = three.pick();
    if pick != Pick::Conflict {
        return (three.take(pick), Vec::new(), Vec::new());
    }
    match kind {
        FileKind::LockFile => {
            let mut conflicts = Vec::new();
            let merged = merge_lock_file(three, &mut conflicts);
            (merged, conflicts, Vec::new())
        }
        FileKind::DvcFile => {
            let mut merge = DvcFileMerge {
                objects,
                conflicts: Vec::new(),
                manifests: Vec::new(),
            };
            let merged = merge.file(three);
            (merged, merge.conflicts, merge.manifests)
        }
    }
}

fn kind(path: Option<&Utf8Path>, text: &str) -> FileKind {
    let is_lock = match path {
        Some(path) => path.extension() == Some("lock"),
        None => LockFile::parse(text, "").is_ok_and(|lock| !lock.stages().is_empty()),
    };
    if is_lock {
        FileKind::LockFile
    } else {
        FileKind::DvcFile
    }
}

/// The value of a text that is what it should be; an empty one is an empty mapping.
fn read(kind: FileKind, text: &str, name: &str) -> Result<Value, FormatError> {
    match kind {
        FileKind::DvcFile => drop(DvcFile::parse(text, name)?),
        FileKind::LockFile => drop(LockFile::parse(text, name)?),
    }
    Ok(match text_value(text, name)? {
        Value::Null => Value::Mapping(indexmap::IndexMap::new()),
        value => value,
    })
}

/// The value of a text in which hashes are text, also one of digits only that nobody quoted.
fn text_value(text: &str, name: &str) -> Result<Value, FormatError> {
    fn value(text: &str, node: &Node) -> Value {
        if let Some(items) = node.items() {
            return Value::Sequence(items.iter().map(|item| value(text, item)).collect());
        }
        let Some(entries) = node.entries() else {
            return node.to_value();
        };
        let entries = entries.iter().map(|entry| {
            let is_hash = ["md5", "etag", "checksum"].contains(&entry.key.as_str());
            let (span, style) = (entry.value.span(), entry.value.style());
            let written = text.get(span.start..span.end).unwrap_or_default().trim();
            let value = if is_hash && style == Style::Plain && !written.is_empty() {
                written.into()
            } else {
                value(text, &entry.value)
            };
            (entry.key.clone(), value)
        });
        Value::Mapping(entries.collect())
    }
    Ok(value(text, &yaml::parse(text, name)?))
}
