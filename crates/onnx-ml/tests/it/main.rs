//! Golden answers of the libraries that trained the models, and hostile files.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; the lint only spares the tests themselves"
)]
mod golden;
mod hostile;
mod shared;
mod support;
mod writer;
