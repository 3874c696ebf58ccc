//! The stages and tracked data of a project, gathered from all its files.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use ketch_dvc::{DvcFile, LockFile, OutputEntry, OutputSpec, PipelineFile, StageLock, StageSpec};

use crate::paths::{is_url, join, overlap, read_if_there, relative};
use crate::suggest::nearest;
use crate::templates::parse_in_workspace;
use crate::{Project, ProjectError};

/// One stage of a pipeline.
#[derive(Debug, Clone)]
pub struct Stage {
    /// As DVC addresses it: `train`, or `sub/dvc.yaml:train` outside the root.
    pub address: String,
    /// Its key in `dvc.yaml` and `dvc.lock`.
    pub name: String,
    /// The `dvc.yaml` it is in, absolute.
    pub file: Utf8PathBuf,
    /// Where its commands run and its paths begin, absolute.
    pub directory: Utf8PathBuf,
    /// As written in `dvc.yaml`.
    pub spec: StageSpec,
}

/// Whether a stage is meant by a name: its own, that of the `foreach` or `matrix` that makes it, or
/// `dvc.yaml:` and one of these for the root's file.
pub(crate) fn answers_to(address: &str, name: &str) -> bool {
    let name = name.strip_prefix("dvc.yaml:").unwrap_or(name);
    address == name
        || address
            .rsplit_once('@')
            .is_some_and(|(group, _)| group == name)
}

impl Stage {
    /// The name of the `foreach` or `matrix` that makes it.
    pub(crate) fn group_address(&self) -> Option<String> {
        self.spec.group.as_ref()?;
        let (group, _) = self.address.rsplit_once('@')?;
        Some(group.to_owned())
    }

    /// What it is called in messages.
    pub(crate) fn shown(&self) -> String {
        format!("stage `{}`", self.address)
    }

    /// What is written of it is written of all the stages that a `foreach` or `matrix` makes.
    pub(crate) fn refuse_generated(&self, project: &Project) -> Result<(), ProjectError> {
        match &self.spec.group {
            None => Ok(()),
            Some(group) => Err(ProjectError::Generated {
                stage: self.name.clone(),
                group: group.clone(),
                file: project.shown(&self.file),
            }),
        }
    }

    /// The absolute place of one of its paths.
    pub fn resolve(&self, path: &str) -> Utf8PathBuf {
        join(&self.directory, path)
    }

    /// What it needs that is on this machine, absolute.
    pub(crate) fn local_deps(&self) -> impl Iterator<Item = Utf8PathBuf> {
        let paths = self.spec.deps.iter().filter(|path| !is_url(path));
        paths.map(|path| self.resolve(path))
    }

    /// It can neither be run nor looked at where part of it is elsewhere.
    pub(crate) fn refuse_urls(&self) -> Result<(), ProjectError> {
        let outs = self.spec.outs.iter().map(|out| &out.path);
        match self.spec.deps.iter().chain(outs).find(|path| is_url(path)) {
            None => Ok(()),
            Some(path) => Err(ProjectError::NotLocal {
                stage: self.shown(),
                path: path.clone(),
            }),
        }
    }

    /// Its outputs on this machine, each with its absolute place.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = (&OutputSpec, Utf8PathBuf)> {
        self.spec
            .outs
            .iter()
            .filter(|out| !is_url(&out.path))
            .map(|out| (out, self.resolve(&out.path)))
    }

    /// The file its results are recorded in.
    pub(crate) fn lock_path(&self) -> Utf8PathBuf {
        self.file.with_extension("lock")
    }
}

/// One output of a `.dvc` file.
#[derive(Debug, Clone)]
pub struct TrackedData {
    /// The `.dvc` file, absolute.
    pub file: Utf8PathBuf,
    /// Where the data is, absolute.
    pub path: Utf8PathBuf,
    /// What is recorded.
    pub entry: OutputEntry,
    /// Whether it is recorded where the data is from.
    pub is_import: bool,
}

/// Everything a project tracks, checked for sense.
#[derive(Debug)]
pub struct Index {
    /// In the order of the files, then as written.
    pub stages: Vec<Stage>,
    pub data: Vec<TrackedData>,
    locks: IndexMap<Utf8PathBuf, LockFile>,
    /// Top-level `metrics` of every `dvc.yaml`, absolute.
    pub(crate) metric_files: Vec<Utf8PathBuf>,
}

impl Index {
    /// Reads every `dvc.yaml`, `dvc.lock` and `.dvc` file that neither Git nor DVC ignores.
    pub fn load(project: &Project) -> Result<Self, ProjectError> {
        let index = Self::read(project, None, &mut |_, error| Err(error))?;
        index.check_outputs(project)?;
        Ok(index)
    }

    /// What [`load`](Self::load) would say if a `dvc.yaml`, by its absolute path, had this text.
    pub(crate) fn load_as_if(
        project: &Project,
        file: &Utf8Path,
        text: &str,
    ) -> Result<Self, ProjectError> {
        let index = Self::read(project, Some((file, text)), &mut |_, error| Err(error))?;
        index.check_outputs(project)?;
        Ok(index)
    }

    /// What can be read, however its outputs lie; `broken` gets the other files, absolute, and may
    /// end it all.
    pub(crate) fn load_readable(
        project: &Project,
        broken: &mut dyn FnMut(&Utf8Path, ProjectError) -> Result<(), ProjectError>,
    ) -> Result<Self, ProjectError> {
        Self::read(project, None, broken)
    }

