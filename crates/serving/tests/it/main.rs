//! Serving from the outside: versions that load or are refused, answers, logs and rollouts.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod endpoint;
mod kill;
mod labels;
mod load;
mod log;
mod rollout;
mod support;
