//! A file or directory at a URL: what its state is, and its bytes into a cache here.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId, OutputEntry};
use ketch_store::remote::{
    ObjectVersion, Remote, RemoteError, RemoteSettings, TransferOptions, Versioning, list_keys,
};
use ketch_store::{Cache, Original, Reporter, StoreError};

use super::ImportError;
use super::url_walk::every_file;

use super::remote_levels::levels_of;
use super::url_settings::settings_value;
use super::url_state::{FileState, RemoteState, StateKey};
use super::url_version::{self, VersionName};
use crate::content::Content;
use crate::paths::{is_url, join};
use crate::{ProjectError, RemoteChoice};

/// Something at a URL.
pub(super) struct UrlSource {
    /// As it was given.
    url: String,
    settings: Vec<(String, String)>,
    place: Place,
}

enum Place {
    /// On this machine, absolute.
    Local(Utf8PathBuf),
    Remote {
        remote: Box<dyn Remote>,
        options: TransferOptions,
        /// Below what the remote was opened at.
        key: String,
        /// How DVC calls what tells versions apart there.
        state: StateKey,
        use_of: UseOfVersions,
        /// How the URL says which version it means, if it does.
        named: Option<VersionName>,
    },
}

/// What it is to a source that a bucket keeps versions.
#[derive(Debug, Clone, PartialEq, Eq)]
enum UseOfVersions {
    Ignored,
    /// Which version is the newest is recorded, and that one is read.
    Newest,
    /// The file is looked at as it was in this version.
    Exactly(String),
}

/// A file at a URL, or a file of a directory there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlFile {
    /// Below the directory; empty for a file by itself.
    pub(super) relpath: String,
    pub(super) size: u64,
}

/// What is at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    File(UrlFile),
    Directory(Vec<UrlFile>),
}

impl UrlSource {
    /// Takes a URL or path apart, as the configuration of a project (if there is one) explains it.
    /// A URL may name a version, which is then the one that is looked at.
    ///
    /// Relative paths begin at `directory`. `settings` are options for the server, on top of those
    /// of a `remote://` one.
    pub(super) fn open(
        url: &str,
        settings: &[(String, String)],
        directory: &Utf8Path,
        root: Option<&Utf8Path>,
        choice: &RemoteChoice,
    ) -> Result<Self, ProjectError> {
        let given = |place| Self {
            url: url.to_owned(),
            settings: settings.to_vec(),
            place,
        };
        let mut found = if let Some(reference) = url.strip_prefix("remote://") {
            let (name, path) = reference.split_once('/').unwrap_or((reference, ""));
            let levels = levels_of(root, choice)?;
            let mut found = RemoteSettings::find(&levels, Some(name)).map_err(StoreError::from)?;
            found.url = format!("{}/{path}", found.url.trim_end_matches('/'));
            found
        } else {
            RemoteSettings::new(url, url)
        };
        if !is_url(&found.url) || found.url.starts_with("file://") {
            let path = found.url.strip_prefix("file://").unwrap_or(&found.url);
            return Ok(given(Place::Local(join(directory, path))));
        }
        let scheme = found.url.split("://").next().unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let state = if scheme.starts_with("http") {
            StateKey::Checksum
        } else if scheme.starts_with("webdav") {
            StateKey::WebdavEtag
        } else {
            StateKey::Etag
        };
        for (key, value) in settings {
            found = found.with(key, value);
        }
        let mut use_of = match found.versioning().map_err(StoreError::from)? {
            Versioning::None => UseOfVersions::Ignored,
            Versioning::Aware | Versioning::Worktree => UseOfVersions::Newest,
        };
        let mut named = None;
        if let Some((url, name, version)) = url_version::split(&found.url) {
            found.url = url;
            named = Some(name);
            use_of = UseOfVersions::Exactly(version);
        }
        let (base, key) = cut(&found.url);
        found.url = base;
        let (remote, options) = (choice.open_plain(&found)?, choice.options(&found)?);
        Ok(given(Place::Remote {
            remote,
            options,
            key,
            state,
            use_of,
            named,
        }))
    }

    /// The same source, of which versions are recorded, whatever its settings say.
    pub(super) fn with_versions(mut self) -> Self {
        if let Place::Remote { use_of, .. } = &mut self.place {
            *use_of = UseOfVersions::Newest;
        }
        self
    }

    /// The same source as it was in a version, which a single file has.
    pub(super) fn at_version(mut self, version_id: &str) -> Self {
        if let Place::Remote { use_of, .. } = &mut self.place {
            *use_of = UseOfVersions::Exactly(version_id.to_owned());
        }
        self
    }

