//! A model ready to answer, and what it says about itself.

use crate::error::{ModelError, shown, shown_dimensions, shown_shape};
use crate::graph::Graph;
use crate::limits::{Budget, Limits};
use crate::message::{ModelMessage, ValueMessage};
use crate::tensor::{ElementType, Tensor};

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInfo {
    /// The name, unique among the inputs or the outputs.
    pub name: String,
    /// The type of the elements.
    pub element_type: ElementType,
    /// The dimensions; `None` for any size (usually the rows). Empty when the model does not
    /// declare a shape.
    pub shape: Vec<Option<usize>>,
}

/// An operator the graph uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorUse {
    /// The domain: empty for the standard one, `ai.onnx.ml` for classical models.
    pub domain: String,
    /// The operator's name.
    pub operator: String,
}

/// A version of an operator set that the model was written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpsetImport {
    /// The domain: empty for the standard one.
    pub domain: String,
    /// The version.
    pub version: i64,
}

/// The program that wrote the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Its name, such as `skl2onnx`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A model, checked and ready to run; can be shared between threads.
#[derive(Debug)]
pub struct Model {
    graph: Graph,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    operators: Vec<OperatorUse>,
    opset_imports: Vec<OpsetImport>,
    producer: Producer,
    metadata: Vec<(String, String)>,
    limits: Limits,
}

impl Model {
    /// Reads and checks a model. Everything that can be checked without inputs is checked here,
    /// so a model that loads fails at run time only for what its inputs bring.
    ///
    /// # Errors
    /// When the bytes are no ONNX model, exceed `limits`, or need what this crate does not have;
    /// [`ModelError::UnsupportedOperator`] is how another runtime's model (a neural network)
    /// answers.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, ModelError> {
        if bytes.len() > limits.max_model_bytes {
            return Err(ModelError::Limit {
                place: "the model file".to_owned(),
                what: "bytes",
                limit: limits.max_model_bytes as u64,
            });
        }
        let mut message = ModelMessage::read(bytes, limits)?;
        let Some(graph_message) = message.graph.take() else {
            return Err(ModelError::Malformed {
                problem: "no graph in the file".to_owned(),
                offset: bytes.len(),
            });
        };
        let mut operators: Vec<_> = graph_message
            .nodes
            .iter()
            .map(|node| OperatorUse {
                domain: node.domain.to_owned(),
                operator: node.operator.to_owned(),
            })
            .collect();
        operators.sort();
        operators.dedup();
        let outputs = values(&graph_message.outputs)?;
        let (graph, input_messages) = Graph::build(
            graph_message,
            &message.opset_imports,
            message.ir_version,
            limits,
        )?;
        Ok(Self {
            graph,
            inputs: values(&input_messages)?,
            outputs,
            operators,
            opset_imports: message
                .opset_imports
                .iter()
                .map(|&(domain, version)| OpsetImport {
                    domain: domain.to_owned(),
                    version,
                })
                .collect(),
            producer: Producer {
                name: message.producer_name.to_owned(),
                version: message.producer_version.to_owned(),
            },
            metadata: message
                .metadata
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            limits: limits.clone(),
        })
    }

    /// What a run needs, in the model's order.
    pub fn inputs(&self) -> &[ValueInfo] {
        &self.inputs
    }

    /// What a run gives, in the model's order.
    pub fn outputs(&self) -> &[ValueInfo] {
        &self.outputs
    }

    /// The operators in use, sorted, each once.
    pub fn operators(&self) -> &[OperatorUse] {
        &self.operators
    }

    /// The operator sets the model was written for.
    pub fn opset_imports(&self) -> &[OpsetImport] {
        &self.opset_imports
    }

    /// The program that wrote the model.
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Free-form entries the exporter added, in file order.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Computes every output. Inputs may come in any order; each declared one must be there once
    /// with the declared element type and width.
    ///
    /// A row's answer does not depend on the other rows of the batch.
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>, ModelError> {
        let given = self.matched(inputs)?;
        let budget = Budget::new(&self.limits);
        let outputs = self.graph.run(&given, &budget)?;
        Ok(self
            .outputs
            .iter()
            .map(|output| output.name.clone())
            .zip(outputs)
            .collect())
    }

    /// The given tensors in the order of the declared inputs.
    fn matched<'a>(&self, inputs: &'a [(&str, Tensor)]) -> Result<Vec<&'a Tensor>, ModelError> {
        let mut given = vec![None; self.inputs.len()];
        for (name, tensor) in inputs {
            let position = self.inputs.iter().position(|input| input.name == *name);
            let Some(position) = position else {
                let names: Vec<_> = self
                    .inputs
                    .iter()
                    .map(|input| format!("`{}`", shown(&input.name)))
                    .collect();
                return Err(ModelError::UnknownInput {
                    name: shown(name),
                    expected: names.join(", "),
                });
            };
            if given[position].replace(tensor).is_some() {
                return Err(ModelError::DuplicateInput { name: shown(name) });
            }
            self.inputs[position].check(tensor)?;
            if tensor.len() > self.limits.max_elements {
                return Err(ModelError::Limit {
                    place: format!("input `{}`", shown(name)),
                    what: "elements",
                    limit: self.limits.max_elements as u64,
                });
            }
        }
        given
            .into_iter()
            .zip(&self.inputs)
            .map(|(tensor, input)| {
                tensor.ok_or_else(|| ModelError::MissingInput {
                    name: shown(&input.name),
                })
            })
            .collect()
    }
}

impl ValueInfo {
    fn check(&self, tensor: &Tensor) -> Result<(), ModelError> {
        if tensor.element_type() != self.element_type {
            return Err(ModelError::InputType {
                name: shown(&self.name),
                expected: self.element_type,
                actual: tensor.element_type(),
            });
        }
        let fits = self.shape.is_empty()
            || self.shape.len() == tensor.shape().len()
                && self
                    .shape
                    .iter()
                    .zip(tensor.shape())
                    .all(|(expected, actual)| expected.is_none_or(|size| size == *actual));
        if fits {
            return Ok(());
        }
        Err(ModelError::InputShape {
            name: shown(&self.name),
            expected: shown_dimensions(self.shape.iter().copied()),
            actual: shown_shape(tensor.shape()),
        })
    }
}

fn values(messages: &[ValueMessage<'_>]) -> Result<Vec<ValueInfo>, ModelError> {
    messages
        .iter()
        .map(|message| {
            let element_type = ElementType::from_onnx(message.element_type).map_err(|error| {
                let ModelError::UnsupportedFeature { feature } = error else {
                    return error;
                };
                let feature = format!("{feature} of `{}`", shown(message.name));
                ModelError::UnsupportedFeature { feature }
            })?;
            Ok(ValueInfo {
                name: message.name.to_owned(),
                element_type,
                shape: message.shape.clone().unwrap_or_default(),
            })
        })
        .collect()
}
