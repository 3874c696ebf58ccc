//! The environments in which the stages are run again.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::{Verifier, VerifyEnvironment, VerifyOptions};
use crate::environment::{Makers, differences_here};
use crate::stage::{Index, Stage};
use crate::{
    Difference, EnvironmentBuildOptions, EnvironmentId, Project, ProjectError, Weight,
    build_environment,
};

/// What stages ran in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedEnvironment {
    pub stages: Vec<String>,
    pub origin: EnvironmentOrigin,
    /// What their results were made in, where that is recorded.
    pub recorded: Option<EnvironmentId>,
    /// From what is recorded to what they ran in: what can show in results.
    pub differences: Vec<Difference>,
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentOrigin {
    /// It was made anew from what is recorded.
    Rebuilt,
    /// It is what there is here, as was asked for.
    Here,
    /// It is what there is here: no environment, or no interpreter, is recorded.
    NotRecorded,
}

/// What there is to run in.
#[derive(Debug, Default)]
pub(super) struct Environments {
    pub(super) used: Vec<UsedEnvironment>,
    /// The virtual environment of each stage that has one, by its address.
    pub(super) directories: BTreeMap<String, Utf8PathBuf>,
}

impl Environments {
    pub(super) fn of(&self, stage: &Stage) -> Option<&UsedEnvironment> {
        let mut used = self.used.iter();
        used.find(|used| used.stages.contains(&stage.address))
    }
}

/// Makes the environment of each stage again in `folder`, each once; `main` is where the present one
/// is.
pub(super) fn environments(
    main: &Project,
    clone: &Project,
    index: &Index,
    stages: &[&Stage],
    folder: &Utf8Path,
    options: &VerifyOptions,
    verifier: &dyn Verifier,
) -> Result<Environments, ProjectError> {
    let makers = Makers::read(clone);
    let mut by_maker: BTreeMap<Option<EnvironmentId>, Vec<&Stage>> = BTreeMap::new();
    for stage in stages {
        let maker = makers.of(stage, index).into_iter().next();
        by_maker.entry(maker).or_default().push(stage);
    }
    let mut environments = Environments::default();
    for (recorded, stages) in by_maker {
        let addresses: Vec<String> = stages.iter().map(|stage| stage.address.clone()).collect();
        let built = match (&recorded, addresses.first(), options.environment) {
            (Some(id), Some(stage), VerifyEnvironment::Rebuilt) => {
                verifier.step("making the environment of the results again");
                let build = EnvironmentBuildOptions {
                    of: None,
                    stage: Some(stage.clone()),
                    into: folder.join(id.as_str()),
                    circumstances: options.circumstances.clone(),
                };
                match build_environment(clone, &build) {
                    Ok(report) => Some(report),
                    Err(ProjectError::NoInterpreter { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        let (origin, mut differences, directory) = if let Some(report) = built {
            let differences = [report.differences, report.surroundings].concat();
            (EnvironmentOrigin::Rebuilt, differences, Some(report.into))
        } else {
            let origin = match options.environment {
                VerifyEnvironment::Here => EnvironmentOrigin::Here,
                VerifyEnvironment::Rebuilt => EnvironmentOrigin::NotRecorded,
            };
            let differences = match &recorded {
                Some(id) => differences_here(main, &options.circumstances, clone, id)?,
                None => Vec::new(),
            };
            (origin, differences, main.virtual_environment())
        };
        if let Some(directory) = directory {
            let each = addresses.iter().cloned();
            environments
                .directories
                .extend(each.map(|stage| (stage, directory.clone())));
        }
        differences.retain(|difference| difference.weight == Weight::Result);
        environments.used.push(UsedEnvironment {
            stages: addresses,
            origin,
            recorded,
            differences,
        });
    }
    Ok(environments)
}
