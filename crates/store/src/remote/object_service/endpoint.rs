//! Where a server is, and how long it is waited for.

use std::time::Duration;

use super::{RemoteError, RemoteSettings};

/// How long a silent server is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// Between two signs of life, not for a whole request.
    pub(crate) idle: Duration,
}

impl Timeouts {
    /// The `connect_timeout` and the option that this scheme has for the other one; a minute each
    /// otherwise, as with DVC.
    pub(crate) fn of(settings: &RemoteSettings, idle: &str) -> Result<Self, RemoteError> {
        let minute = Duration::from_mins(1);
        Ok(Self {
            connect: settings.seconds("connect_timeout")?.unwrap_or(minute),
            idle: settings.seconds(idle)?.unwrap_or(minute),
        })
    }
}

/// A URL of a server, taken apart.
pub(crate) struct Endpoint {
    /// `https://host:port`.
    pub(crate) origin: String,
    pub(crate) path: String,
    user: Option<String>,
}

impl Endpoint {
    pub(crate) fn of(settings: &RemoteSettings, url: &str) -> Result<Self, RemoteError> {
        let invalid = || settings.invalid("url", "of the form SCHEME://HOST/PATH");
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        if host.is_empty() {
            return Err(invalid());
        }
        Ok(Self {
            origin: format!("{}://{host}", scheme.to_ascii_lowercase()),
            path: format!("/{}", path.trim_end_matches('/')),
            user,
        })
    }

    /// User and password, from the options or the URL.
    pub(crate) fn login(&self, settings: &RemoteSettings) -> Option<(String, String)> {
        let (in_url, word) = match self.user.as_deref().map(|user| user.split_once(':')) {
            Some(Some((user, word))) => (Some(user), Some(word)),
            Some(None) => (self.user.as_deref(), None),
            None => (None, None),
        };
        let user = settings.option("user").or(in_url)?;
        let word = settings.option("password").or(word).unwrap_or_default();
        Some((user.to_owned(), word.to_owned()))
    }
}
