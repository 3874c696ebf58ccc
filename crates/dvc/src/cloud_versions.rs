//! What `.dvc` files and `dvc.lock` record of remotes that keep versions: `cloud:` and `files:`.
//!
//! A file has `cloud: {REMOTE: {etag, version_id}}`, of one remote at most. A directory has no hash
//! but its files, sorted by path, each with `relpath`, `md5`, `size` and `cloud`; its id follows from
//! them.

use indexmap::IndexMap;

use crate::output_entry::Fields;
use crate::schema::Source;
use crate::yaml::{Key, Node, Value};
use crate::{FormatError, Manifest, ManifestEntry, ObjectId, OutputEntry};

/// One version of one object on a remote that keeps versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudVersion {
    /// The remote's name.
    pub remote: String,
    pub version_id: Option<String>,
    /// Without the quotation marks around it.
    pub etag: Option<String>,
}

/// One file of a directory that is recorded file by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedFile {
    /// Below the directory, with forward slashes.
    pub relpath: String,
    pub md5: ObjectId,
    /// In bytes.
    pub size: Option<u64>,
    /// None where it was not pushed yet.
    pub version: Option<CloudVersion>,
}

/// What DVC knows in an item of `files`.
const FILE_KEYS: &[&str] = &[
    "relpath",
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "isexec",
    "version_id",
    "cloud",
];

impl OutputEntry {
    /// The version that is recorded of a single file.
    pub fn cloud_version(&self) -> Option<CloudVersion> {
        self.cloud.as_ref().and_then(version_of)
    }

    /// Records the version of a single file, or none.
    pub fn set_cloud_version(&mut self, version: Option<&CloudVersion>) {
        self.cloud = version.map(version_value);
    }

    /// The files of a directory that is recorded file by file; none of any other, nor where a file
    /// has no MD5.
    pub fn versioned_files(&self) -> Option<Vec<VersionedFile>> {
        let items = self.files.as_ref()?.as_sequence()?;
        if items.is_empty() {
            // What DVC 3.67 leaves of a directory after a push to a second remote: nothing.
            return None;
        }
        items
            .iter()
            .map(|item| {
                let fields = item.as_mapping()?;
                let md5 = ObjectId::parse(fields.get("md5")?.as_str()?).ok()?;
                Some(VersionedFile {
                    relpath: fields.get("relpath")?.as_str()?.to_owned(),
                    md5: if self.hash.is_some() {
                        md5
                    } else {
                        md5.as_legacy()
                    },
                    size: match fields.get("size") {
                        Some(Value::Int(size)) => u64::try_from(*size).ok(),
                        _ => None,
                    },
                    version: fields.get("cloud").and_then(version_of),
                })
            })
            .collect()
    }

    /// Records a directory file by file, in the order of their paths. Its hash, size and number of
    /// files follow from them.
    ///
    /// # Errors
    ///
    /// As [`Manifest::new`].
    pub fn set_versioned_files(
        &mut self,
        mut files: Vec<VersionedFile>,
    ) -> Result<(), FormatError> {
        files.sort_by(|left, right| left.relpath.cmp(&right.relpath));
        self.cloud = None;
        self.files = Some(Value::Sequence(files.iter().map(file_value).collect()));
        self.md5 = None;
        (self.size, self.nfiles) = (None, None);
        self.derive_state()
    }

    /// The manifest of a directory that is recorded file by file.
    pub fn versioned_manifest(&self) -> Option<Manifest> {
        manifest(&self.versioned_files()?).ok()
    }

    /// Whether what the content was is recorded by its files and not by a hash.
    pub(crate) fn is_recorded_by_files(&self) -> bool {
        let items = self.files.as_ref().and_then(Value::as_sequence);
        items.is_some_and(|items| !items.is_empty())
    }

    /// Takes hash, size and number of files from `files`, where there are any.
    pub(crate) fn derive_state(&mut self) -> Result<(), FormatError> {
        if self.md5.is_some() {
            return Ok(());
        }
        let Some(files) = self.versioned_files() else {
            return Ok(());
        };
        self.md5 = Some(manifest(&files)?.id());
        if self.hash.is_none() {
            self.md5 = self.md5.take().map(|id| id.as_legacy());
        }
        self.size = files.iter().map(|file| file.size).sum();
        self.nfiles = Some(files.len() as u64);
        Ok(())
    }
}

