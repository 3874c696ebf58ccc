//! Errors of the server, and what callers see of errors below it.

use std::net::SocketAddr;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use camino::Utf8PathBuf;
use ketch_control::ControlError;
use ketch_serving::ServingError;
use serde_json::json;

use crate::MAXIMUM_BODY;

/// What keeps a server from starting or running.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The port cannot be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The token's file.
    #[error("the token file `{path}`")]
    Token {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the server has stopped")]
    Serve(#[source] std::io::Error),
    /// A thread of the server panicked.
    #[error("the server has panicked")]
    Panicked,
}

impl ServerError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bind { address, source } => match source.kind() {
                std::io::ErrorKind::AddrInUse => Some(format!(
                    "another program has port {}; choose one with `--port`, or `--port 0` for \
                     any free one",
                    address.port()
                )),
                std::io::ErrorKind::PermissionDenied => {
                    Some("choose a port above 1023 with `--port`".to_owned())
                }
                _ => None,
            },
            Self::Token { .. } | Self::Serve(_) | Self::Panicked => None,
        }
    }
}

/// An error in the form of the Open Inference Protocol: a status and `{"error": …}`. It never
/// holds a payload or a path of the machine.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    hint: Option<String>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("no model is called `{model}`"),
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is over {} MiB", MAXIMUM_BODY >> 20),
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = match self.hint {
            Some(hint) => json!({ "error": self.message, "hint": hint }),
            None => json!({ "error": self.message }),
        };
        (self.status, Json(body)).into_response()
    }
}

impl From<ServingError> for ApiError {
    fn from(error: ServingError) -> Self {
        let status = match &error {
            ServingError::BadRequest { .. } => StatusCode::BAD_REQUEST,
            ServingError::UnknownVersion { .. } => StatusCode::NOT_FOUND,
            ServingError::NoChampion { .. } | ServingError::LogStopped => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => return Self::internal(),
        };
        Self {
            status,
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::Serving(error) => return error.into(),
            ControlError::UnknownModel { .. }
            | ControlError::UnknownVersion { .. }
            | ControlError::UnknownRequest { .. }
            | ControlError::NothingRegistered { .. } => StatusCode::NOT_FOUND,
            ControlError::RolloutInProgress { .. }
            | ControlError::GateRefuses { .. }
            | ControlError::AlreadyChampion { .. } => StatusCode::CONFLICT,
            ControlError::Tracking(ref tracking)
                if tracking.kind() == ketch_tracking::ErrorKind::ResourceDoesNotExist =>
            {
                StatusCode::NOT_FOUND
            }
            ControlError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => return Self::internal(),
        };
        Self {
            status,
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

pub(crate) async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no such address")
}

/// Gives errors of the layers above the handlers the form of all others: clients of the protocol
/// read nothing else.
pub(crate) async fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == HeaderValue::from_static("application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::new(status, "no such method at this address"),
        other => {
            let reason = other.canonical_reason().unwrap_or("error");
            ApiError::new(other, reason.to_ascii_lowercase())
        }
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut response = error.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
