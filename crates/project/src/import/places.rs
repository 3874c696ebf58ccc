//! Where the objects of another repository's data may be.

use camino::Utf8Path;
use ketch_dvc::{CloudVersion, Config, Manifest, ObjectId};
use ketch_store::remote::{
    ConfigLevel, Remote, RemoteError, RemoteSettings, TransferOptions, TransferReport,
    VersionedObject, Versioning, download, download_versions, manifest_of,
};
use ketch_store::{Cache, Reporter, StoreError};

use super::address::shown;
use super::blobs::BlobReader;
use super::repository::{SourceRepository, Surroundings};
use super::spec::SourceSpec;
use super::tree::{SourceOutput, SourceTree};
use crate::paths::{join, read_if_there};
use crate::{Project, ProjectConfig, ProjectError, RemoteChoice};

/// One project's cache, if it is on this machine, and its remote; in this order.
pub(super) struct Places {
    cache: Option<RemoteSettings>,
    /// Why there is none is told only where it is needed.
    remote: Result<RemoteSettings, Option<RemoteError>>,
    levels: Vec<ConfigLevel>,
    /// The project's `ketch.toml`, for the layouts of its remotes.
    config: ProjectConfig,
}

/// Files that are recorded with their versions.
pub(super) struct Versions {
    /// The remote whose versions they are, as the project there calls it.
    remote: String,
    pub(super) objects: Vec<VersionedObject>,
}

impl Versions {
    /// Those of an output whose content is asked for, or that are in a directory that is. Keys begin
    /// at the output's project.
    pub(super) fn wanted(output: &SourceOutput, ids: &[ObjectId]) -> Self {
        let entry = &output.entry;
        let path = output
            .path
            .strip_prefix(&output.project)
            .unwrap_or(&output.path);
        let whole = entry.md5.as_ref().is_some_and(|id| ids.contains(id));
        let mut found = Self {
            remote: String::new(),
            objects: Vec::new(),
        };
        let mut put = |key: String, id: &ObjectId, version: Option<CloudVersion>| {
            if let Some(version) = version.filter(|_| whole || ids.contains(id)) {
                found.remote = version.remote;
                found.objects.push(VersionedObject {
                    key,
                    id: id.clone(),
                    version_id: version.version_id,
                    etag: version.etag,
                });
            }
        };
        match (entry.versioned_files(), &entry.md5) {
            (Some(files), _) => {
                for file in files {
                    put(format!("{path}/{}", file.relpath), &file.md5, file.version);
                }
            }
            (None, Some(id)) => put(path.to_string(), id, entry.cloud_version()),
            (None, None) => {}
        }
        found
    }
}

impl Places {
    /// Those of the project at `project` in the repository.
    pub(super) fn find(
        source: &SourceRepository,
        tree: &SourceTree,
        project: &Utf8Path,
        choice: &RemoteChoice,
        around: Surroundings<'_>,
    ) -> Result<Self, ProjectError> {
        let home = source.top.as_ref().map(|top| top.join(project));
        let levels = levels(source, tree, project, home.as_deref(), choice, around)?;
        let config = config(source, tree, project, home.as_deref())?;
        let cache = home.map(|home| {
            let own = levels
                .iter()
                .rev()
                .find_map(|level| Some(join(&level.directory, level.config.get("cache", "dir")?)));
            own.unwrap_or_else(|| home.join(".dvc/cache"))
        });
        let cache = cache.filter(|cache| cache.is_dir());
        let title = format!("cache of {}", source.spec.url);
        Ok(Self {
            cache: cache.map(|cache| RemoteSettings::new(title, cache)),
            remote: RemoteSettings::find(&levels, None).map_err(Some),
            levels,
            config,
        })
    }

    /// Those of a project of this machine as it is now.
    pub(super) fn of_project(
        project: &Project,
        spec: &SourceSpec,
        choice: &RemoteChoice,
        bases: &[&Utf8Path],
    ) -> Result<Self, ProjectError> {
        let directory = project.root().join(".dvc");
        let mut levels = Vec::new();
        for path in &choice.configs {
            read_level(path, &mut levels)?;
        }
        for name in ["config", "config.local"] {
            read_level(&directory.join(name), &mut levels)?;
        }
        add_given(spec, &directory, bases, &mut levels)?;
        let cache = project.cache().root();
        let title = format!("cache of {}", spec.url);
        let remote = match (spec.remote_name(), RemoteSettings::find(&levels, None)) {
            (Some(_), Err(error)) => return Err(StoreError::from(error).into()),
            (_, found) => found,
        };
        Ok(Self {
            cache: cache
                .is_dir()
                .then(|| RemoteSettings::new(title, cache.to_owned())),
            remote: remote.map_err(Some),
            levels,
            config: project.config().clone(),
        })
    }

