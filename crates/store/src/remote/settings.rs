//! Which remotes a configuration has.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::Config;

use super::{RemoteEnvironment, RemoteError, Versioning};

/// One configuration file of DVC's.
#[derive(Debug, Clone)]
pub struct ConfigLevel {
    pub config: Config,
    /// Where the file is; relative paths in it begin here.
    pub directory: Utf8PathBuf,
}

/// One remote: its `url` and its options, with the paths among them made absolute, and what the
/// account adds where they say nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteSettings {
    pub name: String,
    /// A path without a scheme, or a URL.
    pub url: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) environment: RemoteEnvironment,
}

impl std::fmt::Debug for RemoteSettings {
    /// Without the values: there are secrets among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteSettings")
            .field("name", &self.name)
            .field("url", &super::scheme::without_secrets(&self.url))
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .field("environment", &self.environment)
            .finish()
    }
}

/// Options that are paths.
const PATHS: &[&str] = &[
    "credentialpath",
    "configpath",
    "cert_path",
    "key_path",
    "keyfile",
];

/// A remote that refers to another, that to another, and so on: more is a mistake.
const MOST_REFERENCES: usize = 16;

impl RemoteSettings {
    /// A remote that is not in any configuration.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            options: BTreeMap::new(),
            environment: RemoteEnvironment::default(),
        }
    }

    /// The same with one more option.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.options.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same for somebody with these variables.
    #[must_use]
    pub fn with_environment(mut self, environment: RemoteEnvironment) -> Self {
        self.environment = environment;
        self
    }

    /// The remote of that name or, without one, the one in `core.remote`.
    ///
    /// `levels` are the configuration files, the last one winning key by key. A lone remote is not
    /// taken for the default one, as DVC does not either.
    pub fn find(levels: &[ConfigLevel], name: Option<&str>) -> Result<Self, RemoteError> {
        let default = || {
            levels
                .iter()
                .rev()
                .find_map(|level| level.config.get("core", "remote"))
                .filter(|name| !name.is_empty())
        };
        let name = name.or_else(default).ok_or(RemoteError::NotConfigured)?;
        Self::resolve(levels, name, 0)
    }

    /// The names of all remotes, sorted.
    pub fn names(levels: &[ConfigLevel]) -> Vec<String> {
        let mut names: Vec<String> = levels
            .iter()
            .flat_map(|level| level.config.sections().keys())
            .filter_map(|section| remote_name(section))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Its URL, without the user and password that it may carry.
    pub fn shown_url(&self) -> String {
        super::scheme::without_secrets(&self.url)
    }

    /// The option's value.
    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    /// DVC's spelling of true and false, in any case.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, RemoteError> {
        match self.option(key).map(str::to_ascii_lowercase).as_deref() {
            None | Some("") => Ok(None),
            Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
            Some("false" | "0" | "no" | "off") => Ok(Some(false)),
            Some(_) => Err(self.invalid(key, "true or false")),
        }
    }

    /// Whether a person is to be asked for the password: `ask_password` says so, and there is none.
    /// Not for SSH, whose own program asks.
    pub fn wants_password(&self) -> Result<bool, RemoteError> {
        let asks = self.flag("ask_password")? == Some(true);
        let by_itself = self.url.to_ascii_lowercase().starts_with("ssh://");
        Ok(asks && !by_itself && self.option("password").is_none())
    }

    /// The option `user`.
    pub fn user(&self) -> Option<&str> {
        self.option("user")
    }

    /// A number of seconds.
    pub(crate) fn seconds(&self, key: &str) -> Result<Option<Duration>, RemoteError> {
        let Some(text) = self.option(key) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(value) if value > 0.0 && value < 1e9 => Ok(Some(Duration::from_secs_f64(value))),
            _ => Err(self.invalid(key, "a number of seconds above zero")),
        }
    }

    /// How many objects to move at once, if the configuration says.
    pub fn jobs(&self) -> Result<Option<usize>, RemoteError> {
        let Some(text) = self.option("jobs") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(jobs) if jobs > 0 => Ok(Some(jobs)),
            _ => Err(self.invalid("jobs", "a number above zero")),
        }
    }

    /// Whether files have their own names there, by `worktree` and `version_aware`.
    pub fn versioning(&self) -> Result<Versioning, RemoteError> {
        let aware = self.flag("version_aware")?;
        if self.flag("worktree")? == Some(true) {
            return match aware {
                Some(false) => Err(self.invalid("version_aware", "true, though `worktree` is")),
                _ => Ok(Versioning::Worktree),
            };
        }
        Ok(match aware {
            Some(true) => Versioning::Aware,
            _ => Versioning::None,
        })
    }

    pub(crate) fn invalid(&self, key: &str, expected: &'static str) -> RemoteError {
        RemoteError::InvalidOption {
            remote: self.name.clone(),
            key: key.to_owned(),
            expected,
        }
    }

    fn resolve(levels: &[ConfigLevel], name: &str, depth: usize) -> Result<Self, RemoteError> {
        let lower = name.to_lowercase();
        let section = format!("remote \"{lower}\"");
        let mut options = BTreeMap::new();
        let mut known = false;
        for level in levels {
            let Some(keys) = level.config.sections().get(&section) else {
                continue;
            };
            known = true;
            for (key, value) in keys {
                let is_path = key == "url" || PATHS.contains(&key.as_str());
                let value = if is_path {
                    absolute(&level.directory, value)
                } else {
                    value.clone()
                };
                options.insert(key.clone(), value);
            }
        }
        if !known {
            return Err(RemoteError::Unknown {
                name: name.to_owned(),
                known: Self::names(levels),
            });
        }
        let url = options
            .remove("url")
            .filter(|url| !url.is_empty())
            .ok_or_else(|| RemoteError::NoUrl {
                remote: name.to_owned(),
            })?;
        let Some(reference) = url.strip_prefix("remote://") else {
            return Ok(Self {
                name: name.to_owned(),
                url,
                options,
                environment: RemoteEnvironment::default(),
            });
        };
        if depth == MOST_REFERENCES {
            return Err(RemoteError::Circle {
                remote: name.to_owned(),
            });
        }
        let (other, path) = reference.split_once('/').unwrap_or((reference, ""));
        let base = Self::resolve(levels, other, depth + 1)?;
        let mut merged = base.options;
        merged.extend(options);
        Ok(Self {
            name: name.to_owned(),
            url: format!("{}/{path}", base.url.trim_end_matches('/')),
            options: merged,
            environment: RemoteEnvironment::default(),
        })
    }
}

