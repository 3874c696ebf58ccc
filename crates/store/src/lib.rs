//! Content-addressed storage in DVC's 3.x cache layout.
//!
//! This crate owns hashing, the object cache, copying objects out of it again, the atomic write
//! every other crate uses for files a user keeps, the walk that honours `.dvcignore`, and DVC's
//! repository lock.
//!
//! What must stay true:
//!
//! - An object is stored under the MD5 of the bytes that were written, never of bytes that were
//!   read at another moment: hashing and copying are one pass.
//! - Mode 0444 is trusted for *presence* only. Content is hashed again while it is copied out, so a
//!   damaged object never reaches a workspace.
//! - Nothing becomes visible under its final name before it is complete.
//! - This crate knows nothing of Git, stages or `.dvc` files, and never prints.

#![forbid(unsafe_code)]

mod atomic;
mod cache;
mod checkout;
mod error;
mod hash;
mod lock;
mod path_lock;
mod reporter;
mod walk;

pub use atomic::{Durability, write_atomically, write_atomically_with};
pub use cache::{AddedDirectory, AddedFile, Cache};
pub use checkout::{CheckedOut, make_executable};
pub use error::StoreError;
pub use hash::{hash_bytes, hash_directory, hash_file};
pub use lock::RepoLock;
pub use path_lock::PathLock;
pub use reporter::{Reporter, Silent};
pub use walk::{WalkedFile, find_in_project, walk_directory};
