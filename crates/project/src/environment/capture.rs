//! The present environment, and stating that results were made in it.

use serde::Serialize;

use super::circumstances::Circumstances;
use super::document::{Environment, EnvironmentId};
use super::makers::Makers;
use super::present::Surveyor;
use crate::stage::{Index, answers_to};
use crate::{Project, ProjectError};

/// Of which stages is stated that their results were made here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CapturedStages {
    /// Of none: the environment is only looked at.
    #[default]
    None,
    /// Of these, which must have results.
    Named(Vec<String>),
    /// Of all that have results.
    All,
}

/// What was captured.
#[derive(Debug, Serialize)]
pub struct CaptureReport {
    pub id: EnvironmentId,
    pub environment: Environment,
    /// The stages of which it was recorded.
    pub stages: Vec<String>,
}

/// Captures what a command in the project's root would run in now; where stages are named, what
/// theirs would run in is recorded as what made the results that `dvc.lock` has.
///
/// # Errors
///
/// A stage that there is not or that has no results, and then nothing is recorded.
pub fn capture_environment(
    project: &Project,
    stages: &CapturedStages,
    circumstances: &Circumstances,
) -> Result<CaptureReport, ProjectError> {
    let surveyor = Surveyor::new(project, circumstances, &[]);
    let here = surveyor.here()?;
    let mut recorded = Vec::new();
    if *stages != CapturedStages::None {
        let _lock = project.lock()?;
        let index = Index::load(project)?;
        let mut wanted = vec![false; index.stages.len()];
        match stages {
            CapturedStages::Named(names) => {
                for name in names {
                    let mut known = false;
                    for (stage, wanted) in index.stages.iter().zip(&mut wanted) {
                        if answers_to(&stage.address, name) {
                            (known, *wanted) = (true, true);
                        }
                    }
                    if !known {
                        return Err(index.unknown(name));
                    }
                }
            }
            _ => wanted.fill(true),
        }
        let mut made = Vec::new();
        for (stage, _) in index
            .stages
            .iter()
            .zip(&wanted)
            .filter(|(_, wanted)| **wanted)
        {
            match index.recorded(stage) {
                Some(result) => made.push((stage, result, surveyor.of_stage(stage)?)),
                None if matches!(stages, CapturedStages::Named(_)) => {
                    return Err(ProjectError::NotRecorded {
                        path: stage.address.clone().into(),
                    });
                }
                None => {}
            }
        }
        let entries: Vec<_> = made
            .iter()
            .map(|(stage, result, captured)| (*stage, *result, &**captured))
            .collect();
        Makers::record(project, &index, &entries)?;
        recorded = made
            .iter()
            .map(|(stage, ..)| stage.address.clone())
            .collect();
    }
    Ok(CaptureReport {
        id: here.id.clone(),
        environment: here.environment()?,
        stages: recorded,
    })
}
