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
        let refused = || ImportError::Address { url: shown(url) };
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
                url: shown(url),
                message: "there is no such directory".to_owned(),
            }),
        }
    }
}

/// The address without the user and password that it may have: it ends up in messages and logs.
pub(super) fn shown(url: &str) -> String {
    url.replacen(&login(url), "", 1)
}

/// What a program said about the address, without them too.
pub(super) fn without_login(words: &str, url: &str) -> String {
    match login(url) {
        login if login.is_empty() => words.to_owned(),
        login => words.replace(&login, ""),
    }
}

/// `user:password@`, or nothing.
fn login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return String::new();
    };
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let odd = authority
        .split_once(':')
        .is_some_and(|(_, port)| !is_port(port));
    // A password may have a slash that nobody escaped, and a path the sign.
    let before = if authority.contains('@') || !odd {
        authority
    } else {
        rest
    };
    let Some((login, _)) = before.rsplit_once('@') else {
        return String::new();
    };
    // The user of SSH is no secret.
    if !login.contains(':') && scheme.eq_ignore_ascii_case("ssh") {
        return String::new();
    }
    format!("{login}@")
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

    #[test]
    fn passwords_are_not_shown() {
        for (url, expected) in [
            ("https://me:s3cret@h/x.git", "https://h/x.git"),
            ("https://token@h/x", "https://h/x"),
            ("https://me:s3/cr@et@h/x", "https://h/x"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("git@h:x", "git@h:x"),
            ("https://h/a@b", "https://h/a@b"),
            ("https://h:8080/a@b", "https://h:8080/a@b"),
            ("../other", "../other"),
        ] {
            assert_eq!(shown(url), expected);
        }
        let words = "unable to access 'https://me:s3cret@h/x/': no";
        let told = without_login(words, "https://me:s3cret@h/x");
        assert_eq!(told, "unable to access 'https://h/x/': no");
    }
}
