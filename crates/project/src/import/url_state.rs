//! What a server says of files, and what DVC records of that.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value};
use ketch_dvc::{ObjectId, OutputEntry};
use ketch_store::hash_bytes;
use ketch_store::remote::{ObjectFacts, ObjectVersion};

/// How DVC calls what tells versions apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateKey {
    Etag,
    /// `WebDAV`: an etag too, but the names that DVC 3.67 hashes with those of a directory lack the
    /// first two characters of their folders (it takes the root for one character and a slash).
    WebdavEtag,
    /// HTTP: DVC keeps the header as it is, or makes a number of what else it knows.
    Checksum,
}

/// What a server says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) facts: ObjectFacts,
    /// Which version it is, where that is asked for and known.
    pub(super) version_id: Option<String>,
}

impl FileState {
    pub(super) fn of_facts(facts: ObjectFacts) -> Self {
        Self {
            facts,
            version_id: None,
        }
    }

    pub(super) fn of_version(version: ObjectVersion) -> Self {
        Self {
            facts: ObjectFacts {
                size: version.size,
                etag: version.etag,
                ..ObjectFacts::default()
            },
            version_id: Some(version.version_id),
        }
    }
}

/// What a server says of a file, or of each file of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteState {
    pub(super) directory: bool,
    /// By path below; empty for a file by itself.
    pub(super) files: BTreeMap<String, FileState>,
}

impl RemoteState {
    /// What a dependency records; none if it records no versions.
    pub(super) fn recorded(dependency: &OutputEntry) -> Option<Self> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        if let Some(items) = dependency.files.as_ref().and_then(Value::as_sequence) {
            let files = items.iter().map(|item| {
                let fields = item.as_mapping()?;
                let size = match fields.get("size")? {
                    Value::Int(size) => u64::try_from(*size).ok()?,
                    _ => return None,
                };
                let file = FileState {
                    facts: ObjectFacts {
                        size,
                        etag: text(fields.get("etag")),
                        ..ObjectFacts::default()
                    },
                    version_id: Some(text(fields.get("version_id"))?),
                };
                Some((text(fields.get("relpath"))?, file))
            });
            return Some(Self {
                directory: true,
                files: files.collect::<Option<_>>()?,
            });
        }
        let file = FileState {
            facts: ObjectFacts {
                size: dependency.size?,
                etag: dependency.etag.clone(),
                ..ObjectFacts::default()
            },
            version_id: Some(dependency.version_id.clone()?),
        };
        Some(Self {
            directory: false,
            files: BTreeMap::from([(String::new(), file)]),
        })
    }

    /// Whether what it says cannot change any more.
    pub(super) fn is_versioned(&self) -> bool {
        self.files.values().all(|file| file.version_id.is_some())
    }

    /// Writes it into a dependency.
    pub(super) fn describe(&self, key: StateKey, url: &str, entry: &mut OutputEntry) {
        entry.size = Some(self.files.values().map(|file| file.facts.size).sum());
        if self.directory {
            entry.nfiles = Some(self.files.len() as u64);
            entry.md5 = Some(self.tree_id(key, url));
        } else if let Some(file) = self.files.values().next() {
            let name = Some(version(url, &file.facts));
            match key {
                StateKey::Etag | StateKey::WebdavEtag => entry.etag = name,
                StateKey::Checksum => entry.checksum = name,
            }
            entry.version_id.clone_from(&file.facts.version_id);
        }
    }

    /// [`describe`](Self::describe) with versions: of a directory every file.
    pub(super) fn describe_versions(&self, key: StateKey, url: &str, entry: &mut OutputEntry) {
        if !self.directory {
            self.describe(key, url, entry);
            let file = self.files.values().next();
            entry.version_id = file.and_then(|file| file.version_id.clone());
            return;
        }
        let items = self.files.iter().map(|(relpath, file)| {
            let mut fields = IndexMap::new();
            let mut put = |name: &str, value| fields.insert(Key::from(name), value);
            put("relpath", Value::String(relpath.clone()));
            put(key.word(), Value::String(version(url, &file.facts)));
            if let Ok(size) = i64::try_from(file.facts.size) {
                put("size", Value::Int(size));
            }
            if let Some(id) = &file.version_id {
                put("version_id", Value::String(id.clone()));
            }
            Value::Mapping(fields)
        });
        entry.files = Some(Value::Sequence(items.collect()));
    }

    /// The id of a directory at a URL: a manifest with the versions of its files, which is kept
    /// nowhere.
    fn tree_id(&self, key: StateKey, url: &str) -> ObjectId {
        let mut files: Vec<(String, &FileState)> = self
            .files
            .iter()
            .map(|(relpath, file)| (key.name(relpath), file))
            .collect();
        files.sort_by(|left, right| left.0.cmp(&right.0));
        let items = files.into_iter().map(|(name, file)| {
            let version = version(url, &file.facts);
            Value::Mapping(IndexMap::from([
                (Key::from(key.word()), Value::String(version)),
                (Key::from("relpath"), Value::String(name)),
            ]))
        });
        let json = Value::Sequence(items.collect()).to_sorted_json();
        hash_bytes(json.unwrap_or_default().as_bytes()).as_directory()
    }
}

