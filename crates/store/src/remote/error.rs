use std::error::Error;
use std::io;

use ketch_dvc::ObjectId;

/// What can go wrong with a remote.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("no remote is configured")]
    NotConfigured,

    #[error("there is no remote `{name}`")]
    Unknown { name: String, known: Vec<String> },

    #[error("remote `{remote}` has no `url`")]
    NoUrl { remote: String },

    #[error("remote `{remote}` refers to itself through `remote://`")]
    Circle { remote: String },

    #[error("remote `{remote}`: the scheme of `{url}` is not supported")]
    UnknownScheme { remote: String, url: String },

    /// Data with versions is wanted on a service whose versions are not known here.
    #[error(
        "remote `{remote}`: `{key}` needs versions, which are not supported for {scheme} remotes"
    )]
    VersionsUnsupported {
        remote: String,
        key: String,
        scheme: &'static str,
    },

    #[error("remote `{remote}`: option `{key}` is not supported for {scheme} remotes")]
    UnsupportedOption {
        remote: String,
        key: String,
        scheme: &'static str,
    },

    /// The value is not shown: it may be a secret.
    #[error("remote `{remote}`: the value of `{key}` is not {expected}")]
    InvalidOption {
        remote: String,
        key: String,
        expected: &'static str,
    },

    /// A file that an option names.
    #[error("remote `{remote}`: the file of `{key}` cannot be read")]
    OptionFile {
        remote: String,
        key: &'static str,
        source: io::Error,
    },

    #[error("remote `{remote}`: the server takes no {method} requests there ({status})")]
    NotAccepted {
        remote: String,
        method: String,
        /// Number and words of the answer.
        status: String,
    },

    /// The remote's `ask_password` wants a person to be asked, who cannot be, or would not say.
    #[error("remote `{remote}` wants a password, and nobody could be asked")]
    NoPassword { remote: String, source: io::Error },

    /// The server said yes to an upload and has something else, or nothing.
    #[error("remote `{remote}`: the server did not keep `{object}`: {}", kept(*.size, *.found))]
    NotKept {
        remote: String,
        object: String,
        /// In bytes, as sent.
        size: u64,
        /// In bytes, if there is anything.
        found: Option<u64>,
    },

    /// One request failed.
    #[error("remote `{remote}`: cannot {action} `{object}`")]
    Failed {
        remote: String,
        /// `read`, `write`, `list`, `look up`, `delete`.
        action: &'static str,
        object: String,
        kind: FailureKind,
        source: Box<dyn Error + Send + Sync>,
    },

    /// There is no connection to the machine that the remote is on.
    #[error("remote `{remote}`: cannot connect to `{host}`: {words}")]
    Connection {
        remote: String,
        /// As `ssh` takes it: `-p PORT USER@HOST`.
        host: String,
        trouble: ConnectionTrouble,
        /// What `ssh` said.
        words: String,
    },

    /// The remote sent something else than what it was asked for.
    #[error("remote `{remote}`: `{object}` is damaged: its content hashes to {found}")]
    Damaged {
        remote: String,
        object: String,
        found: ObjectId,
    },

    /// A pack or an index of a chunked remote is not what was written.
    #[error("remote `{remote}`: `{object}` is damaged: {problem}")]
    Unreadable {
        remote: String,
        object: String,
        problem: String,
    },

    /// The chunked layout has no names that could be guessed.
    #[error("remote `{remote}` cannot be listed, so it cannot have the chunked layout")]
    NotListable { remote: String },

    /// It was to be used as one that does.
    #[error("remote `{remote}` keeps no versions of its objects")]
    KeepsNoVersions { remote: String },

    /// Some objects did not make it; the others did.
    #[error("remote `{remote}`: {failed} of {total} objects could not be {done}")]
    Incomplete {
        remote: String,
        failed: usize,
        total: usize,
        /// `sent`, `fetched` or `deleted`.
        done: &'static str,
        /// The first failure.
        source: Box<crate::StoreError>,
    },
}

/// What to do about a damaged file of a chunked remote.
pub(crate) fn to_send_anew(object: &str) -> String {
    format!(
        "remove `{object}` from the remote, then push again from where the data is: what is lost with it is sent anew"
    )
}

/// What a failure of one request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It may work in a moment.
    Transient,
    /// The object, or the bucket or folder, is not there.
    NotFound,
    /// Wrong or missing credentials, or a right that is not there.
    Denied,
    /// There is no room on the other side.
    Full,
    /// Trying again would not help.
    Permanent,
}

/// Why a machine cannot be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionTrouble {
    /// There is no `ssh` to do it with.
    NoProgram,
    /// Nobody has said yet that this machine is the right one.
    HostKeyUnknown,
    /// It is another machine than it was, or somebody listens.
    HostKeyChanged,
    /// Neither key nor password were accepted.
    LoginRefused,
    /// It gives no files away.
    NoSftp,
    /// It may work in a moment.
    Unreachable,
}

fn kept(size: u64, found: Option<u64>) -> String {
    match found {
        Some(found) => format!("{size} bytes were sent, {found} are there"),
        None => "it is not there".to_owned(),
    }
}

