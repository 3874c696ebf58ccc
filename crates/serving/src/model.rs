//! A version in memory, verified.

use std::sync::Arc;

use crate::{
    error::ServingError,
    golden::GoldenSample,
    runtime::{RUNTIMES, RunnableModel, RuntimeError},
    tensor::{NamedTensor, Signature},
};

/// Where a version comes from: bytes that the caller has read and hashed.
#[derive(Debug, Clone, Copy)]
pub struct ModelSource<'a> {
    /// The registered model's name.
    pub name: &'a str,
    /// The version's number.
    pub version: u32,
    /// The artifact.
    pub bytes: &'a [u8],
    /// The digest of `bytes`, as the caller computed it.
    pub digest: &'a str,
    /// The digest that was registered.
    pub registered_digest: &'a str,
    /// The answers it must reproduce.
    pub golden: Option<&'a GoldenSample>,
}

/// A version that may see traffic.
#[derive(Debug)]
pub struct LoadedModel {
    name: String,
    version: u32,
    digest: String,
    runtime: &'static str,
    runnable: Box<dyn RunnableModel>,
}

/// Loads a version with the first runtime that recognises it and checks its golden sample.
///
/// # Errors
/// When the digest differs from the registered one, no runtime takes the model, or it does not
/// answer its golden sample: such a version never reaches a routing table.
pub fn load_model(source: ModelSource<'_>) -> Result<Arc<LoadedModel>, ServingError> {
    let ModelSource {
        name,
        version,
        bytes,
        digest,
        registered_digest,
        golden,
    } = source;
    if digest != registered_digest {
        return Err(ServingError::Digest {
            model: name.to_owned(),
            version,
            expected: registered_digest.to_owned(),
            found: digest.to_owned(),
        });
    }
    let load_error = |source| ServingError::Load {
        model: name.to_owned(),
        version,
        source,
    };
    let runtime = RUNTIMES
        .iter()
        .find(|runtime| runtime.recognises(bytes))
        .ok_or_else(|| load_error(RuntimeError::Unrecognised))?;
    let runnable = runtime.load(bytes).map_err(load_error)?;
    if let Some(golden) = golden {
        golden
            .check(runnable.as_ref())
            .map_err(|message| ServingError::Golden {
                model: name.to_owned(),
                version,
                message,
            })?;
    }
    Ok(Arc::new(LoadedModel {
        name: name.to_owned(),
        version,
        digest: digest.to_owned(),
        runtime: runtime.name(),
        runnable,
    }))
}

impl LoadedModel {
    /// The registered model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version's number.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Digest of the artifact.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The runtime that answers.
    pub fn runtime(&self) -> &'static str {
        self.runtime
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        self.runnable.signature()
    }

    /// Answers a batch.
    pub fn run(&self, inputs: &[NamedTensor]) -> Result<Vec<NamedTensor>, ServingError> {
        self.runnable.run(inputs).map_err(|error| match error {
            RuntimeError::Input { message } => ServingError::BadRequest { message },
            other => ServingError::Run(other),
        })
    }
}
