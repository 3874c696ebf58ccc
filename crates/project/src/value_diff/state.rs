//! The values of one revision.

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::yaml::{Key, Value};
use ketch_dvc::{OutputKind, PipelineFile, params};

use super::{ComparedValues, ValueDiffOptions};
use crate::change::DEFAULT_PARAMS;
use crate::paths::{is_url, join};
use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::versioned::manifest_of;
use crate::{CommitId, Project, ProjectError};

/// Files by path relative to the root, each with the keys that count; all where none are given.
type Wanted = IndexMap<Utf8PathBuf, Option<Vec<String>>>;

/// Files by path, each with what it says.
pub(super) type Values = IndexMap<Utf8PathBuf, Value>;

/// A revision of the project.
pub(super) struct State<'p> {
    project: &'p Project,
    commit: Option<CommitId>,
    snapshot: Snapshot<'p>,
    /// Each with the folder that it is in.
    pipelines: Vec<(Utf8PathBuf, PipelineFile)>,
    recorded: Vec<Recorded>,
}

impl<'p> State<'p> {
    /// A commit, or the work tree.
    pub(super) fn open(
        project: &'p Project,
        commit: Option<CommitId>,
        blobs: &Blobs,
    ) -> Result<Self, ProjectError> {
        let snapshot = match &commit {
            Some(commit) => Snapshot::of_commit(project, commit, blobs)?,
            None => Snapshot::of_workspace(project)?,
        };
        Ok(Self {
            project,
            commit,
            pipelines: snapshot.pipelines()?,
            recorded: snapshot.outputs()?,
            snapshot,
        })
    }

    /// What the wanted files say; what cannot be read is told of and left out.
    pub(super) fn values(
        &self,
        options: &ValueDiffOptions,
        unreadable: &mut dyn FnMut(Option<Utf8PathBuf>, ProjectError),
    ) -> Values {
        let mut values = Values::new();
        for (path, keys) in self.wanted(options) {
            for file in self.expanded(&path) {
                match self.read(&file) {
                    Ok(document) => {
                        let value = match (options.what, &keys) {
                            (ComparedValues::Metrics, _) => measured(&document),
                            (_, Some(keys)) => named(&document, keys),
                            (_, None) => document,
                        };
                        values.insert(file, value);
                    }
                    Err(error) => unreadable(Some(file), error),
                }
            }
        }
        values
    }

    fn wanted(&self, options: &ValueDiffOptions) -> Wanted {
        let mut wanted = Wanted::new();
        if !options.targets.is_empty() {
            wanted.extend(options.targets.iter().map(|path| (path.clone(), None)));
        } else if options.what == ComparedValues::Metrics {
            self.add_metrics(&mut wanted);
        } else {
            self.add_params(options.what, &mut wanted);
        }
        wanted
    }

    fn add_metrics(&self, wanted: &mut Wanted) {
        for (home, pipeline) in &self.pipelines {
            for stage in pipeline.stages.values() {
                let base = join(home, stage.wdir.as_deref().unwrap_or_default());
                let outs = stage.outs.iter();
                let metrics =
                    outs.filter(|out| out.kind == OutputKind::Metric && !is_url(&out.path));
                wanted.extend(metrics.map(|out| (join(&base, &out.path), None)));
            }
        }
        for (home, pipeline) in &self.pipelines {
            wanted.extend(pipeline.metrics.iter().map(|path| (join(home, path), None)));
        }
    }

    fn add_params(&self, what: ComparedValues, wanted: &mut Wanted) {
        let mut add = |path: Utf8PathBuf, keys: Option<&Vec<String>>| match keys {
            None => _ = wanted.insert(path, None),
            Some(more) => {
                let known = wanted.entry(path).or_insert_with(|| Some(Vec::new()));
                if let Some(known) = known {
                    known.extend(more.iter().cloned());
                }
            }
        };
        for (home, pipeline) in &self.pipelines {
            for stage in pipeline.stages.values() {
                let base = join(home, stage.wdir.as_deref().unwrap_or_default());
                for params in &stage.params {
                    add(join(&base, &params.file), params.keys.as_ref());
                }
            }
        }
        if what == ComparedValues::Params {
            for (home, pipeline) in &self.pipelines {
                for path in &pipeline.params {
                    add(join(home, path), None);
                }
            }
            let default = Utf8Path::new(DEFAULT_PARAMS);
            if self.snapshot.read(default).is_ok_and(|text| text.is_some()) {
                add(default.to_owned(), None);
            }
        }
        // What templates were filled in from, where it is not looked at already.
        let mut of_templates = Wanted::new();
        for (home, pipeline) in &self.pipelines {
            for params in pipeline
                .stages
                .values()
                .flat_map(|stage| &stage.template_params)
            {
                let keys = of_templates
                    .entry(join(home, &params.file))
                    .or_insert_with(|| Some(Vec::new()));
                match (keys.as_mut(), &params.keys) {
                    (Some(keys), Some(more)) => keys.extend(more.iter().cloned()),
                    _ => *keys = None,
                }
            }
        }
        for (path, keys) in of_templates {
            wanted.entry(path).or_insert(keys);
        }
    }

