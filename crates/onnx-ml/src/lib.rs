//! Classical machine-learning models in the ONNX format, read defensively and evaluated.
//!
//! This crate owns two things: the reader of the ONNX protobuf format (its own, small, and
//! written for files nobody vouches for) and the evaluator of the operators that scikit-learn,
//! XGBoost and LightGBM exports consist of. Answers equal those of the library that trained the
//! model: labels exactly, probabilities to about 1e-6.
//!
//! ```no_run
//! use ketch_onnx_ml::{Limits, Model, Tensor};
//! # fn main() -> Result<(), ketch_onnx_ml::ModelError> {
//! # let bytes: Vec<u8> = Vec::new();
//! let model = Model::from_bytes(&bytes, &Limits::default())?;
//! let rows = Tensor::from_f32(&[1, 4], vec![5.1, 3.5, 1.4, 0.2])?;
//! for (name, tensor) in model.run(&[("X", rows)])? {
//!     // `label` and `probabilities`
//!     # let _ = (name, tensor);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It must never: open a file or a socket (a model that keeps its data outside its own bytes is
//! refused), run a subgraph, guess at an operator or an attribute it does not know, allocate more
//! than [`Limits`] allows, or panic, whatever the bytes are. It knows nothing of HTTP, JSON, or
//! where a model comes from.
//!
//! A new operator is one line in the table of `operator/mod.rs` and its code in the family's file.
#![forbid(unsafe_code)]

mod error;
mod graph;
mod limits;
mod message;
mod model;
mod operator;
mod tensor;
mod tree;
mod wire;

pub use error::ModelError;
pub use limits::Limits;
pub use model::{Model, OperatorUse, OpsetImport, Producer, ValueInfo};
pub use tensor::{ElementType, Tensor, Values};
