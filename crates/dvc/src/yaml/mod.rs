//! YAML as DVC reads and writes it: YAML 1.2 by ruamel.yaml's rules.

mod append;
mod edit;
mod emit;
mod float;
mod key;
mod node;
mod parse;
mod resolve;
mod scalar;
mod value;

pub use append::append_to;
pub use edit::{update_text, update_to_depth};
pub use emit::{emit, emit_readable};
pub use key::Key;
pub use node::{Entry, Node, NodeKind, Span, Style};
pub use parse::parse;
pub use value::Value;

pub(crate) use edit::set_at;
pub(crate) use float::python_repr;
pub(crate) use key::key_named;
pub(crate) use parse::check_length;
