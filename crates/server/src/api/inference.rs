//! The Open Inference Protocol v2 over REST, in its JSON form.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    routing::{get, post},
};
use ketch_serving::inference_protocol::{InferRequest, InferResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{blocking, handle, json as read_json};
use crate::{error::ApiError, state::ServerOptions};

/// Says that binary tensors follow the JSON; `extensions` does not promise to take them.
const BINARY_HEADER: &str = "inference-header-content-length";

pub(crate) fn routes() -> Router<Arc<ServerOptions>> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{model}", get(metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route(
            "/v2/models/{model}/versions/{version}",
            get(version_metadata),
        )
        .route(
            "/v2/models/{model}/versions/{version}/ready",
            get(version_ready),
        )
        .route(
            "/v2/models/{model}/versions/{version}/infer",
            post(infer_version),
        )
}

type Options = State<Arc<ServerOptions>>;

async fn server(State(options): Options) -> Json<Value> {
    Json(json!({ "name": "ketch", "version": options.version, "extensions": [] }))
}

async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

async fn ready(State(options): Options) -> (StatusCode, Json<Value>) {
    let ready = options
        .models
        .values()
        .all(|handle| handle.endpoint().routing().champion.is_some());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": ready })))
}

async fn metadata(
    State(options): Options,
    Path(model): Path<String>,
) -> Result<Json<Value>, ApiError> {
    describe(&options, &model, None)
}

async fn version_metadata(
    State(options): Options,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    describe(&options, &model, Some(number(&version)?))
}

async fn model_ready(
    State(options): Options,
    Path(model): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let _ = describe(&options, &model, None)?;
    Ok(Json(json!({ "name": model, "ready": true })))
}

async fn version_ready(
    State(options): Options,
    Path((model, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let _ = describe(&options, &model, Some(number(&version)?))?;
    Ok(Json(json!({ "name": model, "ready": true })))
}

async fn infer(
    State(options): Options,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(HeaderMap, Json<InferResponse>), ApiError> {
    answer(options, model, None, &headers, body).await
}

async fn infer_version(
    State(options): Options,
    Path((model, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(HeaderMap, Json<InferResponse>), ApiError> {
    let version = number(&version)?;
    answer(options, model, Some(version), &headers, body).await
}

async fn answer(
    options: Arc<ServerOptions>,
    model: String,
    version: Option<u32>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(HeaderMap, Json<InferResponse>), ApiError> {
    let handle = handle(&options, &model)?;
    if headers.contains_key(BINARY_HEADER) {
        return Err(ApiError::bad_request(
            "tensors are taken as JSON only, not as binary data (tritonclient: \
             `binary_data=False`)",
        ));
    }
    let inference = blocking(move || {
        let request: InferRequest = read_json(&body)?;
        let id = request
            .id
            .clone()
            .unwrap_or_else(|| Uuid::new_v4().to_string());
        let now = options.clock.now();
        handle
            .endpoint()
            .infer(&id, request, version, now)
            .map_err(ApiError::from)
    })
    .await?;
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-model-version", &inference.version.to_string());
    set("x-variant", inference.variant.name());
    if let Some(rollout) = &inference.rollout {
        set("x-rollout-id", rollout);
    }
    Ok((headers, Json(inference.response)))
}

fn describe(
    options: &Arc<ServerOptions>,
    model: &str,
    version: Option<u32>,
) -> Result<Json<Value>, ApiError> {
    let routing = handle(options, model)?.endpoint().routing();
    let loaded = match version {
        Some(version) => routing.loaded.get(&version),
        None => routing.champion.as_ref(),
    };
    let loaded = loaded.ok_or_else(|| match version {
        Some(version) => ApiError::new(
            StatusCode::NOT_FOUND,
            format!("version `{version}` of model `{model}` is not loaded"),
        ),
        None => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("model `{model}` has no champion yet"),
        ),
    })?;
    let versions: Vec<String> = routing.loaded.keys().map(ToString::to_string).collect();
    Ok(Json(json!({
        "name": model,
        "versions": versions,
        "platform": loaded.runtime(),
        "inputs": loaded.signature().inputs,
        "outputs": loaded.signature().outputs,
    })))
}

fn number(version: &str) -> Result<u32, ApiError> {
    version
        .parse()
        .map_err(|_| ApiError::bad_request(format!("`{version}` is no version; they are numbers")))
}
