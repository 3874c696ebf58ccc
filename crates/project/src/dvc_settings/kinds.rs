//! What values a setting takes. DVC refuses to work in a project with another one, so none is
//! written.

use ketch_store::LinkKind;

use super::SettingName;
use crate::ProjectError;

/// The values of one setting.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Flag,
    /// From 1.
    Count,
    Number,
    /// In seconds.
    Time,
    Links,
    OneOf(&'static [&'static str]),
    /// A path, or a URL.
    Place,
}

/// What a remote's URL may begin with: DVC's schemes, which are there to be written down whether
/// ketch opens such a remote or not, and ours.
const SCHEMES: [&str; 15] = [
    "s3", "gs", "ssh", "hdfs", "webhdfs", "azure", "oss", "gdrive", "http", "https", "webdav",
    "webdavs", "remote", "file", "local",
];

/// Settings that are not any text, by section. Those of remotes have the same meaning whatever the
/// scheme; facts from DVC 3.67.1's schema.
const KINDS: &[(&str, &[&str], Kind)] = &[
    (
        "core",
        &[
            "interactive",
            "analytics",
            "hardlink_lock",
            "no_scm",
            "autostage",
            "check_update",
            "experiments",
        ],
        Kind::Flag,
    ),
    ("core", &["checksum_jobs"], Kind::Count),
    (
        "cache",
        &["slow_link_warning", "verify", "protected"],
        Kind::Flag,
    ),
    ("cache", &["type"], Kind::Links),
    ("cache", &["shared"], Kind::OneOf(&["group"])),
    ("exp", &["auto_push"], Kind::Flag),
    ("hydra", &["enabled"], Kind::Flag),
    ("plots", &["auto_open"], Kind::Flag),
    ("studio", &["offline"], Kind::Flag),
    (
        "parsing",
        &["bool"],
        Kind::OneOf(&["store_true", "boolean_optional"]),
    ),
    ("parsing", &["list"], Kind::OneOf(&["nargs", "append"])),
    (
        "remote",
        &[
            "worktree",
            "version_aware",
            "no_traverse",
            "verify",
            "slow_link_warning",
            "protected",
            "use_ssl",
            "listobjects",
            "allow_anonymous_login",
            "ask_password",
            "ask_passphrase",
            "gss_auth",
            "allow_agent",
            "gdrive_use_service_account",
            "gdrive_trash_only",
            "gdrive_acknowledge_abuse",
        ],
        Kind::Flag,
    ),
    ("remote", &["url"], Kind::Place),
    ("remote", &["jobs", "checksum_jobs"], Kind::Count),
    (
        "remote",
        &["port", "max_sessions", "timeout", "connection_timeout"],
        Kind::Number,
    ),
    ("remote", &["read_timeout", "connect_timeout"], Kind::Time),
    ("remote", &["type"], Kind::Links),
    ("remote", &["shared"], Kind::OneOf(&["group"])),
    (
        "remote",
        &["auth"],
        Kind::OneOf(&["basic", "digest", "custom"]),
    ),
];

impl Kind {
    fn takes(self, value: &str) -> bool {
        let lower = value.to_lowercase();
        match self {
            Self::Flag => matches!(lower.as_str(), "true" | "false"),
            Self::Count => value.parse::<u64>().is_ok_and(|count| count > 0),
            Self::Number => value.parse::<i64>().is_ok(),
            Self::Time => value.parse::<f64>().is_ok_and(|seconds| seconds >= 0.0),
            Self::Links => LinkKind::parse_list(value).is_ok(),
            Self::OneOf(values) => values.contains(&lower.as_str()),
            Self::Place => match lower.split_once("://") {
                Some((scheme, _)) => SCHEMES.contains(&scheme),
                None => true,
            },
        }
    }

    fn expected(self) -> String {
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Count => "a whole number from 1".to_owned(),
            Self::Number => "a whole number".to_owned(),
            Self::Time => "a number of seconds".to_owned(),
            Self::Links => {
                "a list of `reflink`, `hardlink`, `symlink` and `copy`, with commas between"
                    .to_owned()
            }
            Self::OneOf([only]) => format!("`{only}`"),
            Self::OneOf(values) => format!("one of `{}`", values.join("`, `")),
            Self::Place => format!("a path, or a URL with one of {}", SCHEMES.join(", ")),
        }
    }
}

/// Fails where DVC would not read the value.
pub(super) fn check_value(name: &SettingName, value: &str) -> Result<(), ProjectError> {
    let section = name.section.split(' ').next().unwrap_or_default();
    let kind = KINDS
        .iter()
        .find(|(known, keys, _)| *known == section && keys.contains(&name.key.as_str()))
        .map(|(_, _, kind)| *kind);
    match kind {
        Some(kind) if !kind.takes(value) => Err(ProjectError::SettingValue {
            name: name.to_string(),
            value: value.to_owned(),
            expected: kind.expected(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_settings::KNOWN;

    #[test]
    fn every_kind_is_of_a_setting_that_there_is() {
        for (section, keys, _) in KINDS {
            let known = KNOWN.iter().find(|(known, _)| known == section);
            for key in *keys {
                assert!(known.unwrap().1.contains(key), "{section}.{key}");
            }
        }
    }

    #[test]
    fn values_are_those_that_dvc_takes() {
        let check = |name: &str, value: &str| {
            let name = SettingName::parse(name).unwrap();
            check_value(&name, value).map_err(|error| error.to_string())
        };
        for (name, value) in [
            ("core.autostage", "True"),
            ("cache.type", "reflink, hardlink,copy"),
            ("remote.r.jobs", "4"),
            ("remote.r.auth", "Basic"),
            ("remote.r.read_timeout", "0.5"),
            ("remote.r.ssl_verify", "/a/ca.pem"),
            ("core.remote", "anything"),
            ("remote.r.url", "../a/path"),
            ("remote.r.url", "S3://bucket/path"),
            ("remote.r.url", "gdrive://folder"),
            ("remote.r.url", "remote://other/path"),
        ] {
            check(name, value).unwrap();
        }
        for (name, value) in [
            ("core.autostage", "yes"),
            ("cache.type", "magic"),
            ("cache.shared", "all"),
            ("remote.r.jobs", "0"),
            ("remote.r.jobs", "many"),
            ("remote.r.port", "ssh"),
            ("remote.r.read_timeout", "-1"),
            ("remote.r.url", "s4://bucket/path"),
        ] {
            check(name, value).unwrap_err();
        }
        assert_eq!(
            check("remote.r.auth", "other").unwrap_err(),
            "`other` is no value of `remote.r.auth`, which is one of `basic`, `digest`, `custom`"
        );
    }
}
