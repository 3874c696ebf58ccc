//! The kinds of remotes, as a table: one file and one line for each.

mod azure;
mod gs;
mod http;
mod local;
mod s3;
mod ssh;
mod webdav;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use s3::region_in;

use super::versions::WorktreeRemote;
use super::{Remote, RemoteError, RemoteSettings, Versioning};

/// One kind of remote.
pub struct Scheme {
    /// What its URLs begin with; none for paths.
    pub names: &'static [&'static str],
    /// What people call it.
    pub title: &'static str,
    /// The options it understands, as DVC names them, beyond [`COMMON`].
    pub options: &'static [&'static str],
    pub(crate) open: fn(&RemoteSettings) -> Result<Box<dyn Remote>, RemoteError>,
}

/// Every kind of remote.
pub const SCHEMES: &[Scheme] = &[
    local::SCHEME,
    s3::SCHEME,
    azure::SCHEME,
    gs::SCHEME,
    ssh::SCHEME,
    http::SCHEME,
    webdav::SCHEME,
];

/// Options of every remote. Those about speed have no effect here; `verify` is always on.
const COMMON: &[&str] = &[
    "jobs",
    "checksum_jobs",
    "verify",
    "no_traverse",
    "worktree",
    "version_aware",
];

/// Opens a remote. Nothing is asked of it yet.
pub fn open_remote(settings: &RemoteSettings) -> Result<Box<dyn Remote>, RemoteError> {
    let name = settings
        .url
        .split_once("://")
        .map(|(name, _)| name.to_ascii_lowercase());
    let scheme = SCHEMES
        .iter()
        .find(|scheme| match &name {
            Some(name) => scheme.names.contains(&name.as_str()),
            None => scheme.names.contains(&"file"),
        })
        .ok_or_else(|| RemoteError::UnknownScheme {
            remote: settings.name.clone(),
            url: without_secrets(&settings.url),
        })?;
    let unsupported = |key: &str| RemoteError::UnsupportedOption {
        remote: settings.name.clone(),
        key: key.to_owned(),
        scheme: scheme.title,
    };
    for key in settings.options.keys() {
        if !COMMON.contains(&key.as_str()) && !scheme.options.contains(&key.as_str()) {
            return Err(unsupported(key));
        }
    }
    let without_versions = |key: &str| RemoteError::VersionsUnsupported {
        remote: settings.name.clone(),
        key: key.to_owned(),
        scheme: scheme.title,
    };
    let versioning = settings.versioning()?;
    settings.jobs()?;
    let remote = (scheme.open)(settings)?;
    match versioning {
        Versioning::None => Ok(remote),
        // Files under their own names would be lost with their next version.
        Versioning::Aware if remote.versions().is_none() => Err(without_versions("version_aware")),
        Versioning::Worktree if remote.versions().is_none() => Err(without_versions("worktree")),
        Versioning::Aware => Ok(remote),
        Versioning::Worktree => Ok(Box::new(WorktreeRemote(remote))),
    }
}

/// A URL without the user and password that it may carry.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}/{path}"),
        None => url.to_owned(),
    }
}

/// Host (or bucket) and path of a URL.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = SCHEMES.iter().flat_map(|scheme| scheme.names).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn refuses_what_it_would_get_wrong() {
        let error = |url: &str, key: &str, value: &str| {
            open_remote(&RemoteSettings::new("r", url).with(key, value))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("gdrive://x", "jobs", "1"),
            "remote `r`: the scheme of `gdrive://x` is not supported"
        );
        assert_eq!(
            error("/x", "password", "p"),
            "remote `r`: option `password` is not supported for local remotes"
        );
        assert_eq!(
            error("/x", "worktree", "true"),
            "remote `r`: `worktree` needs versions, which are not supported for local remotes"
        );
        assert_eq!(
            error("https://host/x", "version_aware", "true"),
            "remote `r`: `version_aware` needs versions, which are not supported for HTTP remotes"
        );
        assert_eq!(
            error("s3://bucket", "use_ssl", "perhaps"),
            "remote `r`: the value of `use_ssl` is not true or false"
        );
        assert!(error("https://u:secret@h/p", "what", "1").contains("what"));
        assert_eq!(without_secrets("https://u:secret@h/p"), "https://h/p");
    }
}