fn manifest(files: &[VersionedFile]) -> Result<Manifest, FormatError> {
    let legacy = files.iter().any(|file| file.md5.is_legacy());
    let entries = files.iter().map(|file| ManifestEntry {
        md5: file.md5.clone(),
        relpath: file.relpath.clone(),
    });
    let manifest = Manifest::new(entries.collect())?;
    Ok(if legacy {
        manifest.into_legacy()
    } else {
        manifest
    })
}

/// Reads `files`. What is a hash or an id stays the text that it was.
pub(crate) fn read_files(source: Source<'_>, node: &Node) -> Result<Value, FormatError> {
    const PLACE: &str = "an item of `files`";
    let mut files = Vec::new();
    for item in source.items(node, "files")? {
        let mut fields = IndexMap::new();
        for entry in source.mapping(item, PLACE)? {
            let (key, value) = (entry.key.as_str(), &entry.value);
            if !FILE_KEYS.contains(&key) {
                return Err(source.unknown_key(entry, PLACE, FILE_KEYS));
            }
            let value = match key {
                "relpath" => Value::String(source.string(value, key)?),
                "md5" => match source.checksum(value, key)? {
                    Some(text) => {
                        ObjectId::parse(&text).map_err(|cause| {
                            source.error(value.span(), format!("`md5` {}", cause.message()))
                        })?;
                        Value::String(text.to_lowercase())
                    }
                    None => Value::Null,
                },
                "cloud" => {
                    source.entries(value, key)?;
                    value.to_value()
                }
                _ => value.to_value(),
            };
            fields.insert(entry.key.clone(), value);
        }
        if !fields.contains_key("relpath") {
            let error = source.error(item.span(), format!("{PLACE} has no `relpath`"));
            return Err(error.with_hint("add `relpath: …`"));
        }
        files.push(Value::Mapping(fields));
    }
    Ok(Value::Sequence(files))
}

fn version_of(cloud: &Value) -> Option<CloudVersion> {
    let (remote, facts) = cloud.as_mapping()?.first()?;
    let facts = facts.as_mapping()?;
    let text = |key: &str| match facts.get(key)? {
        Value::String(text) | Value::BigInt(text) if !text.is_empty() => Some(text.clone()),
        // Google counts its versions.
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    };
    Some(CloudVersion {
        remote: remote.as_str().to_owned(),
        version_id: text("version_id"),
        etag: text("etag"),
    })
}

fn version_value(version: &CloudVersion) -> Value {
    let mut facts = Fields::default();
    facts.put("etag", version.etag.clone());
    facts.put("version_id", version.version_id.clone());
    let remote = Key::from(version.remote.as_str());
    Value::Mapping(IndexMap::from([(remote, Value::Mapping(facts.fields))]))
}

fn file_value(file: &VersionedFile) -> Value {
    let mut fields = Fields::default();
    fields.put("relpath", Some(file.relpath.clone()));
    fields.put("md5", Some(file.md5.hex().to_owned()));
    fields.put("size", file.size);
    fields.put("cloud", file.version.as_ref().map(version_value));
    Value::Mapping(fields.fields)
}

#[cfg(test)]
mod tests {
    use crate::{DvcFile, LockFile, ObjectId};

    /// As DVC 3.67.1 with dvc-s3 3.3.0 wrote it.
    const DIRECTORY: &str = "\
# mine
outs:
- hash: md5
  path: d
  files:
  - relpath: s/y # note
    md5: 26ab0db90d72e28ad0ba1e22ee510510
    size: 2
    cloud:
      ver:
        etag: 26ab0db90d72e28ad0ba1e22ee510510
        version_id: 671555c164685e6511e61d522ae2bed5
  - relpath: x
    md5: b026324c6904b2a9cb4b88d6d61c81d1
    size: 2
    cloud:
      ver:
        etag: b026324c6904b2a9cb4b88d6d61c81d1
        version_id: 671555c1646bea6d430be787af7de446
";

