//! Between this project and its remotes: push, fetch, pull, and what either side lacks.

mod fetch;
mod outputs;
mod pull;
mod push;
mod remote_status;
mod remotes;

pub use fetch::{FetchOptions, FetchReport, FetchedFrom, fetch};
pub use outputs::{SkipReason, Skipped};
pub use pull::{PullOptions, PullReport, pull};
pub use push::{PushOptions, PushReport, PushedTo, push};
pub use remote_status::{
    OutputRemoteStatus, RemoteState, RemoteStatusOptions, RemoteStatusReport, remote_status,
};
pub use remotes::RemoteChoice;