    fn read(
        project: &Project,
        as_if: Option<(&Utf8Path, &str)>,
        broken: &mut dyn FnMut(&Utf8Path, ProjectError) -> Result<(), ProjectError>,
    ) -> Result<Self, ProjectError> {
        let mut index = Self {
            stages: Vec::new(),
            data: Vec::new(),
            locks: IndexMap::new(),
            metric_files: Vec::new(),
        };
        let mut files = project.find_files(&|path| {
            path.file_name() == Some("dvc.yaml") || path.extension() == Some("dvc")
        })?;
        if let Some((new, _)) = as_if
            && let Err(place) = files.binary_search_by(|file| file.as_path().cmp(new))
        {
            files.insert(place, new.to_owned());
        }
        for file in files {
            let text = match as_if {
                Some((new, text)) if new == file => text.to_owned(),
                _ => fs_err::read_to_string(&file)?,
            };
            if let Err(error) = index.add_file(project, &file, &text) {
                broken(&file, error)?;
            }
        }
        Ok(index)
    }

    fn add_file(
        &mut self,
        project: &Project,
        file: &Utf8Path,
        text: &str,
    ) -> Result<(), ProjectError> {
        if file.file_name() == Some("dvc.yaml") {
            self.add_pipeline(project, file, &parse_in_workspace(project, file, text)?)
        } else {
            let shown = project.shown(file);
            self.add_data(file, DvcFile::parse(text, shown.as_str())?);
            Ok(())
        }
    }

    /// What `dvc.lock` records of a stage.
    pub fn recorded(&self, stage: &Stage) -> Option<&StageLock> {
        self.locks
            .get(&stage.lock_path())?
            .stages()
            .get(&stage.name)
    }

    /// The stage of this address, or that makes this path (or something around it).
    pub fn stage(&self, project: &Project, target: &str) -> Result<&Stage, ProjectError> {
        if let Some(stage) = self
            .stages
            .iter()
            .find(|stage| answers_to(&stage.address, target))
        {
            return Ok(stage);
        }
        let path = join(project.root(), target);
        self.owner(&path).ok_or_else(|| self.unknown(target))
    }

    /// The stage one of whose outputs is or holds `path`.
    pub(crate) fn owner(&self, path: &Utf8Path) -> Option<&Stage> {
        self.stages
            .iter()
            .find(|stage| stage.outputs().any(|(_, out)| path.starts_with(out)))
    }

    pub(crate) fn unknown(&self, target: &str) -> ProjectError {
        let suggestion = nearest(
            target,
            self.stages.iter().map(|stage| stage.address.as_str()),
        );
        ProjectError::UnknownTarget {
            name: target.to_owned(),
            suggestion: suggestion.map(str::to_owned),
        }
    }

    fn add_pipeline(
        &mut self,
        project: &Project,
        file: &Utf8Path,
        pipeline: &PipelineFile,
    ) -> Result<(), ProjectError> {
        let home = file.parent().unwrap_or(project.root()).to_owned();
        let lock = file.with_extension("lock");
        self.locks.insert(lock.clone(), read_lock(project, &lock)?);
        for (name, spec) in &pipeline.stages {
            let address = if home == project.root() {
                name.clone()
            } else {
                format!("{}:{name}", project.shown(file))
            };
            let stage = Stage {
                address,
                name: name.clone(),
                directory: spec
                    .wdir
                    .as_ref()
                    .map_or_else(|| home.clone(), |wdir| join(&home, wdir)),
                file: file.to_owned(),
                spec: spec.clone(),
            };
            self.stages.push(stage);
        }
        self.metric_files
            .extend(pipeline.metrics.iter().map(|path| join(&home, path)));
        Ok(())
    }

    fn add_data(&mut self, file: &Utf8Path, content: DvcFile) {
        let home = file.parent().unwrap_or(Utf8Path::new(""));
        let base = content
            .wdir
            .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
        let is_import = !content.deps.is_empty();
        self.data.extend(
            content
                .outs
                .into_iter()
                .filter(|out| !is_url(&out.path))
                .map(|entry| TrackedData {
                    file: file.to_owned(),
                    path: join(&base, &entry.path),
                    entry,
                    is_import,
                }),
        );
    }

    /// No two outputs may share a place.
    fn check_outputs(&self, project: &Project) -> Result<(), ProjectError> {
        let mut outputs: Vec<(Utf8PathBuf, String)> = self
            .stages
            .iter()
            .flat_map(|stage| stage.outputs().map(|(_, path)| (path, stage.shown())))
            .collect();
        outputs.extend(self.data.iter().map(|data| {
            (
                data.path.clone(),
                format!("`{}`", project.shown(&data.file)),
            )
        }));
        for data in self.data.iter().filter(|data| data.entry.cache) {
            check_place(project, &data.path)?;
        }
        // By component, so that a directory comes right before what is in it.
        outputs.sort();
        for pair in outputs.windows(2) {
            let [(path, owner), (other, other_owner)] = pair else {
                continue;
            };
            if overlap(path, other) {
                return Err(ProjectError::OverlappingOutputs {
                    path: project.shown(path),
                    owner: owner.clone(),
                    other: project.shown(other),
                    other_owner: other_owner.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A record may come from anybody: what it names is data of this project, not its records, and
/// nothing elsewhere.
pub(crate) fn check_place(project: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
    let inside = relative(project.root(), path)?;
    let first = inside.components().next().map(|part| part.as_str());
    if first.is_some_and(|name| [".git", ".dvc", ".ketch"].contains(&name)) {
        return Err(ProjectError::NotForData { path: inside });
    }
    if path.as_str().contains('\0') {
        return Err(ProjectError::NotForData { path: inside });
    }
    Ok(())
}

/// A `dvc.lock`, empty if it is not there.
pub(crate) fn read_lock(project: &Project, path: &Utf8Path) -> Result<LockFile, ProjectError> {
    match read_if_there(path)? {
        Some(text) => Ok(LockFile::parse(&text, project.shown(path).as_str())?),
        None => Ok(LockFile::empty()),
    }
}
