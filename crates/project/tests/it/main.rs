//! Projects in real Git repositories, with stages that are small shell commands.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod checkout;
mod data;
mod git;
mod interop;
mod kill;
mod lineage;
mod pipeline;
mod repro;
mod sandbox;
mod worktree;