impl RemoteError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                kind: FailureKind::Transient,
                ..
            } | Self::Connection {
                trouble: ConnectionTrouble::Unreachable,
                ..
            }
        )
    }

    /// What the operating system said, where a disk of this machine is full.
    pub fn full_disk(&self) -> Option<&io::Error> {
        let error = match self {
            Self::Failed { source, .. } => source.downcast_ref::<io::Error>()?,
            Self::Incomplete { source, .. } => match source.as_ref() {
                crate::StoreError::Io(error) => error,
                crate::StoreError::Remote(error) => return error.full_disk(),
                _ => return None,
            },
            _ => return None,
        };
        crate::room_hint(error).map(|_| error)
    }

    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotConfigured => {
                Some("add one with `ketch remote add --default NAME URL`".into())
            }
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("add it with `ketch remote add NAME URL`".into())
            }
            Self::Unknown { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::NoUrl { remote } => Some(format!(
                "set it with `ketch remote modify {remote} url URL`"
            )),
            Self::Circle { .. } => Some("give it a `url` of its own".into()),
            Self::UnknownScheme { .. } => {
                let known: Vec<_> = super::SCHEMES
                    .iter()
                    .flat_map(|scheme| scheme.names)
                    .copied()
                    .collect();
                Some(format!("use a path or one of: {}", known.join(", ")))
            }
            Self::UnsupportedOption { remote, key, .. } => Some(format!(
                "take it away with `ketch remote modify --unset {remote} {key}`, or use DVC for this remote"
            )),
            Self::InvalidOption { remote, key, .. } => Some(format!(
                "set it with `ketch remote modify {remote} {key} VALUE`"
            )),
            Self::OptionFile { remote, key, .. } => Some(format!(
                "check the path, or take it away with `ketch remote modify --unset {remote} {key}`"
            )),
            Self::NoPassword { remote, .. } => Some(format!(
                "run it in a terminal, or `ketch remote modify --local {remote} password PASSWORD`"
            )),
            Self::NotAccepted { remote, method, .. } if method == "POST" => Some(format!(
                "`ketch remote modify {remote} method PUT` if it takes those; or push to another remote with `--remote NAME`"
            )),
            Self::NotAccepted { .. } => Some(
                "check the remote's `url`, and that the server's configuration allows it; or take another remote with `--remote NAME`"
                    .into(),
            ),
            Self::NotKept { .. } => Some(
                "a server that keeps files must store the body of an upload under its address"
                    .into(),
            ),
            Self::Failed { kind, .. } => match kind {
                FailureKind::Transient => Some(
                    "check the network and run it again; what has arrived is not sent again".into(),
                ),
                FailureKind::NotFound => {
                    Some("check the remote's `url`, or push from where the data is".into())
                }
                FailureKind::Denied => Some("check the remote's credentials and rights".into()),
                FailureKind::Full => Some(
                    "make room on the remote and run it again; what has arrived is not sent again"
                        .into(),
                ),
                FailureKind::Permanent => self.full_disk().and_then(crate::room_hint),
            },
            Self::Connection { host, trouble, .. } => Some(match trouble {
                ConnectionTrouble::NoProgram => {
                    "install OpenSSH's client, the program `ssh`".to_owned()
                }
                ConnectionTrouble::HostKeyUnknown => {
                    format!("connect once with `ssh {host}` to see its key and accept it")
                }
                ConnectionTrouble::HostKeyChanged => format!(
                    "ask who runs the machine; if its key is meant to be new, follow what `ssh {host}` says"
                ),
                ConnectionTrouble::LoginRefused => format!(
                    "check the remote's `user`, `keyfile` and `password`; `ssh {host}` must work"
                ),
                ConnectionTrouble::NoSftp => {
                    "its administrator must allow SFTP, and start-up files must print nothing"
                        .to_owned()
                }
                ConnectionTrouble::Unreachable => {
                    "check the network and the remote's `url`, and run it again".to_owned()
                }
            }),
            Self::Damaged { .. } => Some(
                "remove the object from the remote, then push it again from where the data is"
                    .into(),
            ),
            Self::Unreadable { object, .. } => Some(to_send_anew(object)),
            Self::NotListable { .. } => Some(
                "take `layout` away from it in `ketch.toml`, and write DVC's layout there with `ketch export`"
                    .into(),
            ),
            Self::VersionsUnsupported { remote, key, .. } => Some(format!(
                "take it away, and data goes there under its hashes: `ketch remote modify --unset {remote} {key}`; versions can be kept on S3, Azure and Google Cloud Storage"
            )),
            Self::KeepsNoVersions { remote } => Some(format!(
                "turn on versioning for its bucket (on Azure: its storage account), or take `version_aware` and `worktree` away with `ketch remote modify --unset {remote} OPTION`"
            )),
            Self::Incomplete { source, .. } => source.hint(),
        }
    }

    /// A failure of the local file system, or of reading what is to be sent.
    pub(crate) fn io(remote: &str, action: &'static str, object: &str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureKind::NotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                FailureKind::Denied
            }
            io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => FailureKind::Transient,
            _ => FailureKind::Permanent,
        };
        Self::Failed {
            remote: remote.to_owned(),
            action,
            object: object.to_owned(),
            kind,
            source: Box::new(source),
        }
    }
}
