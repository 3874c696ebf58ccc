//! Labels that arrive after the predictions they belong to.

use std::sync::Arc;

use axum::{Json, Router, body::Bytes, extract::State, routing::post};
use ketch_control::LabelSummary;
use ketch_serving::Label;
use serde::Deserialize;

use super::{blocking, handle, json};
use crate::{error::ApiError, state::ServerOptions};

/// Labels in one request.
const MAXIMUM_LABELS: usize = 100_000;

pub(crate) fn routes() -> Router<Arc<ServerOptions>> {
    Router::new().route("/labels", post(labels))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsRequest {
    /// The model; may be left out where only one is served.
    model: Option<String>,
    labels: Vec<Label>,
}

async fn labels(
    State(options): State<Arc<ServerOptions>>,
    body: Bytes,
) -> Result<Json<LabelSummary>, ApiError> {
    let request: LabelsRequest = json(&body)?;
    if request.labels.len() > MAXIMUM_LABELS {
        return Err(ApiError::bad_request(format!(
            "a request has at most {MAXIMUM_LABELS} labels"
        )));
    }
    if let Some(label) = request.labels.iter().find(|label| !label.label.is_finite()) {
        return Err(ApiError::bad_request(format!(
            "the label of `{}` is not a finite number",
            label.request_id
        )));
    }
    let model = match (request.model, options.models.len()) {
        (Some(model), _) => model,
        (None, 1) => options.models.keys().next().cloned().unwrap_or_default(),
        (None, _) => {
            return Err(ApiError::bad_request(
                "`model` must say whose labels these are",
            ));
        }
    };
    let handle = handle(&options, &model)?;
    let summary = blocking(move || handle.label(&request.labels)).await?;
    Ok(Json(summary))
}
