//! No longer tracking data, or a stage.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Reporter, write_atomically};
use serde::Serialize;

use crate::stage::{Index, Stage, answers_to, read_lock};
use crate::templates::parse_in_workspace;
use crate::trash::keep_unsaved;
use crate::{Project, ProjectError, gitignore, paths};

/// What to stop tracking.
#[derive(Debug, Clone, Default)]
pub struct RemoveOptions {
    /// `.dvc` files, stages, and `dvc.yaml` files with all their stages.
    pub targets: Vec<String>,
    pub outputs: RemovedOutputs,
    /// The folder below `.ketch/trash` that takes content which is saved nowhere.
    pub trash: String,
}

/// What happens to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemovedOutputs {
    /// It stays.
    #[default]
    Keep,
    /// It goes; what is saved nowhere goes to the trash.
    Delete,
}

/// What is no longer tracked. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RemoveReport {
    /// `.dvc` files and addresses of stages.
    pub removed: Vec<String>,
    /// Data that was deleted.
    pub deleted: Vec<Utf8PathBuf>,
    /// What was saved nowhere and is in the trash now.
    pub trashed: Vec<Utf8PathBuf>,
    /// Files that were written or deleted, for `git add`.
    pub changed_files: Vec<Utf8PathBuf>,
}

enum Target<'a> {
    File(Utf8PathBuf, Vec<Utf8PathBuf>),
    /// With the text of its file without it, and without those before it.
    Stage(&'a Stage, String),
}

/// Removes `.dvc` files, pipelines, or stages out of `dvc.yaml` and `dvc.lock`, and the lines of
/// `.gitignore` that hid their data. The cache keeps what it has.
///
/// Everything is looked at before anything is changed. What is named twice, or as part of something
/// else that is named, is removed once.
pub fn remove(
    project: &Project,
    options: &RemoveOptions,
    reporter: &dyn Reporter,
) -> Result<RemoveReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let mut report = RemoveReport::default();
    for target in plan(project, &index, options)? {
        let outputs = match target {
            Target::File(file, outputs) => {
                let lock = file.with_extension("lock");
                let with_lock = is_pipeline(&file) && lock.is_file();
                for path in std::iter::once(&file).chain(with_lock.then_some(&lock)) {
                    paths::remove(path)?;
                    report.changed_files.push(project.shown(path));
                }
                report.removed.push(project.shown(&file).into_string());
                outputs
            }
            Target::Stage(stage, text) => {
                write_or_remove(&stage.file, &text)?;
                report.changed_files.push(project.shown(&stage.file));
                let path = stage.lock_path();
                let mut lock = read_lock(project, &path)?;
                if lock.remove_stage(&stage.name).is_some() {
                    let rest = if lock.stages().is_empty() {
                        String::new()
                    } else {
                        lock.to_text()
                    };
                    write_or_remove(&path, &rest)?;
                    report.changed_files.push(project.shown(&path));
                }
                report.removed.push(stage.address.clone());
                removed_outputs(stage, options).collect()
            }
        };
        for path in outputs {
            if let Some(file) = gitignore::unignore(project, &path)? {
                report.changed_files.push(project.shown(&file));
            }
            let inside = paths::relative(project.root(), &path).is_ok();
            if options.outputs == RemovedOutputs::Delete
                && inside
                && path.symlink_metadata().is_ok()
            {
                let kept = keep_unsaved(project, &options.trash, &path, reporter)?;
                report.trashed.extend(kept);
                paths::remove(&path)?;
                report.deleted.push(project.shown(&path));
            }
        }
    }
    report.changed_files.sort();
    report.changed_files.dedup();
    if project.autostage() {
        project.git().run(&["add", "--update", "."])?;
    }
    Ok(report)
}

/// What to do, in the order of the targets.
fn plan<'a>(
    project: &Project,
    index: &'a Index,
    options: &RemoveOptions,
) -> Result<Vec<Target<'a>>, ProjectError> {
    let mut found = Vec::new();
    for target in &options.targets {
        let one = find(project, index, target)?;
        if !found.contains(&one) {
            found.push(one);
        }
    }
    let whole: Vec<Utf8PathBuf> = found.iter().filter_map(Found::file).cloned().collect();
    let mut texts: BTreeMap<&Utf8Path, String> = BTreeMap::new();
    let mut plan = Vec::new();
    for one in found {
        match one {
            Found::File(file) => {
                let outputs = file_outputs(index, &file, options);
                plan.push(Target::File(file, outputs));
            }
            Found::Stage(stage) if whole.contains(&stage.file) => {}
            Found::Stage(stage) => {
                stage.refuse_generated(project)?;
                let before = match texts.remove(&*stage.file) {
                    Some(text) => text,
                    None => fs_err::read_to_string(&stage.file)?,
                };
                let text = without(project, stage, &before)?;
                texts.insert(&stage.file, text.clone());
                plan.push(Target::Stage(stage, text));
            }
        }
    }
    Ok(plan)
}

