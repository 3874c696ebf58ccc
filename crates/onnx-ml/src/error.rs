//! Everything that can go wrong with a model or a request to it.

use std::fmt::Write as _;

use thiserror::Error;

use crate::tensor::ElementType;

/// Why a model was refused, or a run of it failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file or a run would need more than [`crate::Limits`] allows.
    #[error("{place}: more than {limit} {what}")]
    Limit {
        /// Where: the model file, or a node of the graph.
        place: String,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed (or was left).
        limit: u64,
    },
    /// The bytes are no ONNX protobuf message.
    #[error("not an ONNX model: {problem} at byte {offset}")]
    Malformed {
        /// What is wrong there.
        problem: String,
        /// Where in the file.
        offset: usize,
    },
    /// The messages are well formed, but the graph they describe is not.
    #[error("the graph is not valid: {problem}")]
    Graph {
        /// What is wrong, with the names involved.
        problem: String,
    },
    /// The model needs an operator this evaluator does not have.
    #[error("operator `{operator}` is not supported by the onnx-ml evaluator")]
    UnsupportedOperator {
        /// The operator's domain; empty for the standard one.
        domain: String,
        /// The operator's name.
        operator: String,
        /// The node that uses it.
        node: String,
    },
    /// The model needs something else this evaluator refuses or does not have.
    #[error("{feature} is not supported by the onnx-ml evaluator")]
    UnsupportedFeature {
        /// What is needed, and where.
        feature: String,
    },
    /// A tensor's data is in another file, which is never read.
    #[error("tensor `{tensor}` keeps its data outside the model file (external data)")]
    ExternalData {
        /// The tensor's name.
        tensor: String,
    },
    /// A node is wrong, or could not be computed with these inputs.
    #[error("node `{node}` ({operator}): {problem}")]
    Node {
        /// The node's name, or its position when it has none.
        node: String,
        /// The operator's name.
        operator: String,
        /// What is wrong.
        problem: String,
    },
    /// A declared input was not given.
    #[error("input `{name}` is missing")]
    MissingInput {
        /// The input's name.
        name: String,
    },
    /// An input the model does not have was given.
    #[error("the model has no input `{name}`; its inputs are {expected}")]
    UnknownInput {
        /// The name that was given.
        name: String,
        /// The model's inputs, in backticks, separated by commas.
        expected: String,
    },
    /// One input was given twice.
    #[error("input `{name}` is given twice")]
    DuplicateInput {
        /// The input's name.
        name: String,
    },
    /// An input has the wrong element type.
    #[error("input `{name}` must be {expected}, not {actual}")]
    InputType {
        /// The input's name.
        name: String,
        /// The declared type.
        expected: ElementType,
        /// The given type.
        actual: ElementType,
    },
    /// An input has the wrong number of dimensions or the wrong width.
    #[error("input `{name}` must have shape {expected}, not {actual}")]
    InputShape {
        /// The input's name.
        name: String,
        /// The declared shape; `?` stands for any size.
        expected: String,
        /// The given shape.
        actual: String,
    },
    /// The number of values does not fit the shape a tensor was to have.
    #[error("a tensor of shape {shape} cannot hold {values} values")]
    TensorShape {
        /// The shape asked for.
        shape: String,
        /// The number of values given.
        values: usize,
    },
}

impl ModelError {
    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnsupportedOperator { .. } => {
                "serve this model with a runtime for neural networks or with Python; classical \
                 models from scikit-learn, XGBoost and LightGBM run here"
            }
            Self::ExternalData { .. } => {
                "save the model as one file, for instance with \
                 `onnx.save(model, path, save_as_external_data=False)`"
            }
            Self::Malformed { .. } => {
                "check that the file is an ONNX model and complete, or export it again"
            }
            Self::Limit { .. } => {
                "send fewer rows at a time, or raise the limit if you trust the model"
            }
            Self::InputShape { .. } | Self::InputType { .. } => {
                "compare the request with the model's signature"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What an operator reports; the graph adds which node it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Problem(String),
    Limit { what: &'static str, limit: u64 },
    Model(ModelError),
}

impl Failure {
    pub(crate) fn at_node(self, node: &str, operator: &str) -> ModelError {
        match self {
            Self::Problem(problem) => ModelError::Node {
                node: shown(node),
                operator: shown(operator),
                problem,
            },
            Self::Limit { what, limit } => ModelError::Limit {
                place: format!("node `{}` ({})", shown(node), shown(operator)),
                what,
                limit,
            },
            Self::Model(error) => error,
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<String> for Failure {
    fn from(problem: String) -> Self {
        Self::Problem(problem)
    }
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Self {
        Self::Problem(problem.to_owned())
    }
}

/// A name from the file, cut so that a hostile one cannot fill a log.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    match name.char_indices().nth(LONGEST) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

/// A shape as people write it: `[3, 4]`.
pub(crate) fn shown_shape(shape: &[usize]) -> String {
    shown_dimensions(shape.iter().map(|&dimension| Some(dimension)))
}

/// A shape with unknown sizes: `[?, 4]`.
pub(crate) fn shown_dimensions(shape: impl Iterator<Item = Option<usize>>) -> String {
    let mut text = String::from("[");
    for (position, dimension) in shape.take(16).enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        match dimension {
            Some(size) => {
                let _ = write!(text, "{size}");
            }
            None => text.push('?'),
        }
    }
    text.push(']');
    text
}
