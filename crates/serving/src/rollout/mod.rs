//! Canary releases: how much traffic a candidate may have, and what the evidence says.

mod evidence;
mod state;

pub use evidence::{Counts, Evidence};
pub use state::{Badness, Rollout, RolloutOptions, Verdict};
