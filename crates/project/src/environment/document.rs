//! An environment as a document: canonical JSON under its own MD5.

use std::collections::BTreeMap;
use std::fmt;

use ketch_store::hash_bytes;
use serde::{Deserialize, Serialize};

use crate::ProjectError;

/// The form of the document that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// The MD5 of an environment's document, in 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentId(String);

impl EnvironmentId {
    pub(super) fn of(text: &str) -> Self {
        Self(hash_bytes(text.as_bytes()).hex().to_owned())
    }

    /// The id that this is; none if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvironmentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no id of an environment"))
    }
}

impl From<EnvironmentId> for String {
    fn from(id: EnvironmentId) -> Self {
        id.0
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a result was made in. What is not known is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The form of the document: 1.
    pub format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Interpreter>,
    pub system: System,
    pub cpu: Cpu,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Ordered by name, then by who installed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Package>,
}

/// What runs the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// `CPython` or `PyPy`.
    pub name: String,
    /// `3.12.1`, or `3.12` where no more is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub prefix: Prefix,
}

/// Where the interpreter's packages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefix {
    /// A virtual environment.
    Virtual,
    Conda,
    /// With the interpreter itself.
    System,
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// `linux`, `macos`
    pub os: String,
    /// `x86_64`, `aarch64`
    pub architecture: String,
    /// `debian 12`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// `6.1.0-18-amd64`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// `glibc 2.36`, `musl`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libc: Option<String>,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cpu {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Those by which libraries of numbers choose their code, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// The graphics cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// NVIDIA's: `535.104.05`.
    pub driver: String,
    /// One for each card, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// The container that it ran in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// `docker`, `podman-4.3.1`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// As PEP 503 writes it: lower case, with `-`.
    pub name: String,
    pub version: String,
    pub manager: Manager,
    /// Of Conda's packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// `md5:` and the hash of what the package's `RECORD` says of its files, without what depends
    /// on where and by which program it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Of the files that it may be installed from: `sha256:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<String>,
    /// Where it is from, if not from an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<PackageOrigin>,
}

/// Who installed a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// pip, uv and their like.
    Pip,
    Conda,
    /// The operating system: Debian's packages have no records.
    System,
}

/// Where a package is from that no index has (PEP 610), without user, password and query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PackageOrigin {
    Git {
        url: String,
        commit: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subdirectory: Option<String>,
    },
    /// One file at a URL.
    Archive {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subdirectory: Option<String>,
    },
    /// Something on the machine.
    Local {
        /// Below the project's root, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        editable: bool,
    },
}

impl Environment {
    /// The canonical text; the id is its MD5.
    pub(super) fn to_text(&self) -> Result<String, ProjectError> {
        let mut text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        text.push('\n');
        Ok(text)
    }

    /// Reads the text of a document; `shown` is for messages.
    pub(super) fn parse(text: &str, shown: &str) -> Result<Self, ProjectError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let wrong = |message: String| ProjectError::EnvironmentDocument {
            path: shown.into(),
            message,
        };
        let head: Head = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if head.format > FORMAT {
            return Err(wrong(format!(
                "it has the form {}, and this ketch knows {FORMAT}",
                head.format
            )));
        }
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
    }
}
