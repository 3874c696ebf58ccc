//! Parameter files: YAML, JSON and TOML, by the file's extension.

mod edit;
mod json;
mod read;

pub use edit::set_in_text;
pub use read::{lookup, parse};
