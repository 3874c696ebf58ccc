//! Content-addressed storage in DVC's 3.x cache layout.
//!
//! This crate owns hashing, the index of what was hashed before, the object cache, copying and
//! linking objects out of it again, the atomic write every other crate uses for files a user keeps,
//! the walk that honours `.dvcignore`, and DVC's repository lock.
//!
//! What must stay true:
//!
//! - An object is stored under the MD5 of the bytes that were written, never of bytes that were
//!   read at another moment: hashing and copying are one pass. A file that becomes its own object,
//!   or is cloned, has not changed since it was read.
//! - The state index says only what was read after the file's stamp had settled, or was written by
//!   the same process; when in doubt it says nothing.
//! - An object's inode is never made writable or executable, whatever links to it.
//! - Mode 0444 is trusted for *presence* only. Content is hashed again while it is copied out, so a
//!   damaged object never reaches a workspace.
//! - Nothing becomes visible under its final name before it is complete.
//! - This crate knows nothing of Git, stages or `.dvc` files, and never prints.

#![forbid(unsafe_code)]

mod add;
mod atomic;
mod cache;
mod checkout;
pub mod chunk;
mod content;
mod digest;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod ignore_rule;
mod leftovers;
mod legacy;
mod link;
mod lock;
mod path_lock;
mod receive;
mod relink;
pub mod remote;
mod reporter;
mod stamp;
mod state_format;
mod state_index;
mod walk;

pub use add::{AddedDirectory, AddedFile, Original};
pub use atomic::{Durability, write_atomically, write_atomically_with};
pub use cache::Cache;
pub use checkout::{CheckedOut, make_executable};
pub use content::{HashedDirectory, HashedFile};
pub use error::{StoreError, room_hint};
pub use hash::{hash_bytes, hash_directory, hash_file};
pub use ignore_rule::{IgnoreRule, RuleEffect, RuleOrigin, ignore_rule};
pub use leftovers::{Neighbours, TemporaryFolder, remove_leftovers};
pub use legacy::hash_like;
pub use link::LinkKind;
pub use lock::RepoLock;
pub use path_lock::PathLock;
pub use reporter::{Reporter, Silent};
pub use stamp::Stamp;
pub use state_index::StateIndex;
pub use walk::{HiddenBy, WalkedFile, find_in_project, walk_directory};
