//! One output or dependency, as `.dvc` files and `dvc.lock` record it.

use indexmap::IndexMap;

use crate::cloud_versions::read_files;
use crate::schema::Source;
use crate::yaml::{Entry, Key, Node, Value};
use crate::{FormatError, ObjectId};

/// An output or a dependency and the state it was recorded in.
///
/// `.dvc` files and `dvc.lock` have different keys and a different order for the same thing;
/// fields that a file does not have keep their default when it is read and are left out when it
/// is written.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of DVC's schema, which are independent"
)]
pub struct OutputEntry {
    /// Relative to the file's (or the stage's) working directory; or a URL. Empty only for a
    /// database import.
    pub path: String,
    /// A legacy one where `hash` is none.
    pub md5: Option<ObjectId>,
    /// Bytes; for a directory those of all its files.
    pub size: Option<u64>,
    /// Files in a directory.
    pub nfiles: Option<u64>,
    pub is_executable: bool,
    /// The hash' name: `md5`. None means DVC 2's MD5, which is not of the raw bytes.
    pub hash: Option<String>,
    pub version_id: Option<String>,
    pub etag: Option<String>,
    /// The checksum of a file on HDFS or behind HTTP.
    pub checksum: Option<String>,
    /// Versions on cloud-versioned remotes, by the remote's name.
    pub cloud: Option<Value>,
    pub fs_config: Option<Value>,
    pub desc: Option<String>,
    pub type_name: Option<String>,
    pub labels: Vec<String>,
    /// Free for any use: DVC does not look inside.
    pub meta: Option<Value>,
    /// Whether the content goes into the cache. Default true.
    pub cache: bool,
    /// Whether the output stays when its stage runs again.
    pub persist: bool,
    /// The remote this output goes to instead of the default one.
    pub remote: Option<String>,
    /// Whether `push` sends it. Default true.
    pub push: bool,
    /// The files of a cloud-versioned directory, in place of its hash, size and number of files: those
    /// are taken from here when it is read, and not written.
    pub files: Option<Value>,
    /// Where an imported dependency comes from: another repository.
    pub repo: Option<Value>,
    /// Where an imported dependency comes from: a database.
    pub db: Option<Value>,
    /// The data set a `ds://` dependency stands for.
    pub dataset: Option<Value>,
}

/// Which file, and which part of it, an entry stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryPlace {
    DvcFileOutput,
    DvcFileDependency,
    LockFile,
}

const DVC_FILE_OUTPUT_KEYS: &[&str] = &[
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "isexec",
    "version_id",
    "path",
    "persist",
    "cloud",
    "hash",
    "desc",
    "type",
    "labels",
    "meta",
    "cache",
    "remote",
    "push",
    "files",
    "fs_config",
];
const DVC_FILE_DEPENDENCY_KEYS: &[&str] = &[
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "isexec",
    "version_id",
    "path",
    "persist",
    "cloud",
    "hash",
    "repo",
    "db",
    "files",
    "fs_config",
];
const LOCK_FILE_KEYS: &[&str] = &[
    "path",
    "hash",
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "isexec",
    "version_id",
    "cloud",
    "files",
    "dataset",
];

impl EntryPlace {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::DvcFileOutput => DVC_FILE_OUTPUT_KEYS,
            Self::DvcFileDependency => DVC_FILE_DEPENDENCY_KEYS,
            Self::LockFile => LOCK_FILE_KEYS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::DvcFileOutput => "an output",
            Self::DvcFileDependency => "a dependency",
            Self::LockFile => "a lock entry",
        }
    }
}

