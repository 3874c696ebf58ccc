//! Results that were made in another environment than there is here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::circumstances::Circumstances;
use super::diff::{Difference, Weight, differences};
use super::document::EnvironmentId;
use super::makers::{Makers, document};
use super::present::Surveyor;
use crate::stage::{Index, Stage};
use crate::{Project, ProjectError};

/// Results that were made elsewhere, and how that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// The stages whose results they are.
    pub stages: Vec<String>,
    /// Of the environment that made most of them against what there is here: what can show in
    /// results.
    pub differences: Vec<Difference>,
}

/// The results in the work tree that were made elsewhere, where it is known. None where all were
/// made here, or nobody knows.
pub fn made_elsewhere(
    project: &Project,
    circumstances: &Circumstances,
) -> Result<Option<Elsewhere>, ProjectError> {
    let makers = Makers::read(project);
    if makers.is_empty() {
        return Ok(None);
    }
    let index = Index::load(project)?;
    let surveyor = Surveyor::new(project, circumstances, &[]);
    of_stages(project, &makers, &index, &surveyor, index.stages.iter())
}

/// From the environment of this id, whose document is in the work tree of `recorded`, to what a
/// command in the project's root would run in here.
pub(crate) fn differences_here(
    project: &Project,
    circumstances: &Circumstances,
    recorded: &Project,
    id: &EnvironmentId,
) -> Result<Vec<Difference>, ProjectError> {
    let here = Surveyor::new(project, circumstances, &[]).here()?;
    let made = document(recorded, id, None)?;
    Ok(differences(&made, &here.environment()?))
}

/// [`made_elsewhere`], of these stages.
pub(crate) fn of_stages<'a>(
    project: &Project,
    makers: &Makers,
    index: &Index,
    surveyor: &Surveyor<'_>,
    stages: impl Iterator<Item = &'a Stage>,
) -> Result<Option<Elsewhere>, ProjectError> {
    let mut strange: BTreeMap<(EnvironmentId, EnvironmentId), Vec<&Stage>> = BTreeMap::new();
    for stage in stages {
        let makers = makers.of(stage, index);
        if let Some(maker) = makers.first() {
            let here = surveyor.of_stage(stage)?;
            if !makers.contains(&here.id) {
                let pair = (maker.clone(), here.id.clone());
                strange.entry(pair).or_default().push(stage);
            }
        }
    }
    let mut found = Vec::new();
    for ((maker, _), stages) in strange {
        let Some(first) = stages.first() else {
            continue;
        };
        let here = surveyor.of_stage(first)?.environment()?;
        let mut differ = differences(&document(project, &maker, None)?, &here);
        differ.retain(|difference| difference.weight == Weight::Result);
        if !differ.is_empty() {
            found.push((stages, differ));
        }
    }
    let mut stages: Vec<String> = found
        .iter()
        .flat_map(|(stages, _)| stages.iter().map(|stage| stage.address.clone()))
        .collect();
    stages.sort();
    let most = found.into_iter().max_by_key(|(stages, _)| stages.len());
    Ok(most.map(|(_, differences)| Elsewhere {
        stages,
        differences,
    }))
}