/// What a target is the name of.
enum Found<'a> {
    /// A `.dvc` file or a pipeline's, absolute.
    File(Utf8PathBuf),
    Stage(&'a Stage),
}

impl Found<'_> {
    fn file(&self) -> Option<&Utf8PathBuf> {
        match self {
            Self::File(file) => Some(file),
            Self::Stage(_) => None,
        }
    }
}

impl PartialEq for Found<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(left), Self::File(right)) => left == right,
            (Self::Stage(left), Self::Stage(right)) => left.address == right.address,
            _ => false,
        }
    }
}

fn find<'a>(project: &Project, index: &'a Index, target: &str) -> Result<Found<'a>, ProjectError> {
    let path = paths::join(project.root(), target);
    if (path.extension() == Some("dvc") || is_pipeline(&path)) && path.is_file() {
        return Ok(Found::File(path));
    }
    let mut stages = index.stages.iter();
    if let Some(stage) = stages.find(|stage| answers_to(&stage.address, target)) {
        return Ok(Found::Stage(stage));
    }
    match index.data.iter().find(|data| data.path == path) {
        Some(data) => Err(ProjectError::UnknownTarget {
            name: target.to_owned(),
            suggestion: Some(project.shown(&data.file).into_string()),
        }),
        None => Err(index.unknown(target)),
    }
}

/// The outputs that something becomes of when a `.dvc` file or a pipeline's goes.
fn file_outputs(index: &Index, file: &Utf8Path, options: &RemoveOptions) -> Vec<Utf8PathBuf> {
    if is_pipeline(file) {
        let stages = index.stages.iter().filter(|stage| stage.file == file);
        return stages
            .flat_map(|stage| removed_outputs(stage, options))
            .collect();
    }
    let data = index.data.iter();
    data.filter(|data| data.file == file && data.entry.cache)
        .map(|data| data.path.clone())
        .collect()
}

fn is_pipeline(path: &Utf8Path) -> bool {
    path.file_name() == Some("dvc.yaml")
}

/// The outputs of a stage that something becomes of with it.
fn removed_outputs(stage: &Stage, options: &RemoveOptions) -> impl Iterator<Item = Utf8PathBuf> {
    let with_data = options.outputs == RemovedOutputs::Delete;
    let outputs = stage.outputs();
    outputs
        .filter(move |(out, _)| out.cache || with_data)
        .map(|(_, path)| path)
}

/// The text of the pipeline's file without the lines of one stage; empty if nothing is left.
fn without(project: &Project, stage: &Stage, text: &str) -> Result<String, ProjectError> {
    let shown = project.shown(&stage.file);
    let not_editable = || ProjectError::NotEditable {
        file: shown.clone(),
        stage: stage.name.clone(),
    };
    let before = parse_in_workspace(project, &stage.file, text)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // The index is of an earlier text, where another stage of the file is removed first.
    let spec = before.stages.get(&stage.name).ok_or_else(not_editable)?;
    let start = spec.line - 1;
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let says_something = |line: &str| {
        let text = line.trim();
        !text.is_empty() && !text.starts_with('#')
    };
    let own = indent(lines.get(start).ok_or_else(not_editable)?);
    let mut end = start + 1;
    for (place, line) in lines.iter().enumerate().skip(start + 1) {
        if says_something(line) {
            if indent(line) <= own {
                break;
            }
            end = place + 1;
        }
    }
    let mut rest: Vec<&str> = lines.clone();
    rest.drain(start..end);
    if before.stages.len() == 1 {
        let bare = |line: &str| line.split('#').next().unwrap_or(line).trim_end() == "stages:";
        rest.retain(|line| !bare(line));
        if !rest.iter().any(|line| says_something(line)) {
            return Ok(String::new());
        }
    }
    let rest = rest.concat();
    let after = parse_in_workspace(project, &stage.file, &rest).map_err(|_| not_editable())?;
    let names = before.stages.keys().filter(|name| **name != stage.name);
    if names.eq(after.stages.keys()) && before.metrics == after.metrics {
        Ok(rest)
    } else {
        Err(not_editable())
    }
}

fn write_or_remove(path: &Utf8Path, text: &str) -> Result<(), ProjectError> {
    if text.is_empty() {
        paths::remove(path)
    } else {
        Ok(write_atomically(path, text.as_bytes())?)
    }
}