impl OutputEntry {
    /// An entry that knows only its path.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            md5: None,
            size: None,
            nfiles: None,
            is_executable: false,
            hash: None,
            version_id: None,
            etag: None,
            checksum: None,
            cloud: None,
            fs_config: None,
            desc: None,
            type_name: None,
            labels: Vec::new(),
            meta: None,
            cache: true,
            persist: false,
            remote: None,
            push: true,
            files: None,
            repo: None,
            db: None,
            dataset: None,
        }
    }

    pub(crate) fn read_list(
        source: Source<'_>,
        node: &Node,
        what: &str,
        place: EntryPlace,
    ) -> Result<Vec<Self>, FormatError> {
        source
            .items(node, what)?
            .iter()
            .map(|item| Self::read(source, item, place))
            .collect()
    }

    fn read(source: Source<'_>, node: &Node, place: EntryPlace) -> Result<Self, FormatError> {
        let entries = source.entries(node, place.name())?;
        let mut entry = Self::new("");
        let mut has_path = false;
        for item in entries {
            if !place.keys().contains(&item.key.as_str()) {
                return Err(source.unknown_key(item, place.name(), place.keys()));
            }
            has_path |= item.key == "path";
            entry.read_key(source, item)?;
        }
        if entry.hash.is_none() {
            entry.md5 = entry.md5.map(|id| id.as_legacy());
        }
        let derived = entry.derive_state();
        derived.map_err(|cause| source.error(node.span(), cause.message()))?;
        if !has_path && entry.db.is_none() {
            let error = source.error(node.span(), format!("{} has no `path`", place.name()));
            return Err(error.with_hint("add `path: …`"));
        }
        Ok(entry)
    }

    fn read_key(&mut self, source: Source<'_>, item: &Entry) -> Result<(), FormatError> {
        let (key, node) = (item.key.as_str(), &item.value);
        let text = || source.string(node, key).map(Some);
        let value = || {
            if node.is_null() {
                None
            } else {
                Some(node.to_value())
            }
        };
        match key {
            "path" => self.path = source.string(node, key)?,
            "md5" => {
                let checksum = source.checksum(node, key)?;
                self.md5 = checksum
                    .as_deref()
                    .map(ObjectId::parse)
                    .transpose()
                    .map_err(|cause| {
                        source
                            .error(node.span(), cause.message())
                            .with_hint(cause.hint().unwrap_or_default())
                    })?;
            }
            "etag" => self.etag = source.checksum(node, key)?,
            "checksum" => {
                self.checksum = source.checksum(node, key)?.map(|text| text.to_lowercase());
            }
            "size" => self.size = Some(source.unsigned(node, key)?),
            "nfiles" => self.nfiles = Some(source.unsigned(node, key)?),
            "isexec" => self.is_executable = source.boolean(node, key)?,
            "version_id" => self.version_id = text()?,
            "hash" => self.hash = text()?,
            "cloud" => self.cloud = value(),
            "fs_config" => self.fs_config = value(),
            "desc" => self.desc = text()?,
            "type" => self.type_name = text()?,
            "labels" => self.labels = source.strings(node, key)?,
            "meta" => self.meta = value(),
            "cache" => self.cache = source.boolean(node, key)?,
            "persist" => self.persist = source.boolean(node, key)?,
            "remote" => self.remote = text()?,
            "push" => self.push = source.boolean(node, key)?,
            "files" if node.is_null() => {}
            "files" => self.files = Some(read_files(source, node)?),
            "repo" => {
                source.entries(node, key)?;
                self.repo = value();
            }
            "db" => {
                source.entries(node, key)?;
                self.db = value();
            }
            "dataset" => self.dataset = value(),
            _ => return Err(source.unknown_key(item, "an entry", &[])),
        }
        Ok(())
    }

    /// The entry in the order of `.dvc` files.
    pub(crate) fn to_dvc_file_value(&self) -> Value {
        let mut out = Fields::default();
        self.put_state(&mut out);
        out.put("cloud", self.cloud.clone());
        out.put("hash", self.hash.clone());
        out.put("path", (!self.path.is_empty()).then(|| self.path.clone()));
        out.put("repo", self.repo.clone());
        out.put("db", self.db.clone());
        out.put("fs_config", self.fs_config.clone());
        out.put("desc", self.desc.clone());
        out.put("type", self.type_name.clone());
        let labels = self
            .labels
            .iter()
            .cloned()
            .map(Value::String)
            .collect::<Vec<_>>();
        out.put("labels", (!labels.is_empty()).then_some(labels));
        out.put("meta", self.meta.clone());
        out.put("cache", (!self.cache).then_some(false));
        out.put("persist", self.persist.then_some(true));
        out.put("remote", self.remote.clone());
        out.put("push", (!self.push).then_some(false));
        out.put("files", self.files.clone());
        Value::Mapping(out.fields)
    }

    /// The entry in the order of `dvc.lock`, with the keys that `dvc.lock` has.
    pub(crate) fn to_lock_value(&self) -> Value {
        let mut out = Fields::default();
        out.put("path", Some(self.path.clone()));
        if self.dataset.is_some() {
            out.put("dataset", self.dataset.clone());
            return Value::Mapping(out.fields);
        }
        out.put("hash", self.hash.clone());
        self.put_state(&mut out);
        out.put("cloud", self.cloud.clone());
        out.put("files", self.files.clone());
        Value::Mapping(out.fields)
    }

    /// What the content was: the hash that identifies it first, then the rest.
    fn put_state(&self, out: &mut Fields) {
        if self.is_recorded_by_files() {
            return;
        }
        let md5 = self.md5.as_ref().map(ToString::to_string);
        let (etag, checksum) = (self.etag.clone(), self.checksum.clone());
        match (&md5, &etag) {
            (Some(_), _) => out.put("md5", md5),
            (None, Some(_)) => out.put("etag", etag.clone()),
            (None, None) => out.put("checksum", checksum.clone()),
        }
        out.put("size", self.size);
        out.put("nfiles", self.nfiles);
        out.put("isexec", self.is_executable.then_some(true));
        out.put("version_id", self.version_id.clone());
        out.put("etag", etag);
        out.put("checksum", checksum);
    }
}

/// A mapping under construction: the first value for a key stays, and nothing is left out.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) fields: IndexMap<Key, Value>,
}

impl Fields {
    pub(crate) fn put(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.fields
                .entry(Key::from(key))
                .or_insert_with(|| value.into());
        }
    }
}
