//! A new stage of a pipeline.

mod error;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{OutputKind, OutputSpec, PipelineFile, StageSpec};
use ketch_store::{RuleEffect, StoreError, ignore_rule, write_atomically};
use serde::Serialize;

pub use error::NewStageError;

use crate::graph::StageGraph;
use crate::paths::{from_folder, is_url, join, read_if_there, relative};
use crate::stage::Index;
use crate::templates::parse_in_workspace;
use crate::{Project, ProjectError, gitignore};

/// A stage, and where it goes.
#[derive(Debug, Clone)]
pub struct AddStageOptions {
    pub name: String,
    /// Where the `dvc.yaml` is or will be; absolute or relative to the project's root.
    pub folder: Utf8PathBuf,
    /// Its working directory is relative to `folder`, and its paths are relative to that; absolute
    /// ones are written so.
    pub spec: StageSpec,
    pub existing: ExistingStage,
}

/// What becomes of a stage of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExistingStage {
    /// It stays, and there is an error.
    #[default]
    Kept,
    /// Its place is taken. What people wrote about it and its outputs (descriptions, labels, free
    /// data, remotes) goes over to the new one.
    Replaced,
}

/// What was written. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddStageReport {
    /// The stage's address.
    pub stage: String,
    /// The `dvc.yaml` that has it now.
    pub file: Utf8PathBuf,
    /// Files that were written, for `git add`.
    pub changed_files: Vec<Utf8PathBuf>,
    /// Outputs that Git does not ignore yet: their folders are made by the command.
    pub not_ignored: Vec<Utf8PathBuf>,
}

/// Writes a stage into a `dvc.yaml` with DVC's bytes, and makes Git ignore its outputs; all other
/// text of the file stays.
///
/// The whole project is looked at as it would be then, and nothing is written if that is wrong.
pub fn add_stage(
    project: &Project,
    options: AddStageOptions,
) -> Result<AddStageReport, ProjectError> {
    let AddStageOptions {
        name,
        folder,
        mut spec,
        existing,
    } = options;
    check_name(&name)?;
    if spec.command.iter().all(|line| line.trim().is_empty()) {
        return Err(NewStageError::NoCommand { stage: name }.into());
    }
    let folder = join(project.root(), folder);
    let directory = working_directory(project, &folder, spec.wdir.as_deref())?;
    spec.wdir = Some(from_folder(&folder, &directory).into_string());
    call_from(project, &directory, &mut spec);
    check_paths(project, &directory, &spec)?;

    let _lock = project.lock()?;
    let file = folder.join("dvc.yaml");
    let shown = project.shown(&file);
    refuse_ignored(project, &file)?;
    let before = read_if_there(&file)?.unwrap_or_default();
    let pipeline = parse_in_workspace(project, &file, &before)?;
    let of_that_name = |(known, stage): &(&String, &StageSpec)| {
        **known == name || stage.group.as_deref() == Some(name.as_str())
    };
    if let Some((_, old)) = pipeline.stages.iter().find(of_that_name) {
        if existing == ExistingStage::Kept {
            return Err(NewStageError::Exists {
                stage: name,
                file: shown,
            }
            .into());
        }
        take_over(&mut spec, old);
    }
    let cached: Vec<Utf8PathBuf> = in_order_of_ignoring(&spec)
        .map(|out| join(&directory, &out.path))
        .collect();
    for path in &cached {
        gitignore::refuse_tracked(project, path)?;
    }
    let not_editable = || NewStageError::NotEditable {
        file: shown.clone(),
        stage: name.clone(),
    };
    let text = PipelineFile::with_stage(&before, &name, &spec).ok_or_else(not_editable)?;
    let index = Index::load_as_if(project, &file, &text)?;
    check_files(project, &index)?;
    StageGraph::build(&index)?;

    let mut changed: BTreeSet<Utf8PathBuf> = BTreeSet::new();
    if text != before {
        write_atomically(&file, text.as_bytes())?;
        changed.insert(shown.clone());
    }
    let mut not_ignored = Vec::new();
    for path in &cached {
        if path.parent().is_some_and(Utf8Path::is_dir) {
            let written = gitignore::ignore(project, path)?;
            changed.extend(written.map(|file| project.shown(&file)));
        } else {
            not_ignored.push(project.shown(path));
        }
    }
    let changed_files: Vec<Utf8PathBuf> = changed.into_iter().collect();
    if project.autostage() {
        project.git().add(&changed_files)?;
    }
    let address = if folder == project.root() {
        name
    } else {
        format!("{shown}:{name}")
    };
    Ok(AddStageReport {
        stage: address,
        file: shown,
        changed_files,
        not_ignored,
    })
}

