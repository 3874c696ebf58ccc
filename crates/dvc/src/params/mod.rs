//! Parameter files: YAML, JSON, TOML and Python, by the file's extension.

mod edit;
mod json;
mod python;
mod python_text;
mod read;

pub use edit::set_in_text;
pub use python_text::{python_general, python_text};
pub use read::{lookup, parse};
