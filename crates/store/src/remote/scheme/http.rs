//! A web server.

use std::sync::Arc;

use opendal::raw::format_authorization_by_basic;
use opendal::services::Http;
use ureq::http::{HeaderValue, Method};

use super::{RemoteError, RemoteSettings, Scheme};
use crate::remote::Remote;
use crate::remote::http_transport::{BlockingTransport, SecretHeader};
use crate::remote::object_service::{Endpoint, ObjectService, Timeouts};
use crate::remote::trust::Trust;
use crate::remote::web_server::WebServer;

pub(super) const SCHEME: Scheme = Scheme {
    names: &["http", "https"],
    title: "HTTP",
    options: &[
        "ask_password",
        "auth",
        "connect_timeout",
        "custom_auth_header",
        "method",
        "password",
        "read_timeout",
        "ssl_verify",
        "user",
    ],
    open,
};

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let auth = settings.option("auth").map(str::to_ascii_lowercase);
    let header = match auth.as_deref() {
        None | Some("basic") => None,
        Some("custom") => match SecretHeader::of(settings)? {
            Some(header) => Some(Arc::new(header)),
            None => {
                return Err(settings.invalid("custom_auth_header", "there, though `auth` wants it"));
            }
        },
        Some(_) => {
            return Err(settings.invalid("auth", "`basic` or `custom`, the kinds there are here"));
        }
    };
    let upload = match settings.option("method").map(str::to_ascii_uppercase) {
        None => Method::POST,
        Some(method) if method == "POST" => Method::POST,
        Some(method) if method == "PUT" => Method::PUT,
        Some(_) => return Err(settings.invalid("method", "`POST` or `PUT`")),
    };
    let endpoint = Endpoint::of(settings, &settings.url)?;
    let mut service = Http::default()
        .endpoint(&endpoint.origin)
        .root(&endpoint.path);
    let mut authorization = None;
    if let Some((user, password)) = endpoint.login(settings)
        && header.is_none()
    {
        let value = format_authorization_by_basic(&user, &password)
            .ok()
            .and_then(|value| HeaderValue::try_from(value).ok());
        let mut value = value.ok_or_else(|| settings.invalid("user", "a user's name"))?;
        value.set_sensitive(true);
        authorization = Some(value);
        service = service.username(&user).password(&password);
    }
    let timeouts = Timeouts::of(settings, "read_timeout")?;
    let reading = ObjectService::open_with_header(settings, service, timeouts, header.clone())?;
    let writing = BlockingTransport::new(timeouts, Trust::of(settings)?, header);
    Ok(Box::new(WebServer::new(
        reading,
        writing,
        upload,
        &endpoint,
        authorization,
    )))
}
