//! Versions of Google Cloud Storage: generations, as it calls them.
//!
//! `OpenDAL` reads none but the newest generation; it can only ask that the newest be a certain one
//! (`ifGenerationMatch`). Where we ask so, that very generation is meant, and the request says so
//! (`generation`; <https://cloud.google.com/storage/docs/json_api/v1/objects/get>). It is signed by
//! a token that does not depend on the address.

use std::fmt::Write as _;

use opendal::{Buffer, HttpBody, HttpTransport};
use reqsign_core::hash::base64_decode;
use ureq::http::{Method, Request, Response, Uri};

use crate::remote::http_transport::BlockingTransport;

/// Sends requests, those for a generation as such.
pub(crate) struct GenerationTransport(pub(crate) BlockingTransport);

impl HttpTransport for GenerationTransport {
    async fn fetch(&self, mut request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        // Writing on a condition is what it says.
        if request.method() == Method::GET
            && let Some(uri) = of_generation(request.uri())
        {
            *request.uri_mut() = uri;
        }
        self.0.fetch(request).await
    }
}

/// The address of a generation for the address on the condition that it is the newest.
fn of_generation(uri: &Uri) -> Option<Uri> {
    const CONDITION: &str = "ifGenerationMatch=";
    let query = uri.query()?;
    if !query.split('&').any(|pair| pair.starts_with(CONDITION)) {
        return None;
    }
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.strip_prefix(CONDITION) {
            Some(generation) => format!("generation={generation}"),
            None => pair.to_owned(),
        })
        .collect();
    let mut parts = uri.clone().into_parts();
    let path = format!("{}?{}", uri.path(), pairs.join("&"));
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// An etag as DVC records it: the bytes that it stands for, in hexadecimal.
pub(super) fn hex_etag(etag: &str) -> Option<String> {
    let bytes = base64_decode(etag.trim_matches('"')).ok()?;
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(hex, "{byte:02x}").ok()?;
    }
    (!hex.is_empty()).then_some(hex)
}

/// Whether this can be a generation: a number, and nothing that changes an address.
pub(super) fn is_generation(version_id: &str) -> bool {
    !version_id.is_empty() && version_id.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_becomes_a_generation() {
        let turned = |uri: &str| of_generation(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            turned("https://h/storage/v1/b/b/o/a%2Fb?alt=media&ifGenerationMatch=12").unwrap(),
            "https://h/storage/v1/b/b/o/a%2Fb?alt=media&generation=12"
        );
        assert_eq!(turned("https://h/b/o/a?alt=media"), None);
        assert_eq!(turned("https://h/b/o/ifGenerationMatch=1"), None);
    }

    #[test]
    fn etags_are_those_of_dvc() {
        // Recorded by DVC 3.67.1 with dvc-gs 3.1.0 for this answer of fake-gcs-server.
        let hex = "b8a9f715dbb64fd5c56e7783c6820a61";
        assert_eq!(hex_etag("uKn3Fdu2T9XFbneDxoIKYQ==").unwrap(), hex);
        assert_eq!(hex_etag("\"CJ/2s9Y=\""), Some("089ff6b3d6".to_owned()));
        assert_eq!(hex_etag("no base64!"), None);
        assert_eq!(hex_etag(""), None);
        assert!(is_generation("1795454996697533"));
        assert!(!is_generation("1&alt=media") && !is_generation(""));
    }
}
