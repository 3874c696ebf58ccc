//! HTTP for `OpenDAL`, by the client that the rest of ketch uses.
//!
//! A request is made on the thread that waits for it, so there is no second pool of threads and no
//! second HTTP and TLS stack to build.

use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};

use super::object_service::Timeouts;

/// Whether a server must prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    On,
    Off,
}

pub(crate) struct BlockingTransport {
    agent: ureq::Agent,
    /// For what a cloud tells its own machines; on any other machine nobody answers.
    metadata: ureq::Agent,
}

/// Where clouds tell a machine of theirs who it is.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "[fd00:ec2::254]",
    "metadata.google.internal",
];

/// How long that may take: they are next door.
const NEXT_DOOR: Duration = Duration::from_secs(1);

impl fmt::Debug for BlockingTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingTransport")
    }
}

/// How much of an answer is handed on at a time.
const CHUNK: usize = 1 << 18;

impl BlockingTransport {
    pub(crate) fn new(timeouts: Timeouts, verification: Verification) -> Self {
        let tls = TlsConfig::builder()
            // The machine's certificates: a company's own among them.
            .root_certs(RootCerts::PlatformVerifier)
            .disable_verification(verification == Verification::Off)
            .build();
        let config = |timeouts: Timeouts| {
            ureq::Agent::config_builder()
                .tls_config(tls.clone())
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .timeout_connect(Some(timeouts.connect))
                .timeout_resolve(Some(timeouts.connect))
                .timeout_per_read(Some(timeouts.idle))
                .timeout_per_write(Some(timeouts.idle))
                .max_idle_connections_per_host(32)
                .max_idle_connections(64)
                .user_agent(concat!("ketch/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        Self {
            agent: config(timeouts).into(),
            metadata: config(Timeouts {
                connect: NEXT_DOOR,
                idle: NEXT_DOOR,
            })
            .into(),
        }
    }

    fn exchange(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let agent = match parts.uri.host() {
            Some(host) if METADATA.contains(&host) => &self.metadata,
            _ => &self.agent,
        };
        let answer = if matches!(parts.method, Method::PUT | Method::POST | Method::PATCH) {
            let bytes = body.to_bytes();
            // Google says 308, without a place to go to, for «and the next part, please».
            let request = agent
                .configure_request(Request::from_parts(parts, &*bytes))
                .max_redirects(0)
                .max_redirects_will_error(false)
                .build();
            agent.run(request)
        } else {
            // What is asked in a body by the others (PROPFIND) is what servers answer without one.
            parts.headers.remove(header::CONTENT_LENGTH);
            agent.run(Request::from_parts(parts, ()))
        };
        let (parts, body) = answer.map_err(|error| broken(&error))?.into_parts();
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .filter(|_| !is_head);
        let chunks = Chunks {
            reader: Mutex::new(Box::new(body.into_reader())),
        };
        Ok(Response::from_parts(parts, HttpBody::new(chunks, length)))
    }
}

impl HttpTransport for BlockingTransport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        self.exchange(request)
    }
}

/// The body of an answer.
struct Chunks {
    /// Never contended; it makes the reader `Sync`.
    reader: Mutex<Box<dyn Read + Send>>,
}

impl Stream for Chunks {
    type Item = opendal::Result<Buffer>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Ok(mut reader) = self.reader.lock() else {
            return Poll::Ready(None);
        };
        let mut chunk = Vec::new();
        let read = reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(_) => Some(Ok(Buffer::from(chunk))),
            Err(error) => Some(Err(Error::new(
                ErrorKind::Unexpected,
                "the connection broke within the answer",
            )
            .set_temporary()
            .set_source(error))),
        })
    }
}

/// An exchange without an answer: worth trying again, unless the request itself was the trouble.
fn broken(error: &ureq::Error) -> Error {
    let transient = match error {
        // A certificate that proves nothing, for one.
        ureq::Error::Io(error) => !matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        ),
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed | ureq::Error::Protocol(_) => true,
        _ => false,
    };
    let text = Error::new(ErrorKind::Unexpected, format!("no answer: {error}"));
    text.with_temporary(transient)
}
