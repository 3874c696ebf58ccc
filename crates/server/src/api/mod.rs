//! What programs ask.

pub(crate) mod control;
pub(crate) mod inference;
pub(crate) mod labels;

use std::sync::Arc;

use axum::body::Bytes;
use ketch_control::ModelHandle;
use serde::de::DeserializeOwned;

use crate::{error::ApiError, state::ServerOptions};

fn handle(options: &Arc<ServerOptions>, model: &str) -> Result<Arc<ModelHandle>, ApiError> {
    options
        .models
        .get(model)
        .cloned()
        .ok_or_else(|| ApiError::unknown_model(model))
}

/// Reads a JSON body whatever its content type says: clients of the protocol often send none.
fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        // The message of serde names lines and fields, never the payload's values at length.
        ApiError::bad_request(format!("the body is not the JSON expected here: {error}"))
    })
}

/// Runs blocking work off the threads that answer.
async fn blocking<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(ApiError::from),
        Err(_) => Err(ApiError::internal()),
    }
}
