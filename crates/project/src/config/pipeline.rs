use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Serialize;

use super::reader::{Document, TableReader};
use crate::ProjectError;

/// `[pipeline]`: how stages run, for which `dvc.yaml` has no place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PipelineConfig {
    /// How many stages run at once where the command line does not say; one if not given.
    pub jobs: Option<NonZeroUsize>,
    /// How much there is of what stages share: `resources = { gpu = 2 }`.
    pub resources: BTreeMap<String, u64>,
    /// How much each stage takes of it while it runs, by its address or the name of its `foreach`
    /// or `matrix`: `[pipeline.stage.train]`, `needs = { gpu = 1 }`.
    pub needs: BTreeMap<String, BTreeMap<String, u64>>,
}

impl PipelineConfig {
    pub(super) fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let offset = reader.offset_of("jobs");
        let jobs = match reader.count(document, "jobs")? {
            None => None,
            Some(jobs) => {
                let jobs = usize::try_from(jobs).ok().and_then(NonZeroUsize::new);
                let message = "`pipeline.jobs` must be a whole number from 1 up";
                Some(jobs.ok_or_else(|| document.error(offset, message, None))?)
            }
        };
        let resources = reader.count_of_each(document, "resources")?;
        let mut needs = BTreeMap::new();
        for (name, mut reader) in reader.tables(document, "stage")? {
            needs.insert(name, reader.count_of_each(document, "needs")?);
            reader.finish(document);
        }
        reader.finish(document);
        Ok(Self {
            jobs,
            resources,
            needs,
        })
    }
}
