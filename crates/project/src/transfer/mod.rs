//! Between this project and its remotes: push, fetch, pull, export, and what either side lacks.

mod cloud_versioned;
mod export;
mod fetch;
mod history;
mod kinds;
mod layout;
mod manifests;
mod moved;
mod not_in_remote;
mod objects;
mod outputs;
mod pull;
mod push;
mod remote_fsck;
mod remote_status;
mod remotes;
mod runs;

pub(crate) use cloud_versioned::{NewestState, newest};
pub use export::{ExportOptions, ExportReport, Exported, export};
pub use fetch::{fetch, fetch_smaller};
pub use history::History;
pub use kinds::DataKind;
pub(crate) use manifests::look_up_manifests;
pub use moved::{Moved, RemoteTransfer, TransferSelection};
pub(crate) use not_in_remote::not_in_remote;
pub use not_in_remote::{NotInRemoteOptions, RemoteLook};
pub use outputs::{SkipReason, Skipped};
pub use pull::{PullOptions, PullReport, pull};
pub use push::push;
pub use remote_fsck::{RemoteFsckReport, remote_fsck};
pub use remote_status::{
    OutputRemoteStatus, RemoteObject, RemoteState, RemoteStatusReport, remote_status,
};
pub(crate) use remotes::levels;
pub use remotes::{AskPassword, NoRemote, RemoteChoice};
pub use runs::{RunsMoved, fetch_runs, push_runs};
