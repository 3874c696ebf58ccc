use std::io;

use camino::Utf8PathBuf;
use ketch_dvc::{FormatError, ObjectId};

use crate::LinkKind;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system said no. The message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),

    /// The file was written to while it was being read.
    #[error("`{path}` changed while it was being read")]
    ChangedWhileRead { path: Utf8PathBuf },

    /// A name that cannot be put into a directory manifest.
    #[error("file name below `{directory}` is not valid UTF-8: `{name}`")]
    NotUtf8 {
        directory: Utf8PathBuf,
        name: String,
    },

    /// Neither a file nor a directory: a socket, a device, a pipe.
    #[error("`{path}` is neither a file nor a directory")]
    NotRegular { path: Utf8PathBuf },

    /// A link to nothing.
    #[error("`{path}` is a symbolic link to something that does not exist")]
    DanglingLink { path: Utf8PathBuf },

    /// A rule of `.dvcignore` hides what was asked for.
    #[error("`{path}` is ignored by a `.dvcignore` file")]
    Ignored { path: Utf8PathBuf },

    /// DVC refuses a directory with rules of its own inside, as they would be data and rules.
    #[error("`{path}` is inside a directory that is data")]
    IgnoreFileInside { path: Utf8PathBuf },

    /// The object is not in the cache.
    #[error("object {id} is not in the cache `{cache}`")]
    Missing { id: ObjectId, cache: Utf8PathBuf },

    /// The object's bytes are not those its name promises.
    #[error("cache object `{path}` is damaged: its content hashes to {found}")]
    Corrupt { path: Utf8PathBuf, found: ObjectId },

    /// A directory manifest that cannot be read.
    #[error("directory manifest `{path}` cannot be read")]
    Manifest {
        path: Utf8PathBuf,
        source: FormatError,
    },

    /// A manifest entry that would leave the directory it belongs to.
    #[error("directory manifest {id} holds the path `{relative}`, which leaves the directory")]
    UnsafePath { id: ObjectId, relative: String },

    /// A file or link is where a directory has to be.
    #[error("`{path}` is in the way: a directory is needed here")]
    InTheWay { path: Utf8PathBuf },

    /// A directory object where a file is meant, or the other way round.
    #[error("object {id} is not a {expected}")]
    WrongKind {
        id: ObjectId,
        expected: &'static str,
    },

    /// A word in `cache.type` that is none of DVC's.
    #[error("`{found}` is no way of linking files")]
    LinkKind { found: String },

    /// The file system allows nothing of what `cache.type` lists.
    #[error(
        "`{path}` cannot be linked to the cache: {} not possible here",
        list(tried)
    )]
    NoLinkKind {
        path: Utf8PathBuf,
        tried: Vec<LinkKind>,
    },

    /// Another stage that is running reads or writes this path.
    #[error("`{path}` is in use by process {process}: `{command}`")]
    Busy {
        path: Utf8PathBuf,
        process: u32,
        command: String,
        /// DVC's list of paths in use.
        list: Utf8PathBuf,
    },

    /// DVC's list of paths in use is not as DVC writes it.
    #[error("`{path}` cannot be understood")]
    LockList {
        path: Utf8PathBuf,
        source: serde_json::Error,
    },

    /// A remote, or the way to it.
    #[error(transparent)]
    Remote(#[from] crate::remote::RemoteError),

    /// Somebody else holds the repository lock.
    #[error("the repository is locked by {holder}: `{path}`")]
    Locked { path: Utf8PathBuf, holder: String },
}

impl StoreError {
    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ChangedWhileRead { .. } => {
                Some("wait until whatever writes it has finished, then try again".into())
            }
            Self::NotUtf8 { .. } => {
                Some("rename the file; DVC's directory manifests are UTF-8".into())
            }
            Self::NotRegular { .. } => Some("remove it or exclude it in `.dvcignore`".into()),
            Self::DanglingLink { .. } => {
                Some("repair or remove the link, or exclude it in `.dvcignore`".into())
            }
            Self::Ignored { .. } => Some("change the rule in `.dvcignore`".into()),
            Self::IgnoreFileInside { .. } => {
                Some("move its rules to a `.dvcignore` above the directory".into())
            }
            Self::Missing { .. } => {
                Some("pull it from a remote, or reproduce the stage that makes it".into())
            }
            Self::Corrupt { path, .. } => Some(format!(
                "remove `{path}` and pull it again, or reproduce the stage that makes it"
            )),
            Self::Remote(error) => error.hint(),
            Self::Manifest { source, .. } => source.hint().map(str::to_owned),
            Self::InTheWay { path } => Some(format!("move `{path}` away")),
            Self::LinkKind { .. } => Some(
                "`cache.type` lists reflink, hardlink, symlink and copy, with commas between"
                    .into(),
            ),
            Self::NoLinkKind { .. } => Some("add `copy` to `cache.type`".into()),
            Self::Locked { .. } => Some(
                "wait for it to finish; the lock goes away with the process that holds it".into(),
            ),
            Self::Busy { process, list, .. } => Some(format!(
                "wait for it to finish; if there is no process {process}, remove `{list}`"
            )),
            Self::LockList { path, .. } => Some(format!("if no stage is running, remove `{path}`")),
            Self::Io(error) => room_hint(error),
            Self::UnsafePath { .. } | Self::WrongKind { .. } => None,
        }
    }
}

/// What to do when the disk is full: the message says where.
pub fn room_hint(error: &io::Error) -> Option<String> {
    let full = matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    full.then(|| "make room on that disk, then run it again; nothing is lost".to_owned())
}

fn list(kinds: &[LinkKind]) -> String {
    let names: Vec<String> = kinds.iter().map(LinkKind::to_string).collect();
    names.join(", ")
}