impl StateKey {
    fn word(self) -> &'static str {
        match self {
            Self::Etag | Self::WebdavEtag => "etag",
            Self::Checksum => "checksum",
        }
    }

    /// What a file of a directory is called where its version is hashed.
    fn name(self, relpath: &str) -> String {
        match relpath.rsplit_once('/') {
            Some((folder, name)) if self == Self::WebdavEtag => {
                let cut: String = folder.chars().skip(2).collect();
                format!("{cut}/{name}")
            }
            _ => relpath.to_owned(),
        }
    }
}

/// Whether two records of one place say that nothing changed there. The checksum of HTTP loses its
/// case when DVC reads it. Of a directory with versions, content counts: the same bytes sent again
/// are nothing new.
pub(super) fn same_state(left: &OutputEntry, right: &OutputEntry) -> bool {
    let listed = |entry: &OutputEntry| -> Option<Vec<(String, String)>> {
        let items = entry.files.as_ref()?.as_sequence()?.iter();
        let text =
            |item: &Value, key: &str| Some(item.as_mapping()?.get(key)?.as_str()?.to_owned());
        items
            .map(|item| Some((text(item, "relpath")?, text(item, "etag")?)))
            .collect()
    };
    if left.files.is_some() || right.files.is_some() {
        return listed(left).is_some() && listed(left) == listed(right);
    }
    let checksum = |entry: &OutputEntry| entry.checksum.as_ref().map(|text| text.to_lowercase());
    left.md5 == right.md5
        && left.etag == right.etag
        && left.version_id == right.version_id
        && checksum(left) == checksum(right)
        && (left.md5.is_some() || left.etag.is_some() || left.checksum.is_some())
}

/// What tells this version of a file from others.
fn version(url: &str, facts: &ObjectFacts) -> String {
    match (&facts.etag, &facts.content_md5) {
        (Some(etag), _) => etag.clone(),
        (None, Some(md5)) => md5.clone(),
        // A number of what else is known, as DVC has one; its own is of Python objects.
        (None, None) => {
            let known = format!(
                "{url}\n{}\n{}",
                facts.size,
                facts.modified.as_deref().unwrap_or_default()
            );
            let digest = u128::from_str_radix(hash_bytes(known.as_bytes()).hex(), 16);
            digest.unwrap_or_default().to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_dvc() {
        let facts = ObjectFacts {
            size: 3,
            etag: Some("\"abc-DEF\"".to_owned()),
            ..ObjectFacts::default()
        };
        assert_eq!(version("", &facts), "\"abc-DEF\"");
        let bare = ObjectFacts::default();
        let number = version("https://h/x", &bare);
        assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{number}");
        assert_eq!(StateKey::Etag.name("sub/dir/x"), "sub/dir/x");
        // As in the trees of DVC 3.67.1 with dvc-webdav 3.0.1.
        for (relpath, name) in [("a", "a"), ("s/b", "/b"), ("sub/dir/x", "b/dir/x")] {
            assert_eq!(StateKey::WebdavEtag.name(relpath), name);
        }
        let mut left = OutputEntry::new("x");
        assert!(!same_state(&left, &left.clone()));
        left.checksum = Some("\"abc-DEF\"".to_owned());
        let mut right = left.clone();
        right.checksum = Some("\"abc-def\"".to_owned());
        assert!(same_state(&left, &right));
    }

    #[test]
    fn a_directory_is_recorded_file_by_file() {
        let file = |etag: &str, id: &str| {
            FileState::of_version(ObjectVersion {
                version_id: id.to_owned(),
                etag: Some(etag.to_owned()),
                size: 3,
            })
        };
        let state = |id: &str| RemoteState {
            directory: true,
            files: BTreeMap::from([
                ("a".to_owned(), file("e1", id)),
                ("s/b".to_owned(), file("e2", "2")),
            ]),
        };
        let mut entry = OutputEntry::new("s3://b/x");
        state("1").describe_versions(StateKey::Etag, "s3://b/x", &mut entry);
        assert_eq!((&entry.md5, entry.size, entry.nfiles), (&None, None, None));
        assert_eq!(RemoteState::recorded(&entry), Some(state("1")));
        let mut again = OutputEntry::new("s3://b/x");
        state("7").describe_versions(StateKey::Etag, "s3://b/x", &mut again);
        assert!(same_state(&entry, &again));
        again.files = Some(Value::Sequence(Vec::new()));
        assert!(!same_state(&entry, &again));
        assert_eq!(RemoteState::recorded(&OutputEntry::new("x")), None);
    }
}
