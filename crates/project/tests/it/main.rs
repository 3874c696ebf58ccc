//! Projects in real Git repositories, with stages that are small shell commands.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod add_from;
mod checkout;
mod chunked;
mod cloud_versions;
mod data;
mod data_cache;
mod data_list;
mod data_peer;
mod data_ping_pong;
mod data_settings;
mod data_states;
mod gc_shared;
mod git;
mod import;
mod import_chunked;
mod import_later;
mod interop;
mod kill;
mod legacy;
mod lineage;
mod links;
mod merge;
mod parallel;
mod pipeline;
mod relink;
mod remove;
mod repro;
mod runs;
mod sandbox;
mod transfer;
mod versioned_imports;
mod versioned_remotes;
mod webdav_sources;
mod worktree;
mod worktree_update;
