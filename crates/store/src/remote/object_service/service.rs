//! What services do in ways of their own.

use opendal::{Metadata, Operator};

use super::{azure, google};

/// What a version of S3 is called where a bucket's versioning is suspended.
const S3_NO_VERSION: &str = "null";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    Azure,
    Google,
    WebDav,
    /// A web server.
    Http,
}

impl Service {
    pub(super) fn of(operator: &Operator) -> Self {
        match operator.info().scheme() {
            "s3" => Self::S3,
            "azblob" => Self::Azure,
            "gcs" => Self::Google,
            "webdav" => Self::WebDav,
            _ => Self::Http,
        }
    }

    /// An etag as DVC records it.
    pub(super) fn etag(self, etag: &str) -> Option<String> {
        let plain = etag.trim_matches('"');
        if plain.is_empty() {
            return None;
        }
        match self {
            Self::S3 => Some(plain.to_owned()),
            Self::Google => google::hex_etag(etag),
            // Some of its answers quote it, some do not.
            Self::Azure => Some(format!("\"{plain}\"")),
            // As the server says it: weak, or without the marks that it should have.
            Self::WebDav | Self::Http => Some(etag.to_owned()),
        }
    }

    /// Whether its buckets can keep versions.
    pub(super) fn keeps_versions(self) -> bool {
        matches!(self, Self::S3 | Self::Azure | Self::Google)
    }

    /// Whether everything is of some version there, asked for or not.
    pub(super) fn always_has_versions(self) -> bool {
        self == Self::Google
    }

    /// Whether the server shows a file while it is being written.
    pub(super) fn writes_in_place(self) -> bool {
        self == Self::WebDav
    }

    /// Whether this can name a version; what cannot is not sent.
    pub(super) fn can_be_version(self, version_id: &str) -> bool {
        match self {
            Self::Azure => azure::is_version(version_id),
            Self::Google => google::is_generation(version_id),
            _ => !version_id.is_empty(),
        }
    }

    /// Whether what was written last is of a version that the next write replaces.
    pub(super) fn is_replaced(self, version_id: &str) -> bool {
        self == Self::S3 && version_id == S3_NO_VERSION
    }

    /// What is known of a version.
    pub(super) async fn stat(
        self,
        operator: &Operator,
        key: &str,
        version_id: &str,
    ) -> opendal::Result<Metadata> {
        let stat = operator.stat_with(key);
        match self {
            Self::Azure => stat.if_match(version_id).await,
            Self::Google => stat.if_version_match(version_id).await,
            _ => stat.version(version_id).await,
        }
    }

    /// What reads a version.
    pub(super) async fn reader(
        self,
        operator: &Operator,
        key: &str,
        version_id: &str,
    ) -> opendal::Result<opendal::Reader> {
        let reader = operator.reader_with(key);
        match self {
            Self::Azure => reader.if_match(version_id).await,
            Self::Google => reader.if_version_match(version_id).await,
            _ => reader.version(version_id).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_recorded_as_by_dvc() {
        for (service, said, recorded) in [
            (Service::S3, "\"abc\"", "abc"),
            (Service::Azure, "\"0x8D\"", "\"0x8D\""),
            (Service::Azure, "0x8D", "\"0x8D\""),
            (Service::WebDav, "abc", "abc"),
            (Service::Http, "\"abc\"", "\"abc\""),
            (Service::Http, "W/\"abc\"", "W/\"abc\""),
        ] {
            assert_eq!(service.etag(said).unwrap(), recorded, "{service:?}");
            assert_eq!(service.etag("\"\""), None);
        }
    }
}
