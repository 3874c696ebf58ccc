//! Versions in memory: artifact, golden sample and reference, from the cache by their digests.

use std::sync::Arc;

use ketch_monitoring::drift::{Reference, Sample};
use ketch_serving::{
    FeatureColumn, FeatureKind, GoldenSample, LoadedModel, ModelSource, load_model,
};
use ketch_tracking::{ErrorKind, ModelName};

use crate::{error::ControlError, model_loop::ModelLoop, registration::VersionFiles};

impl ModelLoop {
    /// A version in memory, from the cache by its digest, with its golden sample checked.
    pub(crate) fn load(&mut self, version: u32) -> Result<Arc<LoadedModel>, ControlError> {
        if let Some(loaded) = self.loaded.get(&version) {
            return Ok(Arc::clone(loaded));
        }
        let name: ModelName = self.model.parse()?;
        let registered =
            self.tracking
                .model_version(&name, version)
                .map_err(|error| match error.kind() {
                    ErrorKind::ResourceDoesNotExist => ControlError::UnknownVersion {
                        model: self.model.clone(),
                        version,
                    },
                    _ => error.into(),
                })?;
        let files = VersionFiles::of(&registered)?;
        let bytes = self.project.cache().read(&files.artifact)?;
        let golden = files
            .golden
            .as_ref()
            .map(|id| Ok::<_, ControlError>(GoldenSample::parse(&self.project.cache().read(id)?)?))
            .transpose()?;
        let loaded = load_model(ModelSource {
            name: &self.model,
            version,
            digest: ketch_store::hash_bytes(&bytes).hex(),
            bytes: &bytes,
            registered_digest: files.artifact.hex(),
            golden: golden.as_ref(),
        })?;
        let reference = self.reference(&files)?;
        self.references.insert(version, reference);
        self.loaded.insert(version, Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The data that a version learnt from, by column.
    fn reference(&self, files: &VersionFiles) -> Result<Reference, ControlError> {
        let Some(id) = &files.reference else {
            return Ok(Reference::new());
        };
        let cache = self.project.cache();
        cache.verify(id)?;
        let path = &self.config.reference;
        let table = ketch_table::read_as(&cache.object_path(id), path)?;
        reference_columns(self.endpoint.features())
            .map(|column| {
                let values =
                    table
                        .column_f64(&column.name)
                        .map_err(|_| ControlError::ReferenceColumn {
                            path: path.clone(),
                            column: column.name.clone(),
                        })?;
                Ok((column.name.clone(), Sample::new(values)))
            })
            .collect()
    }
}

fn reference_columns(columns: &[FeatureColumn]) -> impl Iterator<Item = &FeatureColumn> {
    columns
        .iter()
        .filter(|column| column.kind == FeatureKind::Number)
}
