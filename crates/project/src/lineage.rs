//! Where an output came from.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{ObjectId, OutputEntry};
use serde::Serialize;

use crate::change::{DEFAULT_PARAMS, show_value};
use crate::paths::{join, overlap};
use crate::stage::{Index, Stage};
use crate::{CommitId, Project, ProjectError};

/// What an output was made from, as `dvc.lock` records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lineage {
    /// The commit that is checked out; none before the first one.
    pub commit: Option<CommitId>,
    /// Whether tracked files differ from that commit.
    pub dirty: bool,
    /// The stage that made the output.
    pub stage: String,
    pub command: String,
    /// Path (relative to the root) and content of each dependency.
    pub deps: Vec<(Utf8PathBuf, ObjectId)>,
    /// Dotted name of each single value, led by `FILE:` for files other than `params.yaml`, and
    /// the value as text.
    pub params: Vec<(String, String)>,
    pub outs: Vec<(Utf8PathBuf, ObjectId)>,
    /// The stages before it, the nearest first.
    pub upstream: Vec<StageLineage>,
}

/// One stage as it last ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageLineage {
    pub stage: String,
    pub command: String,
    pub deps: Vec<(Utf8PathBuf, ObjectId)>,
    pub params: Vec<(String, String)>,
    pub outs: Vec<(Utf8PathBuf, ObjectId)>,
}

/// Follows an output back through the pipeline.
pub fn lineage(project: &Project, output: &Utf8Path) -> Result<Lineage, ProjectError> {
    let index = Index::load(project)?;
    let path = join(project.root(), output);
    let stage = index
        .owner(&path)
        .ok_or_else(|| index.unknown(output.as_str()))?;
    let first = of_stage(project, &index, stage)?;

    let mut seen = vec![stage.address.clone()];
    let mut upstream: Vec<StageLineage> = Vec::new();
    let mut next = 0;
    let mut pending = first.deps.clone();
    loop {
        for (dependency, _) in &pending {
            let path = project.root().join(dependency);
            for stage in &index.stages {
                if stage.outputs().any(|(_, out)| overlap(&out, &path))
                    && !seen.contains(&stage.address)
                {
                    seen.push(stage.address.clone());
                    upstream.push(of_stage(project, &index, stage)?);
                }
            }
        }
        match upstream.get(next) {
            Some(stage) => pending.clone_from(&stage.deps),
            None => break,
        }
        next += 1;
    }
    Ok(Lineage {
        commit: project.git().head()?,
        dirty: !project.git().is_declined() && !project.git().changed_files()?.is_empty(),
        stage: first.stage,
        command: first.command,
        deps: first.deps,
        params: first.params,
        outs: first.outs,
        upstream,
    })
}

fn of_stage(project: &Project, index: &Index, stage: &Stage) -> Result<StageLineage, ProjectError> {
    let recorded = index
        .recorded(stage)
        .ok_or_else(|| ProjectError::NotRecorded {
            path: stage.outputs().next().map_or_else(
                || stage.address.clone().into(),
                |(_, path)| project.shown(&path),
            ),
        })?;
    let contents = |entries: &[OutputEntry]| {
        entries
            .iter()
            .filter_map(|entry| {
                let path = project.shown(&stage.resolve(&entry.path));
                Some((path, entry.md5.clone()?))
            })
            .collect()
    };
    let mut params = Vec::new();
    for (file, values) in &recorded.params {
        for (key, value) in values {
            let name = if file == DEFAULT_PARAMS {
                key.to_string()
            } else {
                format!("{file}:{key}")
            };
            leaves(&name, value, &mut params);
        }
    }
    let command = match recorded.command.as_sequence() {
        Some(lines) => lines
            .iter()
            .map(show_command)
            .collect::<Vec<_>>()
            .join("\n"),
        None => show_command(&recorded.command),
    };
    Ok(StageLineage {
        stage: stage.address.clone(),
        command,
        deps: contents(&recorded.deps),
        params,
        outs: contents(&recorded.outs),
    })
}

/// A section of parameters is told value by value.
fn leaves(name: &str, value: &ketch_dvc::yaml::Value, into: &mut Vec<(String, String)>) {
    match value.as_mapping() {
        Some(section) if !section.is_empty() => {
            for (key, value) in section {
                leaves(&format!("{name}.{key}"), value, into);
            }
        }
        _ => into.push((name.to_owned(), flow(value))),
    }
}

/// A value on one line, whole.
fn flow(value: &ketch_dvc::yaml::Value) -> String {
    match (value.as_str(), value.as_sequence()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(items)) => {
            let items: Vec<_> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        (None, None) => ketch_dvc::yaml::emit(value).trim_end().to_owned(),
    }
}

fn show_command(value: &ketch_dvc::yaml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| show_value(value), str::to_owned)
}