    /// The storage where an object is, or would be: the remote's URL, or else the cache.
    pub(super) fn storage(&mut self) -> Result<String, ProjectError> {
        match (&self.remote, &self.cache) {
            (Ok(settings), _) => Ok(settings.url.clone()),
            (Err(_), Some(cache)) => Ok(cache.url.clone()),
            (Err(_), None) => Err(self.why()),
        }
    }

    /// Fetches what `cache` lacks from the first place that has it. Whether all of it was found
    /// is for the caller to see.
    pub(super) fn fetch(
        &mut self,
        cache: &Cache,
        ids: &[ObjectId],
        choice: &RemoteChoice,
        reporter: &dyn Reporter,
    ) -> Result<TransferReport, ProjectError> {
        let mut sum = TransferReport::default();
        let mut failure = None;
        for settings in self.settings() {
            if ids.iter().all(|id| cache.contains_all(id)) {
                break;
            }
            let (remote, options) = self.open(&settings, choice)?;
            match download(cache, &*remote, ids, options, reporter) {
                Ok(report) => {
                    sum.objects += report.objects;
                    sum.bytes += report.bytes;
                }
                // A damaged object here may be whole there.
                Err(error) => failure = Some(error),
            }
        }
        let complete = ids.iter().all(|id| cache.contains_all(id));
        match failure {
            Some(error) if !complete => Err(error.into()),
            _ => Ok(sum),
        }
    }

    /// Fetches what `cache` lacks by its versions; what is in the cache there comes from that first.
    pub(super) fn fetch_versions(
        &mut self,
        cache: &Cache,
        versions: &Versions,
        choice: &RemoteChoice,
        reporter: &dyn Reporter,
    ) -> Result<TransferReport, ProjectError> {
        let mut sum = TransferReport::default();
        if let Some(settings) = &self.cache {
            let ids: Vec<ObjectId> = versions.objects.iter().map(|one| one.id.clone()).collect();
            let (remote, options) = self.open(settings, choice)?;
            // What is damaged there may be whole on the remote.
            sum = download(cache, &*remote, &ids, options, reporter).unwrap_or_default();
        }
        let settings = match &self.remote {
            // What was chosen here may have another name than it had there.
            Ok(settings)
                if settings
                    .versioning()
                    .is_ok_and(|kind| kind != Versioning::None) =>
            {
                settings.clone()
            }
            _ => RemoteSettings::find(&self.levels, Some(&versions.remote))
                .map_err(StoreError::from)?,
        };
        let (remote, options) = self.open(&settings, choice)?;
        let wanted = &versions.objects;
        let more = download_versions(cache, &*remote, wanted, options, reporter)?;
        sum.objects += more.objects;
        sum.bytes += more.bytes;
        Ok(sum)
    }

