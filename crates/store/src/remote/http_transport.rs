//! HTTP for `OpenDAL`, by the client that the rest of ketch uses.
//!
//! A request is made on the thread that waits for it, so there is no second pool of threads and no
//! second HTTP and TLS stack to build.

use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use ureq::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use ureq::tls::TlsConfig;
use ureq::{AsSendBody, SendBody};
use url::Url;

use super::object_service::Timeouts;
use super::trust::Trust;
use super::{RemoteError, RemoteSettings};

/// A header that proves who asks: for one server, and none that it sends us on to.
pub(crate) struct SecretHeader {
    name: HeaderName,
    value: HeaderValue,
}

impl SecretHeader {
    /// DVC's `custom_auth_header` and, as its value, `password`; none if there is no such option.
    pub(crate) fn of(settings: &RemoteSettings) -> Result<Option<Self>, RemoteError> {
        let Some(name) = settings.option("custom_auth_header") else {
            return Ok(None);
        };
        let value = settings
            .option("password")
            .ok_or_else(|| settings.invalid("password", "there, though `custom_auth_header` is"))?;
        let name = HeaderName::try_from(name)
            .map_err(|_| settings.invalid("custom_auth_header", "the name of a header"))?;
        let mut value = HeaderValue::try_from(value)
            .map_err(|_| settings.invalid("password", "something that fits into a header"))?;
        value.set_sensitive(true);
        Ok(Some(Self { name, value }))
    }
}

pub(crate) struct BlockingTransport {
    header: Option<Arc<SecretHeader>>,
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
/// Bytes of an answer that tells of a failure.
const LONGEST_FAILURE: u64 = 1 << 20;

impl BlockingTransport {
    pub(crate) fn new(timeouts: Timeouts, trust: Trust, header: Option<Arc<SecretHeader>>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(trust.roots)
            .disable_verification(!trust.verify)
            .client_cert(trust.client)
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
            header,
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
            if let Some(header) = &self.header {
                parts.headers.insert(&header.name, header.value.clone());
            }
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
            self.ask(agent, Request::from_parts(parts, ()))
        };
        let (parts, body) = answer.map_err(|error| broken(&error))?.into_parts();
        if parts.status == StatusCode::UNAUTHORIZED {
            // Not every service calls that a refusal.
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "the server does not know who asks (status 401)",
            ));
        }
        if parts.status == StatusCode::INSUFFICIENT_STORAGE {
            return Err(no_room());
        }
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .filter(|_| !is_head);
        let reader = body.into_reader();
        // What a server says of a failure is held as a whole; it need not be all of it.
        let failed = parts.status.is_client_error() || parts.status.is_server_error();
        let (reader, length): (Box<dyn Read + Send>, _) = if failed {
            (Box::new(reader.take(LONGEST_FAILURE)), None)
        } else {
            (Box::new(reader), length)
        };
        let chunks = Chunks {
            reader: Mutex::new(reader),
        };
        Ok(Response::from_parts(parts, HttpBody::new(chunks, length)))
    }
}

impl BlockingTransport {
    /// Follows where the server sends us by hand, so that what proves who we are stays with it.
    fn ask(
        &self,
        agent: &ureq::Agent,
        request: Request<()>,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        const MOST_TURNS: usize = 10;
        let (mut parts, ()) = request.into_parts();
        let home = origin(&parts.uri);
        let mut at_home = true;
        for _ in 0..MOST_TURNS {
            let mut with = parts.clone();
            if let Some(header) = self.header.as_ref().filter(|_| at_home) {
                with.headers.insert(&header.name, header.value.clone());
            }
            let request = agent
                .configure_request(Request::from_parts(with, ()))
                .max_redirects(0)
                .max_redirects_will_error(false)
                .build();
            let answer = agent.run(request)?;
            let elsewhere = answer
                .headers()
                .get(header::LOCATION)
                .filter(|_| answer.status().is_redirection());
            let Some(location) = elsewhere else {
                return Ok(answer);
            };
            parts.uri = resolve(&parts.uri, location)?;
            if answer.status() == StatusCode::SEE_OTHER && parts.method != Method::HEAD {
                parts.method = Method::GET;
            }
            if origin(&parts.uri) != home {
                // They do not come back, even if another server sends us home.
                at_home = false;
                for name in SECRETS {
                    parts.headers.remove(*name);
                }
            }
        }
        Err(ureq::Error::TooManyRedirects)
    }
}

impl BlockingTransport {
    /// Makes a request whose body is the `size` bytes of `source`, as they are read, and gives the
    /// status of the answer. Turns to other places are not taken: what was read is gone.
    pub(crate) fn send(
        &self,
        mut request: Request<()>,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<StatusCode, ureq::Error> {
        request
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        self.status(request.map(|()| SendBody::from_reader(source)))
    }

    /// Makes a request without a body, and gives the status of the answer.
    pub(crate) fn request(&self, request: Request<()>) -> Result<StatusCode, ureq::Error> {
        self.status(request)
    }

    fn status(&self, mut request: Request<impl AsSendBody>) -> Result<StatusCode, ureq::Error> {
        if let Some(header) = &self.header {
            let headers = request.headers_mut();
            headers.insert(&header.name, header.value.clone());
        }
        let request = self
            .agent
            .configure_request(request)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        Ok(self.agent.run(request)?.status())
    }
}

/// What proves who asks, for the server that it was made for.
const SECRETS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
];

/// Scheme, host and port.
fn origin(uri: &Uri) -> (Option<String>, Option<String>, Option<u16>) {
    let scheme = uri.scheme_str().map(str::to_owned);
    let usual = match scheme.as_deref() {
        Some("https") => Some(443),
        _ => Some(80),
    };
    let host = uri.host().map(str::to_ascii_lowercase);
    (scheme, host, uri.port_u16().or(usual))
}

/// Where a server sends us on to: RFC 3986, section 5, with the address that was asked as the base.
fn resolve(base: &Uri, location: &HeaderValue) -> Result<Uri, ureq::Error> {
    let bad = |problem: String| ureq::Error::BadUri(format!("to go on to: {problem}"));
    let location =
        std::str::from_utf8(location.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let base = Url::parse(&base.to_string()).map_err(|error| bad(error.to_string()))?;
    let mut url = base
        .join(location)
        .map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("`{}` is not the web", url.scheme())));
    }
    url.set_fragment(None);
    // Somebody else's idea of who we are.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.as_str()
        .parse()
        .map_err(|error: ureq::http::uri::InvalidUri| bad(error.to_string()))
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

/// The server's disk is full.
pub(crate) fn no_room() -> Error {
    let text = "the server has no room for it (status 507)";
    Error::new(ErrorKind::Unexpected, text).set_source(io::Error::from(io::ErrorKind::StorageFull))
}

/// An exchange without an answer: worth trying again, unless the request itself was the trouble.
pub(crate) fn broken(error: &ureq::Error) -> Error {
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
