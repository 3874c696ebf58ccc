//! What names a repository, told apart without asking anybody.

use camino::{Utf8Path, Utf8PathBuf};

use super::ImportError;

/// What `git` may be told to speak. Among those that it may not: `ext`, which runs programs.
pub(super) const PROTOCOLS: &[&str] = &["file", "git", "http", "https", "ssh"];

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A directory of this machine, absolute.
    Directory(Utf8PathBuf),
    /// Something that Git can clone.
    Url(String),
}

impl Address {
    /// The directory of that name below the first of `bases` that has one, or else a URL.
    ///
    /// Nothing that Git would take for an option or for a program to run gets through.
    pub(super) fn parse(url: &str, bases: &[&Utf8Path]) -> Result<Self, ImportError> {
        let refused = || ImportError::Address {
            url: url.to_owned(),
        };
        if url.is_empty() || url.starts_with('-') || url.contains(['\0', '\n', '\r']) {
            return Err(refused());
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            let known = PROTOCOLS.contains(&scheme.to_ascii_lowercase().as_str());
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            if !known || rest.starts_with('-') || host.starts_with('-') || scheme.contains("::") {
                return Err(refused());
            }
            return Ok(Self::Url(url.to_owned()));
        }
        for base in bases {
            let place = base.join(url);
            if place.is_dir() {
                let found = fs_err::canonicalize(&place).ok();
                let found = found.and_then(|found| Utf8PathBuf::from_path_buf(found).ok());
                return Ok(Self::Directory(found.unwrap_or(place)));
            }
        }
        let before = url.split('/').next().unwrap_or_default();
        if before.contains("::") {
            return Err(refused());
        }
        match before.split_once(':') {
            // `user@host:path`
            Some((host, _)) if !host.is_empty() && !host.contains("@-") => {
                Ok(Self::Url(url.to_owned()))
            }
            _ => Err(ImportError::Repository {
                url: url.to_owned(),
                message: "there is no such directory".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_addresses_are_refused() {
        for url in [
            "",
            "--upload-pack=touch x",
            "-x",
            "ext::sh -c 'touch x'",
            "fd::17",
            "ext://x",
            "ssh://-oProxyCommand=touch/x",
            "ssh://user@-oProxyCommand=touch/x",
            "user@-oProxyCommand=touch:x",
            "https://h/x\n--upload-pack=y",
            "hg::https://h",
        ] {
            Address::parse(url, &["/".into()]).unwrap_err();
        }
    }

    #[test]
    fn directories_come_first() {
        assert_eq!(
            Address::parse("tmp", &["/nowhere".into(), "/".into()]).unwrap(),
            Address::Directory("/tmp".into())
        );
        for url in ["https://h/x.git", "ssh://git@h/x", "git@h:x/y", "file:///x"] {
            let found = Address::parse(url, &["/".into()]).unwrap();
            assert_eq!(found, Address::Url(url.to_owned()));
        }
        let error = Address::parse("no/such", &["/".into()]).unwrap_err();
        assert!(error.to_string().contains("no such directory"), "{error}");
    }
}
