//! A web server: read only.

use opendal::services::Http;

use super::{RemoteError, RemoteSettings, Scheme};
use crate::remote::Remote;
use crate::remote::object_service::{Endpoint, ObjectService, Timeouts};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["http", "https"],
    title: "HTTP",
    options: &[
        "auth",
        "connect_timeout",
        "password",
        "read_timeout",
        "ssl_verify",
        "user",
    ],
    open,
};

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    if let Some(auth) = settings.option("auth")
        && !auth.eq_ignore_ascii_case("basic")
    {
        return Err(settings.invalid("auth", "`basic`, the only kind there is here"));
    }
    let endpoint = Endpoint::of(settings, &settings.url)?;
    let mut service = Http::default()
        .endpoint(&endpoint.origin)
        .root(&endpoint.path);
    if let Some((user, password)) = endpoint.login(settings) {
        service = service.username(&user).password(&password);
    }
    Ok(Box::new(ObjectService::open(
        settings,
        service,
        Timeouts::of(settings, "read_timeout")?,
    )?))
}
