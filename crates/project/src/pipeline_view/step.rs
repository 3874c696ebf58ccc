//! What DVC calls a stage: one of a `dvc.yaml`, or a `.dvc` file.

use std::cmp::Ordering;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputKind};

use super::outputs::Outputs;
use crate::paths::{from_folder, is_url, join};
use crate::stage::{Index, Stage};
use crate::suggest::nearest;
use crate::{Project, ProjectError};

/// A stage or a `.dvc` file.
#[derive(Debug)]
pub(super) struct Step {
    /// The `dvc.yaml` or `.dvc` file, absolute.
    pub(super) file: Utf8PathBuf,
    /// Its name in `dvc.yaml`.
    pub(super) stage: Option<String>,
    /// The `foreach` or `matrix` that makes it.
    group: Option<String>,
    pub(super) desc: Option<String>,
    /// What it needs, parameter files last.
    pub(super) deps: Vec<End>,
    pub(super) outs: Vec<End>,
    /// Whether what it needs makes no edges: another repository says what an import has.
    is_rooted: bool,
}

/// A dependency or an output.
#[derive(Debug)]
pub(super) struct End {
    /// As it is written.
    pub(super) path: String,
    /// Absolute, or a URL.
    pub(super) place: Utf8PathBuf,
    /// Whether it is a metric or a plot.
    pub(super) is_report: bool,
}

impl End {
    fn new(base: &Utf8Path, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            place: if is_url(path) {
                path.into()
            } else {
                join(base, path)
            },
            is_report: false,
        }
    }
}

impl Step {
    fn of_stage(stage: &Stage) -> Self {
        let spec = &stage.spec;
        let params = spec.params.iter().map(|params| &params.file);
        let deps = spec.deps.iter().chain(params);
        Self {
            file: stage.file.clone(),
            stage: Some(stage.name.clone()),
            group: spec.group.clone(),
            desc: spec.desc.clone(),
            deps: deps.map(|path| End::new(&stage.directory, path)).collect(),
            outs: spec
                .outs
                .iter()
                .map(|out| End {
                    is_report: out.kind != OutputKind::Data,
                    ..End::new(&stage.directory, &out.path)
                })
                .collect(),
            is_rooted: false,
        }
    }

    fn of_file(project: &Project, file: &Utf8Path) -> Result<Self, ProjectError> {
        let text = fs_err::read_to_string(file)?;
        let content = DvcFile::parse(&text, project.shown(file).as_str())?;
        let home = file.parent().unwrap_or(project.root());
        let base = join(home, content.wdir.unwrap_or_default());
        let ends = |entries: &[ketch_dvc::OutputEntry]| {
            let ends = entries.iter().map(|entry| End::new(&base, &entry.path));
            ends.collect()
        };
        let is_rooted = |dep: &ketch_dvc::OutputEntry| dep.repo.is_some() || dep.db.is_some();
        Ok(Self {
            file: file.to_owned(),
            stage: None,
            group: None,
            desc: content.desc,
            is_rooted: content.deps.iter().any(is_rooted),
            deps: ends(&content.deps),
            outs: ends(&content.outs),
        })
    }

    /// Its address as it is called from a folder.
    pub(super) fn name_from(&self, folder: &Utf8Path) -> String {
        let file = || from_folder(folder, &self.file);
        match &self.stage {
            Some(name) if self.file.parent() == Some(folder) => name.clone(),
            Some(name) => format!("{}:{name}", file()),
            None => file().into_string(),
        }
    }
}

/// All of a project, in the order in which DVC comes across them: the files of a folder before
/// those of the folders in it.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) list: Vec<Step>,
    /// What each needs directly, in the order in which it names it.
    pub(super) needs: Vec<Vec<usize>>,
    pub(super) outputs: Outputs,
}

impl Steps {
    pub(super) fn of(project: &Project, index: &Index) -> Result<Self, ProjectError> {
        let of_stages = index.stages.iter().map(|stage| &stage.file);
        let mut files: Vec<&Utf8PathBuf> = of_stages
            .chain(index.data.iter().map(|data| &data.file))
            .collect();
        files.sort_by(|left, right| as_walked(left, right));
        files.dedup();
        let mut list = Vec::new();
        for file in files {
            let before = list.len();
            let own = index.stages.iter().filter(|stage| stage.file == *file);
            list.extend(own.map(Step::of_stage));
            if list.len() == before {
                list.push(Step::of_file(project, file)?);
            }
        }
        let mut outputs = Outputs::default();
        for (owner, step) in list.iter().enumerate() {
            for end in &step.outs {
                outputs.insert(&end.place, owner);
            }
        }
        let needs = list.iter().map(|step| {
            let mut needs = Vec::new();
            for dep in step.deps.iter().filter(|_| !step.is_rooted) {
                for out in outputs.overlapping(&dep.place) {
                    if !needs.contains(&outputs.owner(out)) {
                        needs.push(outputs.owner(out));
                    }
                }
            }
            needs
        });
        Ok(Self {
            needs: needs.collect(),
            list,
            outputs,
        })
    }

