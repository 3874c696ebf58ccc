//! Versions that URLs name, each cloud's in its own way, as DVC reads them.

/// How a URL says which version of a file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionName {
    /// As a field of what follows `?`.
    Query(&'static str),
    /// As a number after `#`.
    Generation,
}

impl VersionName {
    fn of(url: &str) -> Option<Self> {
        let (scheme, _) = url.split_once("://")?;
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => Some(Self::Query("versionId")),
            "azure" => Some(Self::Query("versionid")),
            "gs" => Some(Self::Generation),
            _ => None,
        }
    }

    /// The URL with another version than the one that it names.
    pub(super) fn replace(self, url: &str, version_id: &str) -> String {
        let without = self.split(url).map_or(url.to_owned(), |(url, _)| url);
        match self {
            Self::Query(_) if without.contains('?') => {
                format!("{without}&{}{version_id}", self.mark())
            }
            Self::Query(_) => format!("{without}?{}{version_id}", self.mark()),
            Self::Generation => format!("{without}#{version_id}"),
        }
    }

    fn mark(self) -> String {
        match self {
            Self::Query(field) => format!("{field}="),
            Self::Generation => String::new(),
        }
    }

    /// The URL without the version, and the version.
    fn split(self, url: &str) -> Option<(String, String)> {
        if self == Self::Generation {
            let (url, number) = url.rsplit_once('#')?;
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            return is_number.then(|| (url.to_owned(), number.to_owned()));
        }
        let mark = self.mark();
        let (place, query) = url.rsplit_once('?')?;
        let fields = || query.split('&');
        let version = fields().find_map(|field| field.strip_prefix(&mark))?;
        if version.is_empty() {
            return None;
        }
        let rest: Vec<&str> = fields().filter(|field| !field.starts_with(&mark)).collect();
        let url = match rest.as_slice() {
            [] => place.to_owned(),
            rest => format!("{place}?{}", rest.join("&")),
        };
        // Azure's versions are times, which some tools write so.
        Some((url, version.replace("%3A", ":").replace("%3a", ":")))
    }
}

/// The URL without the version that it names, how it does, and the version. None if it names none,
/// as names of files may have these signs too.
pub(super) fn split(url: &str) -> Option<(String, VersionName, String)> {
    let name = VersionName::of(url)?;
    let (url, version) = name.split(url)?;
    Some((url, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_taken_from_urls_and_put_there() {
        for (url, place, version, other) in [
            (
                "s3://b/a?versionId=v1",
                "s3://b/a",
                "v1",
                "s3://b/a?versionId=v2",
            ),
            (
                "s3://b/a?x=1&versionId=v1",
                "s3://b/a?x=1",
                "v1",
                "s3://b/a?x=1&versionId=v2",
            ),
            (
                "azure://b/a?versionid=1%3A2",
                "azure://b/a",
                "1:2",
                "azure://b/a?versionid=v2",
            ),
            ("gs://b/a#c#12", "gs://b/a#c", "12", "gs://b/a#c#v2"),
        ] {
            let (found, name, id) = split(url).unwrap();
            assert_eq!((found.as_str(), id.as_str()), (place, version));
            assert_eq!(name.replace(url, "v2"), other);
        }
        for none in [
            "s3://b/a",
            "s3://b/a?versionid=v1",
            "s3://b/a?versionId=",
            "azure://b/a?",
            "gs://b/a#",
            "gs://b/a#one",
            "https://h/a?versionId=1",
            "a?versionId=1",
        ] {
            assert_eq!(split(none), None, "{none}");
        }
    }
}
