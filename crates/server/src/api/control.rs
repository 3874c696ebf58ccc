//! What the loop knows, and what a person may tell it.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
    routing::{get, post},
};
use ketch_control::{GateReport, Snapshot};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{blocking, handle, json as read_json};
use crate::{error::ApiError, guard::require_token, state::ServerOptions};

pub(crate) fn routes() -> Router<Arc<ServerOptions>> {
    Router::new()
        .route("/api/control/models/{model}", get(snapshot))
        .route("/api/control/models/{model}/deploy", post(deploy))
        .route("/api/control/models/{model}/rollback", post(roll_back))
}

/// `POST /api/control/models/NAME/deploy`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployRequest {
    version: u32,
    actor: String,
    /// Why the gate's verdict shall not count; without it, it counts.
    force: Option<String>,
}

/// `POST /api/control/models/NAME/rollback`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBackRequest {
    actor: String,
    reason: String,
}

async fn snapshot(
    State(options): State<Arc<ServerOptions>>,
    Path(model): Path<String>,
) -> Result<Json<Snapshot>, ApiError> {
    Ok(Json(handle(&options, &model)?.snapshot()))
}

async fn deploy(
    State(options): State<Arc<ServerOptions>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<GateReport>, ApiError> {
    require_token(&options, &headers)?;
    let request: DeployRequest = read_json(&body)?;
    if request.actor.trim().is_empty() {
        return Err(ApiError::bad_request("`actor` must name who asks"));
    }
    if request
        .force
        .as_ref()
        .is_some_and(|reason| reason.trim().is_empty())
    {
        return Err(ApiError::bad_request("`force` must say why"));
    }
    let handle = handle(&options, &model)?;
    let report =
        blocking(move || handle.deploy(request.version, &request.actor, request.force.as_deref()))
            .await?;
    Ok(Json(report))
}

async fn roll_back(
    State(options): State<Arc<ServerOptions>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    require_token(&options, &headers)?;
    let request: RollBackRequest = read_json(&body)?;
    if request.actor.trim().is_empty() || request.reason.trim().is_empty() {
        return Err(ApiError::bad_request(
            "`actor` and `reason` must not be empty",
        ));
    }
    let handle = handle(&options, &model)?;
    let (rollout, champion) = blocking(move || {
        let rollout = handle.roll_back(&request.actor, &request.reason)?;
        Ok::<_, ketch_control::ControlError>((rollout, handle.snapshot().state.champion))
    })
    .await?;
    Ok(Json(
        json!({ "rolled_back": rollout, "champion": champion }),
    ))
}