    /// The outputs that an output needs, by the order of all outputs.
    pub(super) fn needed_outputs(&self, step: usize) -> Vec<usize> {
        let Some(step) = self.list.get(step).filter(|step| !step.is_rooted) else {
            return Vec::new();
        };
        let places = step.deps.iter().map(|dep| &dep.place);
        places
            .flat_map(|place| self.outputs.overlapping(place))
            .collect()
    }

    /// Each after what it needs, depth first in DVC's order.
    pub(super) fn in_order_of_need(&self) -> Vec<usize> {
        let mut seen = vec![false; self.list.len()];
        let mut order = Vec::new();
        for start in 0..self.list.len() {
            let mut stack = vec![(start, 0)];
            while let Some((step, at)) = stack.pop() {
                if at == 0 && std::mem::replace(&mut seen[step], true) {
                    continue;
                }
                match self.needs.get(step).and_then(|needs| needs.get(at)) {
                    Some(next) => {
                        stack.push((step, at + 1));
                        if !seen[*next] {
                            stack.push((*next, 0));
                        }
                    }
                    None => order.push(step),
                }
            }
        }
        order
    }

    /// What a name means in a folder: the stages of a `dvc.yaml`, a `.dvc` file, `dvc.yaml:stage`, or
    /// the name of a stage of this folder or of what makes some.
    pub(super) fn named(&self, folder: &Utf8Path, target: &str) -> Vec<usize> {
        let (file, name) = match target.rsplit_once(':') {
            Some(("", name)) => ("dvc.yaml", Some(name)),
            Some((file, name)) if is_pipeline(file) => (file, Some(name)),
            _ if is_pipeline(target) || is_data_file(target) => (target, None),
            _ => ("dvc.yaml", Some(target)),
        };
        let file = join(folder, file);
        let is_meant = |step: &Step| {
            step.file == file
                && name.is_none_or(|name| {
                    step.stage.as_deref() == Some(name) || step.group.as_deref() == Some(name)
                })
        };
        let steps = self.list.iter().enumerate();
        let meant = steps.filter(|(_, step)| is_meant(step));
        meant.map(|(place, _)| place).collect()
    }

    pub(super) fn unknown(&self, folder: &Utf8Path, target: &str) -> ProjectError {
        let names: Vec<String> = self
            .list
            .iter()
            .map(|step| step.name_from(folder))
            .collect();
        let near = nearest(target, names.iter().map(String::as_str));
        ProjectError::UnknownTarget {
            name: target.to_owned(),
            suggestion: near.map(str::to_owned),
        }
    }
}

fn is_pipeline(file: &str) -> bool {
    Utf8Path::new(file).file_name() == Some("dvc.yaml")
}

pub(super) fn is_data_file(file: &str) -> bool {
    Utf8Path::new(file).extension() == Some("dvc")
}

/// Files of a folder come before what is in the folders of it.
fn as_walked(left: &Utf8Path, right: &Utf8Path) -> Ordering {
    let (mut lefts, mut rights) = (left.components(), right.components());
    loop {
        match (lefts.next(), rights.next()) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => {
                let deeper = |parts: &camino::Utf8Components<'_>| parts.clone().next().is_some();
                return (deeper(&lefts), one.as_str()).cmp(&(deeper(&rights), other.as_str()));
            }
            (one, other) => return one.is_some().cmp(&other.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_folders() {
        let mut paths = [
            "/p/b/z.dvc",
            "/p/x.dvc",
            "/p/a/c/y",
            "/p/a/q",
            "/p/dvc.yaml",
        ];
        paths.sort_by(|left, right| as_walked(left.as_ref(), right.as_ref()));
        assert_eq!(
            paths,
            [
                "/p/dvc.yaml",
                "/p/x.dvc",
                "/p/a/q",
                "/p/a/c/y",
                "/p/b/z.dvc"
            ]
        );
    }
}