    /// The files in a directory, or the file itself.
    fn expanded(&self, path: &Utf8Path) -> Vec<Utf8PathBuf> {
        let mut files = IndexSet::new();
        match &self.commit {
            None => collect_files(self.project.root(), path, &mut files),
            Some(commit) => {
                let place = if path.as_str().is_empty() {
                    "."
                } else {
                    path.as_str()
                };
                let listing = self.project.git().run(&[
                    "ls-tree",
                    "-r",
                    "-z",
                    "--name-only",
                    commit.as_str(),
                    "--",
                    place,
                ]);
                let listing = listing.unwrap_or_default();
                let paths = listing.split('\0').filter(|path| !path.is_empty());
                files.extend(paths.map(Utf8PathBuf::from));
            }
        }
        for output in &self.recorded {
            let Some(id) = output.entry.md5.as_ref().filter(|id| id.is_directory()) else {
                if output.path.starts_with(path) {
                    files.insert(output.path.clone());
                }
                continue;
            };
            let manifest = manifest_of(self.project, &output.entry, id);
            let entries = manifest.iter().flat_map(ketch_dvc::Manifest::entries);
            let places = entries.map(|entry| output.path.join(&entry.relpath));
            files.extend(places.filter(|place| place.starts_with(path)));
        }
        if files.is_empty() {
            return vec![path.to_owned()];
        }
        files.into_iter().collect()
    }

    fn read(&self, path: &Utf8Path) -> Result<Value, ProjectError> {
        let text = match self.snapshot.read(path) {
            Ok(Some(text)) => text,
            Ok(None) => self.cached(path)?,
            Err(error) => return Err(error.into()),
        };
        Ok(params::parse(path.as_str(), &text)?)
    }

    /// The text of data, out of the cache.
    fn cached(&self, path: &Utf8Path) -> Result<String, ProjectError> {
        let missing = || {
            let message = format!("`{path}` is neither there nor in the cache");
            ProjectError::Io(std::io::Error::new(ErrorKind::NotFound, message))
        };
        let around = |output: &&Recorded| path.starts_with(&output.path);
        let output = self.recorded.iter().find(around).ok_or_else(missing)?;
        let id = output.entry.md5.as_ref().ok_or_else(missing)?;
        let below = path.strip_prefix(&output.path).unwrap_or(path);
        let id = if id.is_directory() {
            let manifest = manifest_of(self.project, &output.entry, id)?;
            let entry = manifest
                .entries()
                .iter()
                .find(|entry| entry.relpath == below);
            entry.ok_or_else(missing)?.md5.clone()
        } else {
            id.clone()
        };
        match fs_err::read_to_string(self.project.cache().object_path(&id)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(missing()),
            text => Ok(text?),
        }
    }
}

/// The files at or below a path of the work tree, relative to its root. What cannot be looked into has none.
pub(crate) fn collect_files(root: &Utf8Path, path: &Utf8Path, files: &mut IndexSet<Utf8PathBuf>) {
    let place = root.join(path);
    if place.is_file() {
        files.insert(path.to_owned());
    }
    let Ok(entries) = place.read_dir_utf8() else {
        return;
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
        .collect();
    names.sort();
    for name in names {
        if ![".git", ".dvc", ".ketch"].contains(&name.as_str()) {
            collect_files(root, &path.join(&name), files);
        }
    }
}

/// Numbers and texts, and mappings of these.
fn measured(value: &Value) -> Value {
    fn extract(value: &Value) -> Option<Value> {
        match value {
            Value::Mapping(entries) => {
                let kept: IndexMap<Key, Value> = entries
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), extract(value)?)))
                    .collect();
                (!kept.is_empty()).then_some(Value::Mapping(kept))
            }
            Value::Null | Value::Sequence(_) | Value::Timestamp(_) => None,
            other => Some(other.clone()),
        }
    }
    extract(value).unwrap_or_else(|| Value::Mapping(IndexMap::new()))
}

/// The named parameters; what is not there is left out.
fn named(document: &Value, keys: &[String]) -> Value {
    let found = keys.iter().filter_map(|key| {
        let value = params::lookup(document, key)?;
        Some((Key::from(key.as_str()), value.clone()))
    });
    Value::Mapping(found.collect())
}