fn remote_name(section: &str) -> Option<&str> {
    section.strip_prefix("remote \"")?.strip_suffix('"')
}

/// Relative paths begin at the file they are in; a URL stays.
fn absolute(directory: &Utf8Path, value: &str) -> String {
    if value.is_empty() || value.contains("://") || value.starts_with('~') {
        return value.to_owned();
    }
    directory.join(value).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(texts: &[&str]) -> Vec<ConfigLevel> {
        texts
            .iter()
            .map(|text| ConfigLevel {
                config: Config::parse(text, "config").unwrap(),
                directory: "/p/.dvc".into(),
            })
            .collect()
    }

    #[test]
    fn the_last_level_wins_key_by_key() {
        let levels = levels(&[
            "[core]\nremote = a\n['remote \"a\"']\nurl = ../store\njobs = 3\n",
            "['remote \"a\"']\njobs = 5\n['remote \"b\"']\nurl = s3://bucket/x\n",
        ]);
        let remote = RemoteSettings::find(&levels, None).unwrap();
        assert_eq!(remote.url, "/p/.dvc/../store");
        assert_eq!(remote.jobs().unwrap(), Some(5));
        assert_eq!(
            RemoteSettings::find(&levels, Some("b")).unwrap().url,
            "s3://bucket/x"
        );
        assert_eq!(RemoteSettings::names(&levels), ["a", "b"]);
    }

    #[test]
    fn a_reference_inherits() {
        let levels = levels(&[
            "['remote \"base\"']\nurl = s3://bucket/x\nregion = r\n['remote \"sub\"']\nurl = remote://base/y\n['remote \"me\"']\nurl = remote://me/y\n",
        ]);
        let remote = RemoteSettings::find(&levels, Some("sub")).unwrap();
        assert_eq!(remote.url, "s3://bucket/x/y");
        assert_eq!(remote.option("region"), Some("r"));
        let circle = RemoteSettings::find(&levels, Some("me")).unwrap_err();
        assert!(matches!(circle, RemoteError::Circle { .. }), "{circle}");
    }

    #[test]
    fn says_what_is_missing() {
        let none = RemoteSettings::find(&[], None).unwrap_err();
        assert!(none.hint().unwrap().contains("ketch remote add"), "{none}");
        let levels = levels(&["['remote \"a\"']\njobs = 0\n"]);
        let unknown = RemoteSettings::find(&levels, Some("b")).unwrap_err();
        assert_eq!(unknown.hint().as_deref(), Some("there are: a"));
        let no_url = RemoteSettings::find(&levels, Some("a")).unwrap_err();
        assert_eq!(no_url.to_string(), "remote `a` has no `url`");
        let zero = RemoteSettings::new("a", "/x").with("jobs", "0");
        zero.jobs().unwrap_err();
    }

    #[test]
    fn secrets_are_not_shown() {
        let remote = RemoteSettings::new("a", "https://u:pw@h/x").with("password", "hidden");
        let shown = format!("{remote:?}");
        assert!(
            !shown.contains("pw") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
