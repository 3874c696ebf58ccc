//! Versions of Azure Blob Storage.
//!
//! `OpenDAL` reads none but the newest version. Where we ask for a blob on the condition that it be
//! a certain one (`If-Match`), that very version is meant, and the request says so (`versionid`;
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob>). An account's key signs the
//! address too, so such a request is signed again; other proofs of who asks do not depend on it.

use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use reqsign_azure_storage::{Credential, RequestSigner};
use ureq::http::{HeaderValue, Method, Request, Response, Uri, header};

use super::signing::LastCredential;
use crate::remote::http_transport::BlockingTransport;

/// Sends requests, those for a version as such.
pub(crate) struct VersionTransport {
    pub(crate) transport: BlockingTransport,
    pub(crate) credential: LastCredential<Credential>,
}

impl HttpTransport for VersionTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        // Writing on a condition is what it says.
        if matches!(parts.method, Method::GET | Method::HEAD)
            && let Some(version) = parts.headers.remove(header::IF_MATCH)
        {
            parts.uri = of_version(&parts.uri, &version).ok_or_else(|| {
                Error::new(
                    ErrorKind::Unexpected,
                    "cannot ask for the version of a blob",
                )
            })?;
            let signed = parts.headers.get(header::AUTHORIZATION);
            if signed.is_some_and(|value| value.as_bytes().starts_with(b"SharedKey ")) {
                self.credential
                    .sign_again(
                        &mut parts,
                        &RequestSigner::new(),
                        "the request for a version",
                    )
                    .await?;
            }
        }
        self.transport.fetch(Request::from_parts(parts, body)).await
    }
}

/// The address of a version of what is at an address.
fn of_version(uri: &Uri, version: &HeaderValue) -> Option<Uri> {
    let version = version.to_str().ok()?.replace(':', "%3A");
    let mut pairs: Vec<&str> = uri.query().into_iter().collect();
    let pair = format!("versionid={version}");
    pairs.push(&pair);
    let path = format!("{}?{}", uri.path(), pairs.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether this can be a version, such as `2026-11-23T19:50:01.1234567Z`: a point in time, and
/// nothing that changes an address.
pub(super) fn is_version(version_id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_digit() || b"-:.TZ".contains(&byte);
    version_id.contains('T') && version_id.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_becomes_a_part_of_the_address() {
        let turned = |uri: &str| {
            let version = HeaderValue::from_static("2026-11-23T19:50:01.1234567Z");
            of_version(&uri.parse().unwrap(), &version)
                .unwrap()
                .to_string()
        };
        let id = "versionid=2026-11-23T19%3A50%3A01.1234567Z";
        assert_eq!(
            turned("https://h/box/a%20b"),
            format!("https://h/box/a%20b?{id}")
        );
        assert_eq!(
            turned("https://h/box/a?sig=x%3D"),
            format!("https://h/box/a?sig=x%3D&{id}")
        );
    }

    #[test]
    fn only_times_are_versions() {
        assert!(is_version("2026-11-23T19:50:01.1234567Z"));
        for other in [
            "",
            "null",
            "12",
            "2026-11-23T1&sig=1",
            "\"0x8DA8BEB55D0EA35\"",
        ] {
            assert!(!is_version(other), "{other}");
        }
    }
}
