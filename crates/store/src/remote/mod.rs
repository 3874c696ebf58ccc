//! Places elsewhere that keep the same objects: `<url>/files/md5/ab/cdef…`.
//!
//! A remote is one small trait, [`Remote`]; a scheme is one file and one line in [`SCHEMES`].
//! [`upload`], [`download`] and [`compare`] move objects between a cache and a remote.
//!
//! What must stay true:
//!
//! - A directory's manifest goes to a remote after all its files. Its presence is DVC's proof that
//!   they are there.
//! - Bytes are hashed on the way out of the cache and on the way in. An object that is not what its
//!   name says is neither sent nor kept.
//! - Nothing has its final name before it is complete, on either side.
//! - Secrets stay out of messages.

mod bearer;
mod check;
mod contract;
mod environment;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http_transport;
mod listing;
mod newest;
mod object_service;
mod parcel;
mod remove;
mod replicate;
mod retry;
pub(crate) mod scheme;
mod settings;
mod sftp;
mod stream;
mod transfer;
mod trust;
mod versions;
mod web_server;
mod workers;

pub use check::{DamagedObject, RemoteCheck, check_objects};
pub(crate) use contract::below;
pub use contract::{Capabilities, ObjectFacts, Remote};
pub use environment::RemoteEnvironment;
pub(crate) use error::to_send_anew;
pub use error::{ConnectionTrouble, FailureKind, RemoteError};
pub use listing::{list_keys, list_objects};
pub use newest::{NewestFile, newest_version, newest_versions, receive_versions};
pub use remove::{remove_objects, written_since};
pub use replicate::{Replicated, replicate};
pub use retry::Retry;
pub use scheme::{SCHEMES, Scheme, open_remote};
pub use settings::{ConfigLevel, RemoteSettings};
pub(crate) use transfer::is_not_there;
pub use transfer::{
    Comparison, TransferOptions, TransferReport, compare, download, manifest_of, present, upload,
};
pub use versions::{
    ObjectVersion, UploadedVersions, VersionedObject, VersionedState, Versioning, Versions,
    compare_versions, download_versions, upload_versions,
};
pub(crate) use workers::for_each;