/// DVC keeps all other punctuation for addresses.
fn check_name(name: &str) -> Result<(), NewStageError> {
    let is_reserved = |ch: char| ch.is_ascii_punctuation() && !matches!(ch, '-' | '_');
    if name.is_empty() || name.contains(is_reserved) || name.chars().any(char::is_control) {
        return Err(NewStageError::Name {
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn working_directory(
    project: &Project,
    folder: &Utf8Path,
    wdir: Option<&str>,
) -> Result<Utf8PathBuf, NewStageError> {
    let directory = join(folder, wdir.unwrap_or_default());
    if directory.is_dir() && directory.starts_with(project.root()) {
        return Ok(directory);
    }
    Err(NewStageError::WorkingDirectory {
        path: project.shown(&directory),
    })
}

/// An absolute path in the project is written as it is called from where the stage works.
fn call_from(project: &Project, directory: &Utf8Path, spec: &mut StageSpec) {
    let outs = spec.outs.iter_mut().map(|out| &mut out.path);
    let params = spec.params.iter_mut().map(|params| &mut params.file);
    for path in spec.deps.iter_mut().chain(params).chain(outs) {
        if Utf8Path::new(path.as_str()).is_absolute()
            && relative(project.root(), path.as_str().into()).is_ok()
        {
            *path = from_folder(directory, &join(directory, path.as_str())).into_string();
        }
    }
}

/// What the stage names is in its place, and named once.
fn check_paths(
    project: &Project,
    directory: &Utf8Path,
    spec: &StageSpec,
) -> Result<(), NewStageError> {
    let place = |path: &str| {
        if is_url(path) {
            path.to_owned()
        } else {
            join(directory, path).into_string()
        }
    };
    let is_inside =
        |path: &str| !is_url(path) && relative(project.root(), &join(directory, path)).is_ok();
    if let Some(out) = spec
        .outs
        .iter()
        .find(|out| out.cache && !is_inside(&out.path))
    {
        return Err(NewStageError::Outside {
            path: out.path.clone(),
        });
    }
    let params = spec.params.iter().map(|params| &params.file);
    let mut seen = BTreeSet::new();
    for path in spec.deps.iter().chain(params) {
        if !seen.insert(place(path)) {
            return Err(NewStageError::NamedTwice { path: path.clone() });
        }
    }
    let needed = seen.clone();
    for OutputSpec { path, .. } in &spec.outs {
        let here = place(path);
        if needed.contains(&here) {
            return Err(NewStageError::OutputNeeded { path: path.clone() });
        }
        if !seen.insert(here) {
            return Err(NewStageError::NamedTwice { path: path.clone() });
        }
    }
    Ok(())
}

/// Nobody would look for a pipeline there.
fn refuse_ignored(project: &Project, file: &Utf8Path) -> Result<(), ProjectError> {
    if let Some(rule) = ignore_rule(project.root(), file)?
        && rule.effect == RuleEffect::Hides
    {
        return Err(StoreError::Ignored {
            path: file.to_owned(),
        }
        .into());
    }
    if !project.git().is_declined() && project.git().is_ignored(file)? {
        return Err(ProjectError::IgnoredByGit {
            path: project.shown(file),
        });
    }
    Ok(())
}

/// What people wrote about the stage before goes over to the one that takes its place.
fn take_over(spec: &mut StageSpec, old: &StageSpec) {
    if spec.desc.is_none() {
        spec.desc.clone_from(&old.desc);
    }
    spec.meta.clone_from(&old.meta);
    for out in &mut spec.outs {
        if let Some(known) = old.outs.iter().find(|known| known.path == out.path) {
            out.desc.clone_from(&known.desc);
            out.type_name.clone_from(&known.type_name);
            out.labels.clone_from(&known.labels);
            out.meta.clone_from(&known.meta);
            out.remote.clone_from(&known.remote);
            out.push = known.push;
        }
    }
}

/// The outputs that Git must not see, in the order in which DVC writes them into `.gitignore`.
fn in_order_of_ignoring(spec: &StageSpec) -> impl Iterator<Item = &OutputSpec> {
    let mut outs: Vec<&OutputSpec> = spec.outs.iter().filter(|out| out.cache).collect();
    outs.sort_by_key(|out| match (out.persist, out.kind) {
        (true, _) => 0,
        (false, OutputKind::Metric) => 1,
        (false, OutputKind::Plot) => 2,
        (false, OutputKind::Data) => 3,
    });
    outs.into_iter()
}

/// No file that says what is tracked may lie in an output: it would be data.
fn check_files(project: &Project, index: &Index) -> Result<(), NewStageError> {
    let of_stages = index.stages.iter().flat_map(|stage| {
        stage
            .outputs()
            .map(|(_, output)| (output, stage.shown()))
            .collect::<Vec<_>>()
    });
    let of_files = index.data.iter().map(|data| {
        let file = project.shown(&data.file);
        (data.path.clone(), format!("`{file}`"))
    });
    let outputs: BTreeMap<Utf8PathBuf, String> = of_stages.chain(of_files).collect();
    let stages = index.stages.iter().map(|stage| &stage.file);
    for file in stages.chain(index.data.iter().map(|data| &data.file)) {
        let around = file
            .ancestors()
            .find_map(|path| outputs.get_key_value(path));
        if let Some((output, owner)) = around {
            return Err(NewStageError::InsideOutput {
                file: project.shown(file),
                output: project.shown(output),
                owner: owner.clone(),
            });
        }
    }
    Ok(())
}
