//! The loop on a small project whose "training" picks one of three prepared models.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod crash;
mod damage;
mod drift;
mod explain;
mod failing;
mod fixture;
mod people;
mod registration;
mod rows;
mod stream;
mod turns;
