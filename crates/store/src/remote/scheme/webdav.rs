//! `WebDAV`.

use std::sync::Arc;

use opendal::services::Webdav;

use super::{RemoteError, RemoteSettings, Scheme};
use crate::remote::Remote;
use crate::remote::bearer::{TokenProgram, TokenTransport};
use crate::remote::http_transport::SecretHeader;
use crate::remote::object_service::{Endpoint, ObjectService, Timeouts};

pub(super) const SCHEME: Scheme = Scheme {
    names: &["webdav", "webdavs"],
    title: "WebDAV",
    options: &[
        "ask_password",
        "bearer_token_command",
        "cert_path",
        "custom_auth_header",
        "key_path",
        "password",
        "ssl_verify",
        "timeout",
        "token",
        "user",
    ],
    open,
};

fn open(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let url = match settings.url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("webdavs") => format!("https://{rest}"),
        Some((_, rest)) => format!("http://{rest}"),
        None => settings.url.clone(),
    };
    let endpoint = Endpoint::of(settings, &url)?;
    let mut service = Webdav::default()
        .endpoint(&endpoint.origin)
        .root(&endpoint.path);
    let timeouts = Timeouts::of(settings, "timeout")?;
    if let Some(program) = TokenProgram::of(settings)? {
        // It proves who asks in place of all else.
        let around = |transport| TokenTransport { transport, program };
        let service = ObjectService::open_through(settings, service, timeouts, around)?;
        return Ok(Box::new(service));
    }
    let header = SecretHeader::of(settings)?.map(Arc::new);
    if let Some(token) = settings.option("token") {
        service = service.token(token);
    } else if let Some((user, password)) = endpoint.login(settings)
        && header.is_none()
    {
        service = service.username(&user).password(&password);
    }
    Ok(Box::new(ObjectService::open_with_header(
        settings, service, timeouts, header,
    )?))
}