    #[test]
    fn a_directory_is_its_files() {
        let mut file = DvcFile::parse(DIRECTORY, "d.dvc").unwrap();
        let entry = &file.outs[0];
        // The directory's object that DVC had put into its cache for the same files.
        let id = ObjectId::parse("cf3997d11c7c790ed92e4fafb3a2f9d0.dir").unwrap();
        let manifest = entry.versioned_manifest().unwrap();
        assert_eq!(entry.md5, Some(manifest.id()));
        assert_eq!(entry.md5.as_ref(), Some(&id));
        assert_eq!((entry.size, entry.nfiles), (Some(4), Some(2)));
        assert_eq!(file.update_text(DIRECTORY), DIRECTORY);
        assert_eq!(
            file.to_text(),
            DIRECTORY.replace("# mine\n", "").replace(" # note", "")
        );
        let mut files = entry.versioned_files().unwrap();
        files.reverse();
        files[0].version = None;
        file.outs[0].set_versioned_files(files).unwrap();
        assert_eq!(file.outs[0].md5, Some(id));
        let cut = DIRECTORY
            .find("    cloud:\n      ver:\n        etag: b026")
            .unwrap();
        assert_eq!(file.update_text(DIRECTORY), DIRECTORY[..cut]);
    }

    #[test]
    fn a_lock_keeps_its_order() {
        let text = "\
schema: '2.0'
stages:
  make:
    cmd: make
    outs:
    - path: o
      hash: md5
      files:
      - relpath: a
        md5: 3494a24e3892ed7e2fc3749c0e22a2f6
        size: 5
        cloud:
          ver:
            etag: 3494a24e3892ed7e2fc3749c0e22a2f6
            version_id: 671555c16486286ddf1aafb389a588db
    - path: out.txt
      hash: md5
      md5: 9a8ad92c50cae39aa2c5604fd0ab6d8c
      size: 2
      cloud:
        ver:
          etag: 9a8ad92c50cae39aa2c5604fd0ab6d8c
          version_id: 671555c165891874747309cdee27d77e
";
        let mut lock = LockFile::parse(text, "dvc.lock").unwrap();
        let mut stage = lock.stages()["make"].clone();
        let version = stage.outs[1].cloud_version().unwrap();
        assert_eq!(version.remote, "ver");
        stage.outs[1].set_cloud_version(None);
        stage.outs[1].set_cloud_version(Some(&version));
        let files = stage.outs[0].versioned_files().unwrap();
        stage.outs[0].set_versioned_files(files).unwrap();
        lock.set_stage("make", stage);
        assert_eq!(lock.to_text(), text);
    }

    #[test]
    fn what_is_no_directory_is_refused_or_left_alone() {
        let error = |files: &str| {
            let text = format!("outs:\n- hash: md5\n  path: d\n  files:\n{files}");
            DvcFile::parse(&text, "d.dvc").unwrap_err().to_string()
        };
        let md5 = "26ab0db90d72e28ad0ba1e22ee510510";
        for hostile in ["../x", "/x", "a/../../x"] {
            let found = error(&format!("  - relpath: {hostile}\n    md5: {md5}\n"));
            assert!(
                found.contains("d.dvc") && found.contains(hostile),
                "{found}"
            );
        }
        assert!(error(&format!("  - md5: {md5}\n")).contains("no `relpath`"));
        assert!(error("  - relpath: x\n    md5: ../../../etc\n").contains("md5"));
        assert!(error("  - relpath: x\n    what: 1\n").contains("unknown key `what`"));
        assert!(error("  - x\n").contains("must be a mapping"));
        for nothing in ["[]", "\n  - relpath: x\n    etag: abc"] {
            let text = format!("outs:\n- hash: md5\n  path: d\n  files: {nothing}\n");
            let file = DvcFile::parse(&text, "d.dvc").unwrap();
            assert_eq!(file.outs[0].md5, None);
            assert_eq!(file.outs[0].versioned_files(), None);
            assert_eq!(file.update_text(&text), text);
        }
    }
}
