//! Commands on data that are killed (SIGKILL) at random moments. After each: `ketch fsck` and, after
//! some, DVC find nothing lost or wrong; the same command again finishes; nothing half-made stays.
//!
//! `KETCH_KILLS` says how many runs are killed over all commands (else 60), `KETCH_KILL_SEED` from
//! what number the moments follow.

mod content;
mod imports;
pub(crate) mod kills;
mod local;
mod remotes;
mod scene;
mod with_dvc;
