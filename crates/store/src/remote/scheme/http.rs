//! A web server: read only.

use opendal::services::Http;

use super::{RemoteError, RemoteSettings, Scheme};
use crate::remote::Remote;
use crate::remote::http_transport::SecretHeader;
use crate::remote::object_service::{Endpoint, ObjectService, Timeouts};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["http", "https"],
    title: "HTTP",
    options: &[
        "auth",
        "connect_timeout",
        "custom_auth_header",
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
            Some(header) => Some(header),
            None => {
                return Err(settings.invalid("custom_auth_header", "there, though `auth` wants it"));
            }
        },
        Some(_) => {
            return Err(settings.invalid("auth", "`basic` or `custom`, the kinds there are here"));
        }
    };
    let endpoint = Endpoint::of(settings, &settings.url)?;
    let mut service = Http::default()
        .endpoint(&endpoint.origin)
        .root(&endpoint.path);
    if let Some((user, password)) = endpoint.login(settings)
        && header.is_none()
    {
        service = service.username(&user).password(&password);
    }
    Ok(Box::new(ObjectService::open_with_header(
        settings,
        service,
        Timeouts::of(settings, "read_timeout")?,
        header,
    )?))
}
