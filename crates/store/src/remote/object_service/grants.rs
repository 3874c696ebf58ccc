//! Who may read, or change, what is put into a bucket of Amazon's.
//!
//! `OpenDAL` can name one of Amazon's ready-made lists (`acl`), and nobody in particular. Headers say
//! who with every object that begins
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>), and are signed.

use opendal::{Buffer, HttpBody, HttpTransport};
use reqsign_aws_v4::{Credential, RequestSigner};
use ureq::http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};

use super::signing::LastCredential;
use crate::remote::http_transport::BlockingTransport;

/// A service's name in its signatures.
const S3: &str = "s3";

/// Sends requests; with those that begin an object, whom it is shared with.
pub(crate) struct GrantTransport {
    pub(crate) transport: BlockingTransport,
    pub(crate) grants: Vec<(HeaderName, HeaderValue)>,
    pub(crate) region: String,
    pub(crate) credential: LastCredential<Credential>,
}

impl HttpTransport for GrantTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        if !self.grants.is_empty() && begins_object(&parts.method, &parts.uri) {
            parts.headers.extend(self.grants.iter().cloned());
            // Nobody signs for those who need no name.
            if parts.headers.contains_key(header::AUTHORIZATION) {
                let signer = RequestSigner::new(S3, &self.region);
                self.credential
                    .sign_again(&mut parts, &signer, "the request that shares an object")
                    .await?;
            }
        }
        self.transport.fetch(Request::from_parts(parts, body)).await
    }
}

/// Whether an object is put there whole, or the first word of one in parts; the parts themselves
/// take no such headers.
fn begins_object(method: &Method, uri: &Uri) -> bool {
    let has = |name: &str| {
        let mut pairs = uri.query().unwrap_or_default().split('&');
        pairs.any(|pair| pair.split('=').next() == Some(name))
    };
    match *method {
        Method::PUT => !has("partNumber"),
        Method::POST => has("uploads"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_an_object_shares_it() {
        let begins = |method, uri: &str| begins_object(&method, &uri.parse().unwrap());
        assert!(begins(Method::PUT, "http://h/b/k"));
        assert!(begins(Method::POST, "http://h/b/k?uploads"));
        assert!(begins(Method::POST, "http://h/b/k?uploads="));
        assert!(!begins(Method::PUT, "http://h/b/k?partNumber=1&uploadId=x"));
        assert!(!begins(Method::POST, "http://h/b/k?uploadId=uploads"));
        assert!(!begins(Method::POST, "http://h/b?delete"));
        assert!(!begins(Method::GET, "http://h/b/k"));
    }
}
