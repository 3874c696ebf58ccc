//! Environments by what people call them, compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::circumstances::Circumstances;
use super::diff::{Difference, differences};
use super::document::{Environment, EnvironmentId};
use super::makers::{Makers, document};
use super::present::Surveyor;
use crate::stage::{Index, answers_to};
use crate::{Project, ProjectError};

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentDiffOptions {
    /// A revision or a stage; what made the results in the work tree if not given.
    pub from: Option<String>,
    /// The same; the present environment if not given.
    pub to: Option<String>,
    /// Only the results of this stage.
    pub stage: Option<String>,
    pub circumstances: Circumstances,
}

/// The comparisons, one for each pair of environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentDiffReport {
    /// What was compared, as people call it.
    pub from: String,
    pub to: String,
    pub comparisons: Vec<EnvironmentComparison>,
}

/// Two environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvironmentComparison {
    /// The stages whose results it is about.
    pub stages: Vec<String>,
    pub from: EnvironmentId,
    pub to: EnvironmentId,
    pub differences: Vec<Difference>,
}

/// What made each stage's results, and what each of these environments is.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// None of these is empty.
    pub(super) by_stage: BTreeMap<String, BTreeSet<EnvironmentId>>,
    environments: BTreeMap<EnvironmentId, Environment>,
}

impl Made {
    pub(super) fn environment(&self, id: &EnvironmentId) -> Option<&Environment> {
        self.environments.get(id)
    }

    pub(super) fn keep_stage(&mut self, name: &str) {
        self.by_stage.retain(|stage, _| answers_to(stage, name));
    }
}

/// Says what differs between what made results and another such, or what there is here.
pub fn diff_environments(
    project: &Project,
    options: &EnvironmentDiffOptions,
) -> Result<EnvironmentDiffReport, ProjectError> {
    let workspace = || "the results here".to_owned();
    let from_name = options.from.clone().unwrap_or_else(workspace);
    let to_name = options.to.clone();
    let mut from = made(project, options.from.as_deref())?;
    if let Some(stage) = &options.stage {
        from.keep_stage(stage);
    }
    if from.by_stage.is_empty() {
        return Err(ProjectError::NoEnvironment { of: from_name });
    }
    let (to, pairs) = match &options.to {
        Some(name) => {
            let to = made(project, Some(name))?;
            if to.by_stage.is_empty() {
                return Err(ProjectError::NoEnvironment { of: name.clone() });
            }
            let pairs = pairs(&from, &to);
            (to, pairs)
        }
        None => here(project, &from, &options.circumstances)?,
    };
    let mut groups: BTreeMap<(EnvironmentId, EnvironmentId), Vec<String>> = BTreeMap::new();
    for pair in pairs {
        let stages = groups.entry((pair.from, pair.to)).or_default();
        if !stages.contains(&pair.stage) {
            stages.push(pair.stage);
        }
    }
    let comparisons = groups
        .into_iter()
        .filter_map(|((old, new), stages)| {
            let differences = differences(from.environment(&old)?, to.environment(&new)?);
            Some(EnvironmentComparison {
                stages,
                from: old,
                to: new,
                differences,
            })
        })
        .collect();
    Ok(EnvironmentDiffReport {
        from: from_name,
        to: to_name.unwrap_or_else(|| "here".to_owned()),
        comparisons,
    })
}

/// What made a stage's results, and what that is compared with.
struct Pair {
    stage: String,
    from: EnvironmentId,
    to: EnvironmentId,
}

/// Of stages that both have; where there is none, each of the one with each of the other.
fn pairs(from: &Made, to: &Made) -> Vec<Pair> {
    let of_both = from.by_stage.iter().filter_map(|(stage, old)| {
        let new = to.by_stage.get(stage)?;
        pair(stage, old, new)
    });
    let of_both: Vec<Pair> = of_both.collect();
    if !of_both.is_empty() {
        return of_both;
    }
    let each = from.by_stage.iter().flat_map(|(stage, old)| {
        let others = to.by_stage.values();
        others.filter_map(move |new| pair(stage, old, new))
    });
    each.collect()
}

/// What made something on both sides, else the first of each.
fn pair(stage: &str, old: &BTreeSet<EnvironmentId>, new: &BTreeSet<EnvironmentId>) -> Option<Pair> {
    let common = old.intersection(new).next();
    Some(Pair {
        stage: stage.to_owned(),
        from: common.or(old.first())?.clone(),
        to: common.or(new.first())?.clone(),
    })
}

/// What the commands of these stages would run in now.
fn here(
    project: &Project,
    from: &Made,
    circumstances: &Circumstances,
) -> Result<(Made, Vec<Pair>), ProjectError> {
    let surveyor = Surveyor::new(project, circumstances, &[]);
    let index = Index::load(project)?;
    let mut to = Made::default();
    let mut pairs = Vec::new();
    for (address, old) in &from.by_stage {
        let here = match index.stages.iter().find(|stage| stage.address == *address) {
            Some(stage) => surveyor.of_stage(stage)?,
            // Of an earlier commit.
            None => surveyor.here()?,
        };
        to.environments.insert(here.id.clone(), here.environment()?);
        let now = BTreeSet::from([here.id.clone()]);
        pairs.extend(pair(address, old, &now));
    }
    Ok((to, pairs))
}

/// What made the results of a revision, of a stage in the work tree, or of all of the work tree.
pub(super) fn made(project: &Project, name: Option<&str>) -> Result<Made, ProjectError> {
    let makers = Makers::read(project);
    let mut made = Made::default();
    let mut is_stage = name.is_none();
    let index = Index::load(project)?;
    for stage in &index.stages {
        if name.is_none_or(|name| answers_to(&stage.address, name)) {
            is_stage = true;
            let ids = makers.of(stage, &index);
            if !ids.is_empty() {
                made.by_stage.insert(stage.address.clone(), ids);
            }
        }
    }
    let commit = match name {
        Some(revision) if !is_stage => Some(project.git().resolve(revision)?),
        _ => None,
    };
    if let Some(commit) = &commit {
        made.by_stage = Makers::at(project, commit)?;
    }
    for id in made.by_stage.values().flatten() {
        if !made.environments.contains_key(id) {
            let environment = document(project, id, commit.as_ref())?;
            made.environments.insert(id.clone(), environment);
        }
    }
    Ok(made)
}
