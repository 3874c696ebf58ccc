//! The values of one revision.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::rc::Rc;

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
pub(crate) type Values = IndexMap<Utf8PathBuf, Value>;

/// A revision of the project.
pub(crate) struct State<'p> {
    project: &'p Project,
    pub(crate) snapshot: Snapshot<'p>,
    /// Each with the folder that it is in.
    pub(crate) pipelines: Vec<(Utf8PathBuf, Rc<PipelineFile>)>,
    /// Read when somebody asks: most values are in Git.
    recorded: OnceCell<Vec<Recorded>>,
}

impl<'p> State<'p> {
    /// A commit, or the work tree.
    pub(crate) fn open(
        project: &'p Project,
        commit: Option<&CommitId>,
        blobs: &Blobs,
    ) -> Result<Self, ProjectError> {
        let snapshot = match commit {
            Some(commit) => Snapshot::of_commit(project, commit, blobs)?,
            None => Snapshot::of_workspace(project)?,
        };
        Ok(Self {
            project,
            pipelines: snapshot.pipelines()?,
            snapshot,
            recorded: OnceCell::new(),
        })
    }

    fn recorded(&self) -> Result<&[Recorded], ProjectError> {
        if self.recorded.get().is_none() {
            // Nobody else has set it: this is the only place.
            let _ = self.recorded.set(self.snapshot.outputs()?);
        }
        Ok(self.recorded.get().map_or(&[], Vec::as_slice))
    }

    /// What the wanted files say; what cannot be read is told of and left out.
    pub(crate) fn values(
        &self,
        options: &ValueDiffOptions,
        unreadable: &mut dyn FnMut(Option<Utf8PathBuf>, ProjectError),
    ) -> Values {
        let mut values = Values::new();
        for (file, value) in self.read_wanted(options) {
            match value {
                Ok(value) => _ = values.insert(file, value),
                Err(error) => unreadable(Some(file), error),
            }
        }
        values
    }

    /// What the wanted files say, or why that is not known.
    pub(crate) fn read_wanted(
        &self,
        options: &ValueDiffOptions,
    ) -> IndexMap<Utf8PathBuf, Result<Value, ProjectError>> {
        let mut found = IndexMap::new();
        for (path, keys) in self.wanted(options) {
            for file in self.expanded(&path) {
                let value = self
                    .read(&file)
                    .map(|document| match (options.what, &keys) {
                        (ComparedValues::Metrics, _) => measured(&document),
                        (_, Some(keys)) => named(&document, keys),
                        (_, None) => document,
                    });
                found.insert(file, value);
            }
        }
        found
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
        let mut files: IndexSet<Utf8PathBuf> =
            self.snapshot.files_below(path).into_iter().collect();
        if files.contains(path) {
            return vec![path.to_owned()];
        }
        for output in self.recorded().unwrap_or_default() {
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
        let output = self.recorded()?.iter().find(around).ok_or_else(missing)?;
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

/// The named parameters, in the mappings that their dotted names say; what is not there is left out.
fn named(document: &Value, keys: &[String]) -> Value {
    let mut root = IndexMap::new();
    for key in keys {
        if let Some(value) = params::lookup(document, key) {
            let steps: Vec<&str> = key.split('.').collect();
            put(&mut root, &steps, value.clone());
        }
    }
    Value::Mapping(root)
}

fn put(entries: &mut IndexMap<Key, Value>, steps: &[&str], value: Value) {
    match steps {
        [] => {}
        [last] => _ = entries.insert(Key::from(*last), value),
        [step, rest @ ..] => {
            let below = entries
                .entry(Key::from(*step))
                .or_insert_with(|| Value::Mapping(IndexMap::new()));
            if let Value::Mapping(below) = below {
                put(below, rest, value);
            }
        }
    }
}