    /// A directory's manifest, from wherever it is.
    pub(super) fn manifest(
        &mut self,
        cache: &Cache,
        id: &ObjectId,
        choice: &RemoteChoice,
    ) -> Result<Option<Manifest>, ProjectError> {
        if cache.contains(id) {
            return Ok(Some(cache.manifest(id)?));
        }
        let mut failure = None;
        for settings in self.settings() {
            let (remote, options) = self.open(&settings, choice)?;
            match manifest_of(cache, &*remote, id, options) {
                Ok(Some(manifest)) => return Ok(Some(manifest)),
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(None),
        }
    }

    /// Why nothing more could be asked: the project there has no remote.
    pub(super) fn why(&mut self) -> ProjectError {
        let error = match &mut self.remote {
            Err(error) => error.take(),
            Ok(_) => None,
        };
        StoreError::from(error.unwrap_or(RemoteError::NotConfigured)).into()
    }

    pub(super) fn has_remote(&self) -> bool {
        self.remote.is_ok()
    }

    /// Opens the cache or a remote of the project, as a choice says.
    fn open(
        &self,
        settings: &RemoteSettings,
        choice: &RemoteChoice,
    ) -> Result<(Box<dyn Remote>, TransferOptions), ProjectError> {
        let remote = choice.open_elsewhere(&self.config, settings)?;
        Ok((remote, choice.options(settings)?))
    }

    fn settings(&self) -> Vec<RemoteSettings> {
        let remote = self.remote.as_ref().ok();
        self.cache.iter().chain(remote).cloned().collect()
    }
}

/// The machine's configuration, that of the commit, that of the work tree, what was given on top.
fn levels(
    source: &SourceRepository,
    tree: &SourceTree,
    project: &Utf8Path,
    home: Option<&Utf8Path>,
    choice: &RemoteChoice,
    around: Surroundings<'_>,
) -> Result<Vec<ConfigLevel>, ProjectError> {
    let mut levels = Vec::new();
    for path in &choice.configs {
        read_level(path, &mut levels)?;
    }
    let directory = match home {
        Some(home) => home.join(".dvc"),
        // Relative paths in a clone lead nowhere, as with DVC.
        None => source.git.directory().join(".dvc"),
    };
    if let Some(file) = tree.files.get(&project.join(".dvc/config")) {
        let text = BlobReader::open(&source.git)?.text(&file.id, file.size)?;
        let name = format!("{}: .dvc/config", source.spec.url);
        let mut config = Config::parse(&text, &name)?;
        if home.is_none() {
            forget_programs(&mut config);
        }
        levels.push(ConfigLevel {
            config,
            directory: directory.clone(),
        });
    }
    if home.is_some() {
        for name in ["config", "config.local"] {
            read_level(&directory.join(name), &mut levels)?;
        }
    }
    add_given(&source.spec, &directory, around.bases, &mut levels)?;
    Ok(levels)
}

/// Takes away what would run here because somebody else's repository says so; what the user's own
/// configuration names for a remote stays.
fn forget_programs(config: &mut Config) {
    let sections: Vec<String> = config.sections().keys().cloned().collect();
    for section in sections {
        config.unset(&section, "bearer_token_command");
    }
}

/// Adds a configuration file, if it is there.
fn read_level(path: &Utf8Path, levels: &mut Vec<ConfigLevel>) -> Result<(), ProjectError> {
    if let Some(text) = read_if_there(path)? {
        levels.push(ConfigLevel {
            config: Config::parse(&text, path.as_str())?,
            directory: path.parent().unwrap_or(path).to_owned(),
        });
    }
    Ok(())
}

/// Adds what was given on top: a configuration file, and settings for the project in `directory`.
/// The configuration that `source` brings along for a project of this machine, for what is read of
/// its work tree. `directory` is where relative paths begin.
///
/// # Errors
///
/// What was given can mean nothing there: no such file, option or remote.
pub fn settings_on_top(
    project: &Project,
    source: &SourceSpec,
    directory: &Utf8Path,
) -> Result<Vec<ConfigLevel>, ProjectError> {
    source.check_given(&[directory])?;
    let mut levels = crate::transfer::levels(project)?;
    let own = levels.len();
    add_given(source, directory, &[directory], &mut levels)?;
    if source.remote_name().is_some() {
        RemoteSettings::find(&levels, None).map_err(StoreError::from)?;
    }
    Ok(levels.split_off(own))
}

fn add_given(
    spec: &SourceSpec,
    directory: &Utf8Path,
    bases: &[&Utf8Path],
    levels: &mut Vec<ConfigLevel>,
) -> Result<(), ProjectError> {
    if let Some(path) = spec.config_file() {
        let places: Vec<_> = bases.iter().map(|base| join(base, path)).collect();
        match places.iter().find(|place| place.exists()) {
            Some(path) => read_level(path, levels)?,
            None => _ = fs_err::metadata(join(bases.first().unwrap_or(&directory), path))?,
        }
    }
    let top = given(spec, levels)?;
    levels.push(ConfigLevel {
        config: top,
        directory: directory.to_owned(),
    });
    Ok(())
}

/// `ketch.toml` as it is in the work tree, or else as it is in the commit.
fn config(
    source: &SourceRepository,
    tree: &SourceTree,
    project: &Utf8Path,
    home: Option<&Utf8Path>,
) -> Result<ProjectConfig, ProjectError> {
    let here = home.map(|home| home.join("ketch.toml"));
    if let Some(path) = here
        && let Some(text) = read_if_there(&path)?
    {
        return ProjectConfig::parse(&text, &path);
    }
    match tree.files.get(&project.join("ketch.toml")) {
        Some(file) => {
            let text = BlobReader::open(&source.git)?.text(&file.id, file.size)?;
            let name = format!("{}: ketch.toml", shown(&source.spec.url));
            ProjectConfig::parse(&text, Utf8Path::new(&name))
        }
        None => Ok(ProjectConfig::default()),
    }
}

/// The settings that the import itself has.
fn given(spec: &SourceSpec, levels: &[ConfigLevel]) -> Result<Config, ProjectError> {
    let mut top = Config::parse("", "repo")?;
    for (section, fields) in spec.config_sections() {
        for (key, value) in fields {
            top.set(&section, &key, &value)?;
        }
    }
    if let Some(name) = spec.remote_name() {
        top.set("core", "remote", name)?;
    }
    let options = spec.remote_options();
    if !options.is_empty() {
        let default = top.get("core", "remote").or_else(|| {
            levels
                .iter()
                .rev()
                .find_map(|level| level.config.get("core", "remote"))
        });
        // A remote of that name alone, where the repository has none.
        let name = default.unwrap_or("upstream").to_owned();
        top.set("core", "remote", &name)?;
        for (key, value) in options {
            top.set(&format!("remote \"{name}\""), &key, &value)?;
        }
    }
    Ok(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_configuration_names_no_program_to_run() {
        let text = "['remote \"r\"']\n    url = webdav://h/x\n    bearer_token_command = touch x\n";
        let mut config = Config::parse(text, "config").unwrap();
        forget_programs(&mut config);
        let section = "remote \"r\"";
        assert_eq!(config.get(section, "bearer_token_command"), None);
        assert_eq!(config.get(section, "url"), Some("webdav://h/x"));
    }
}
