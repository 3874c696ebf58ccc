//! Who may ask, and who may change.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{MAXIMUM_BODY, error::ApiError, state::ServerOptions};

/// Refuses requests that were addressed to another name, or that a page of another site sends: a
/// web page can make a browser send requests to loopback under the page's own name (DNS
/// rebinding), and POST what it likes to ours without reading the answer.
pub(crate) async fn loopback_names_only(request: Request, next: Next) -> Response {
    if !header_is(request.headers(), &header::HOST, is_loopback_name) {
        return ApiError::forbidden("this server answers to localhost only").into_response();
    }
    if !header_is(request.headers(), &header::ORIGIN, is_loopback_origin) {
        return ApiError::forbidden("this server takes no requests from pages of other sites")
            .into_response();
    }
    next.run(request).await
}

/// Refuses bodies that say they are too long, before they are read, and compressed ones, which
/// nothing here unpacks.
pub(crate) async fn plain_bodies_only(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAXIMUM_BODY as u64) {
        return ApiError::too_large().into_response();
    }
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_none_or(|encoding| encoding == "identity") {
        next.run(request).await
    } else {
        ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body without compression",
        )
        .into_response()
    }
}

/// Whether a header is as it may be, or not there.
fn header_is(headers: &HeaderMap, name: &HeaderName, allowed: fn(&str) -> bool) -> bool {
    headers
        .get(name)
        .is_none_or(|value| value.to_str().is_ok_and(allowed))
}

fn is_loopback_origin(origin: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(scheme, host)| matches!(scheme, "http" | "https") && is_loopback_name(host))
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Lets a change through only with the token.
pub(crate) fn require_token(
    options: &Arc<ServerOptions>,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match given {
        Some(given) if equal_in_constant_time(given, &options.token) => Ok(()),
        _ => Err(ApiError::unauthorized(
            "a change needs the project's token: `Authorization: Bearer TOKEN`, from \
             .ketch/token",
        )),
    }
}

fn equal_in_constant_time(given: &str, expected: &str) -> bool {
    given.len() == expected.len()
        && given
            .bytes()
            .zip(expected.bytes())
            .fold(0, |all, (a, b)| all | (a ^ b))
            == 0
}

#[cfg(test)]
mod tests {
    use super::{equal_in_constant_time, is_loopback_name, is_loopback_origin};

    #[test]
    fn only_loopback_names_pass() {
        for name in [
            "localhost",
            "localhost:8000",
            "127.0.0.1:80",
            "[::1]:8000",
            "[::1]",
        ] {
            assert!(is_loopback_name(name), "{name}");
        }
        for name in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.nip",
        ] {
            assert!(!is_loopback_name(name), "{name}");
        }
    }

    #[test]
    fn only_pages_of_this_machine_pass() {
        for origin in [
            "http://localhost:8000",
            "http://127.0.0.1",
            "https://[::1]:1",
        ] {
            assert!(is_loopback_origin(origin), "{origin}");
        }
        for origin in [
            "null",
            "https://evil.example",
            "localhost",
            "file://localhost",
            "",
        ] {
            assert!(!is_loopback_origin(origin), "{origin}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(equal_in_constant_time("abc", "abc"));
        assert!(!equal_in_constant_time("ab", "abc"));
        assert!(!equal_in_constant_time("abd", "abc"));
        assert!(!equal_in_constant_time("", "abc"));
    }
}