    /// The dependency, whose path names the version that is recorded if it named one before.
    pub(super) fn named_anew(&self, mut dependency: OutputEntry) -> OutputEntry {
        if let (
            Place::Remote {
                named: Some(name), ..
            },
            Some(version),
        ) = (&self.place, &dependency.version_id)
        {
            dependency.path = name.replace(&dependency.path, version);
        }
        dependency
    }

    /// Whether versions are recorded. DVC does not push what it can have from there again.
    pub(super) fn has_versions(&self) -> bool {
        matches!(&self.place, Place::Remote { use_of, .. } if *use_of != UseOfVersions::Ignored)
    }

    /// The one version that is looked at, if that is settled.
    pub(super) fn version(&self) -> Option<&str> {
        match &self.place {
            Place::Remote {
                use_of: UseOfVersions::Exactly(version),
                ..
            } => Some(version),
            _ => None,
        }
    }

    /// A local path, if it is one.
    pub(super) fn local(&self) -> Option<&Utf8Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::Remote { .. } => None,
        }
    }

    /// What is there to be listed; of a local directory also what could not be imported.
    pub(super) fn find_all(&self) -> Result<Found, ProjectError> {
        match self.local() {
            Some(path) if path.is_dir() => Ok(Found::Directory(every_file(path)?)),
            _ => self.find(),
        }
    }

    /// What is there; of a directory every file.
    pub(super) fn find(&self) -> Result<Found, ProjectError> {
        match &self.place {
            Place::Local(path) => {
                let metadata = match fs_err::metadata(path) {
                    Ok(metadata) => metadata,
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        return Err(self.nothing());
                    }
                    Err(error) => return Err(error.into()),
                };
                if metadata.is_file() {
                    return Ok(Found::File(UrlFile {
                        relpath: String::new(),
                        size: metadata.len(),
                    }));
                }
                let walked = ketch_store::walk_directory(path, path)?;
                let files = walked.into_iter().map(|file| {
                    Ok(UrlFile {
                        size: fs_err::metadata(&file.path)?.len(),
                        relpath: file.relative,
                    })
                });
                Ok(Found::Directory(
                    files.collect::<Result<_, ProjectError>>()?,
                ))
            }
            Place::Remote { remote, .. } => match self.file_facts()? {
                Some(file) => Ok(Found::File(UrlFile {
                    relpath: String::new(),
                    size: file.facts.size,
                })),
                None if remote.capabilities().list => self.list(),
                None => Err(self.nothing()),
            },
        }
    }

    /// The dependency on it as it is now, without reading more than has to be.
    pub(super) fn state(
        &self,
        path: &str,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<OutputEntry, ProjectError> {
        match &self.place {
            Place::Local(place) => {
                let content = match self.find()? {
                    Found::File(_) => {
                        let found = cache.hash_file(place, reporter)?;
                        Content {
                            id: found.id,
                            size: found.size,
                            files: None,
                            executable: found.executable,
                        }
                    }
                    Found::Directory(_) => {
                        let found = cache.hash_directory(place, place, reporter)?;
                        Content {
                            id: found.id,
                            size: found.size,
                            files: Some(found.files),
                            executable: false,
                        }
                    }
                };
                Ok(self.dependency(path, Some(&content), None))
            }
            Place::Remote { .. } => {
                let state = self.remote_state()?;
                Ok(self.dependency(path, None, Some(&state)))
            }
        }
    }

    /// Puts it into the cache, and says what it is there and what the dependency on it is.
    pub(super) fn take(
        &self,
        path: &str,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<(OutputEntry, Content), ProjectError> {
        match &self.place {
            Place::Local(place) => {
                let content = match self.find()? {
                    Found::File(_) => {
                        let added = cache.add_file(place, Original::Untouched, reporter)?;
                        Content {
                            id: added.id,
                            size: added.size,
                            files: None,
                            executable: added.executable,
                        }
                    }
                    Found::Directory(_) => {
                        let untouched = Original::Untouched;
                        let added = cache.add_directory(place, place, untouched, reporter)?;
                        Content {
                            id: added.id,
                            size: added.size,
                            files: Some(added.files),
                            executable: false,
                        }
                    }
                };
                let dependency = self.dependency(path, Some(&content), None);
                Ok((dependency, content))
            }
            Place::Remote { .. } => {
                let before = self.remote_state()?;
                let content = self.receive(&before, cache, reporter)?;
                // A version is what it is.
                if !before.is_versioned() && self.remote_state()? != before {
                    return Err(ImportError::Changed {
                        url: super::address::shown(&self.url),
                    }
                    .into());
                }
                let dependency = self.dependency(path, None, Some(&before));
                Ok((dependency, content))
            }
        }
    }

    /// Puts all of it into the cache; of a local directory also what could not be imported.
    pub(super) fn take_all(
        &self,
        path: &str,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Content, ProjectError> {
        let Some(directory) = self.local().filter(|path| path.is_dir()) else {
            return Ok(self.take(path, cache, reporter)?.1);
        };
        let files = every_file(directory)?;
        reporter.start(files.len() as u64);
        let mut size = 0;
        let mut entries = Vec::with_capacity(files.len());
        for file in files {
            let place = directory.join(&file.relpath);
            let added = cache.add_file(&place, Original::Untouched, reporter)?;
            size += added.size;
            entries.push(ManifestEntry {
                md5: added.id,
                relpath: file.relpath,
            });
        }
        let count = entries.len() as u64;
        let manifest = Manifest::new(entries)?;
        Ok(Content {
            id: cache.add_manifest(&manifest)?,
            size,
            files: Some(count),
            executable: false,
        })
    }

    /// Puts into the cache what a dependency with versions records, be it the newest or not.
    pub(super) fn take_recorded(
        &self,
        dependency: &OutputEntry,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Content, ProjectError> {
        let recorded = RemoteState::recorded(dependency).ok_or_else(|| self.nothing())?;
        if let Some(name) = recorded.files.keys().find(|name| !is_plain_or_empty(name)) {
            return Err(self.strange(name));
        }
        self.receive(&recorded, cache, reporter)
    }

    fn receive(
        &self,
        state: &RemoteState,
        cache: &Cache,
        reporter: &dyn Reporter,
    ) -> Result<Content, ProjectError> {
        let Place::Remote { key, .. } = &self.place else {
            return Err(self.nothing());
        };
        reporter.start(state.files.len() as u64);
        let mut entries = Vec::with_capacity(state.files.len());
        let mut sum = 0;
        for (relpath, file) in &state.files {
            let key = if relpath.is_empty() {
                key.clone()
            } else if key.is_empty() {
                relpath.clone()
            } else {
                format!("{key}/{relpath}")
            };
            let (md5, size) = self.read(&key, file, cache)?;
            reporter.file(Utf8Path::new(&key), size);
            sum += size;
            entries.push(ManifestEntry {
                md5,
                relpath: relpath.clone(),
            });
        }
        if !state.directory
            && let Some(entry) = entries.pop()
        {
            return Ok(Content {
                id: entry.md5,
                size: sum,
                files: None,
                executable: false,
            });
        }
        let manifest = Manifest::new(entries)?;
        Ok(Content {
            id: cache.add_manifest(&manifest)?,
            size: sum,
            files: Some(manifest.entries().len() as u64),
            executable: false,
        })
    }

    fn read(
        &self,
        key: &str,
        file: &FileState,
        cache: &Cache,
    ) -> Result<(ObjectId, u64), ProjectError> {
        let Place::Remote {
            remote, options, ..
        } = &self.place
        else {
            return Err(self.nothing());
        };
        let transient = |error: &StoreError| match error {
            StoreError::Remote(error) => error.is_transient(),
            _ => false,
        };
        let received = options.retry.run(transient, || {
            cache.receive(|sink| {
                let read = match (remote.versions(), &file.version_id) {
                    (Some(versions), Some(id)) => versions.read_version(key, id, sink),
                    _ => remote.read(key, sink),
                };
                Ok::<(), StoreError>(read.map(drop)?)
            })
        })?;
        if received.1 != file.facts.size {
            return Err(ImportError::Changed {
                url: super::address::shown(&self.url),
            }
            .into());
        }
        Ok(received)
    }

    fn file_facts(&self) -> Result<Option<FileState>, ProjectError> {
        let Place::Remote { key, .. } = &self.place else {
            return Ok(None);
        };
        if key.is_empty() || self.url.ends_with('/') {
            return Ok(None);
        }
        self.facts(key)
    }

    fn facts(&self, key: &str) -> Result<Option<FileState>, ProjectError> {
        let Place::Remote {
            remote,
            options,
            use_of,
            ..
        } = &self.place
        else {
            return Ok(None);
        };
        let look = || {
            let found = |found: Option<ObjectVersion>| found.map(FileState::of_version);
            match (remote.versions(), use_of) {
                (Some(versions), UseOfVersions::Exactly(id)) => {
                    versions.version(key, id).map(found)
                }
                (Some(versions), UseOfVersions::Newest) => match versions.newest(key) {
                    Err(RemoteError::KeepsNoVersions { .. }) => {
                        Ok(remote.facts(key)?.map(FileState::of_facts))
                    }
                    newest => newest.map(found),
                },
                _ => Ok(remote.facts(key)?.map(FileState::of_facts)),
            }
        };
        let found = options.retry.run(RemoteError::is_transient, look);
        Ok(found.map_err(StoreError::from)?)
    }

    fn list(&self) -> Result<Found, ProjectError> {
        let Place::Remote {
            remote,
            key,
            options,
            ..
        } = &self.place
        else {
            return Err(self.nothing());
        };
        let mut files = Vec::new();
        let mut strange = None;
        let listed = list_keys(&**remote, key, *options).map_err(StoreError::from)?;
        for (found, size) in listed {
            let below = match key.as_str() {
                "" => Some(found.as_str()),
                key => found
                    .strip_prefix(key)
                    .and_then(|rest| rest.strip_prefix('/')),
            };
            match below {
                Some(below) if is_plain(below) => files.push(UrlFile {
                    relpath: below.to_owned(),
                    size,
                }),
                // The directory itself, as some stores list it.
                None | Some("") => {}
                Some(other) => strange = Some(other.to_owned()),
            }
        }
        if let Some(name) = strange {
            return Err(self.strange(&name));
        }
        if files.is_empty() {
            return Err(self.nothing());
        }
        files.sort_by(|left, right| left.relpath.cmp(&right.relpath));
        Ok(Found::Directory(files))
    }

    fn remote_state(&self) -> Result<RemoteState, ProjectError> {
        let Place::Remote {
            remote,
            key,
            use_of,
            ..
        } = &self.place
        else {
            return Err(self.nothing());
        };
        if let Some(file) = self.file_facts()? {
            return Ok(RemoteState {
                directory: false,
                files: BTreeMap::from([(String::new(), file)]),
            });
        }
        if let UseOfVersions::Exactly(version) = use_of {
            return Err(ImportError::NoVersion {
                url: super::address::shown(&self.url),
                version: version.clone(),
            }
            .into());
        }
        if !remote.capabilities().list {
            return Err(self.nothing());
        }
        let Found::Directory(listed) = self.list()? else {
            return Err(self.nothing());
        };
        let mut files = BTreeMap::new();
        for file in listed {
            let key = match key.as_str() {
                "" => file.relpath.clone(),
                key => format!("{key}/{}", file.relpath),
            };
            // Removed since it was listed.
            let facts = self.facts(&key)?.ok_or_else(|| ImportError::Changed {
                url: super::address::shown(&self.url),
            })?;
            files.insert(file.relpath, facts);
        }
        Ok(RemoteState {
            directory: true,
            files,
        })
    }

    /// The entry, with what DVC records of such a place.
    fn dependency(
        &self,
        path: &str,
        content: Option<&Content>,
        state: Option<&RemoteState>,
    ) -> OutputEntry {
        let mut entry = match content {
            Some(content) => content.entry(path),
            None => OutputEntry::new(path),
        };
        entry.hash = Some("md5".to_owned());
        entry.fs_config = settings_value(&self.settings);
        if let (Some(state), Place::Remote { state: key, .. }) = (state, &self.place) {
            if self.has_versions() {
                state.describe_versions(*key, &self.url, &mut entry);
            } else {
                state.describe(*key, &self.url, &mut entry);
            }
        }
        entry
    }

    /// A name that must not be one here.
    fn strange(&self, name: &str) -> ProjectError {
        ImportError::Name {
            url: super::address::shown(&self.url),
            name: name.to_owned(),
        }
        .into()
    }

    fn nothing(&self) -> ProjectError {
        ImportError::NoData {
            url: super::address::shown(&self.url),
        }
        .into()
    }
}

/// The folder of a URL, and the name in it.
fn cut(url: &str) -> (String, String) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.trim_end_matches('/');
    match rest.rsplit_once('/') {
        Some((folder, name)) => (format!("{scheme}://{folder}"), name.to_owned()),
        None => (format!("{scheme}://{rest}"), String::new()),
    }
}

/// A file by itself has no name below what was given.
fn is_plain_or_empty(path: &str) -> bool {
    path.is_empty() || is_plain(path)
}

fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_cut_at_their_last_name() {
        let shown = |url: &str| {
            let (folder, name) = cut(url);
            format!("{folder} {name}")
        };
        assert_eq!(shown("https://h/a/b.csv"), "https://h/a b.csv");
        assert_eq!(shown("https://h/b.csv"), "https://h b.csv");
        assert_eq!(shown("s3://bucket/in/dir/"), "s3://bucket/in dir");
        assert_eq!(shown("s3://bucket"), "s3://bucket ");
    }
}
