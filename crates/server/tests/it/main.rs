//! The server over real HTTP on loopback, in front of a project with two registered versions.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod control;
mod fixture;
mod guard;
mod http;
mod inference;
mod interop;
mod labels;
mod lifetime;
mod page;
