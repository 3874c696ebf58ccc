//! The statistics of the loop: is the data still what the model was trained on, is the model still
//! as good as it was, and how sure can one be of either.
//!
//! - [`drift`]: a window of values against a reference, column by column, with one false-discovery
//!   correction over all columns.
//! - [`detector`]: change in a stream of errors, value by value, with an estimate of when it began.
//! - [`change_point`]: where a series that changed once did.
//! - [`performance`]: measures from scores and labels, over a window as it slides, and the
//!   difference of two models on the same rows with its uncertainty.
//! - [`level`]: the alarm for a model that is bad, where a detector of change sees nothing.
//!
//! Everything here is arithmetic on slices. This crate must never do I/O, print, read a clock or an
//! environment, or draw random numbers, and must never decide what is done about a finding: that
//! is the control crate's.
#![forbid(unsafe_code)]

pub mod change_point;
pub mod detector;
pub mod drift;
pub mod level;
pub mod performance;
