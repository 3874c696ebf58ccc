//! The graph: names resolved to slots once, then nodes run in order.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Failure, ModelError, shown};
use crate::limits::{Budget, Limits};
use crate::message::{GraphMessage, NodeMessage, ValueMessage, read_tensor};
use crate::operator::{self, Inputs, Operator, Specification};
use crate::tensor::Tensor;

/// Nodes in file order (ONNX demands that it is a topological order, and so it is checked).
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// Values known before the run, by slot.
    constants: Vec<(usize, Tensor)>,
    slots: usize,
    /// Slots of the declared inputs, in order.
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

#[derive(Debug)]
struct Node {
    name: String,
    operator_name: &'static str,
    operator: Box<dyn Operator>,
    /// `None` for an optional input left out.
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    /// Slots that nothing reads after this node.
    finished: Vec<usize>,
}

/// Assigns a slot to each name, each once.
#[derive(Debug, Default)]
struct Names<'a> {
    slots: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn define(&mut self, name: &'a str) -> Result<usize, ModelError> {
        let slot = self.slots.len();
        if name.is_empty() {
            return Err(invalid("a value without a name".to_owned()));
        }
        if self.slots.insert(name, slot).is_some() {
            return Err(invalid(format!("`{}` is defined twice", shown(name))));
        }
        Ok(slot)
    }

    fn find(&self, name: &str, reader: &str) -> Result<usize, ModelError> {
        self.slots.get(name).copied().ok_or_else(|| {
            invalid(format!(
                "{reader} needs `{}`, which no earlier node, input or constant gives",
                shown(name)
            ))
        })
    }
}

impl Graph {
    /// The graph, and the inputs a run must bring (those that have no constant as a default).
    pub(crate) fn build<'a>(
        message: GraphMessage<'a>,
        opsets: &[(&str, i64)],
        ir_version: i64,
        limits: &Limits,
    ) -> Result<(Self, Vec<ValueMessage<'a>>), ModelError> {
        if ir_version < 1 {
            return Err(invalid("the model has no IR version".to_owned()));
        }
        // Operators first: a model for another runtime should hear that, and not of a detail.
        let registrations = message
            .nodes
            .iter()
            .enumerate()
            .map(|(position, node)| operator::find(node, &node_name(node, position)))
            .collect::<Result<Vec<_>, _>>()?;

        let mut room = limits.max_model_elements;
        let mut names = Names::default();
        let mut constants = Vec::with_capacity(message.initializers.len());
        for &reader in &message.initializers {
            let (name, tensor) = read_tensor(reader, &mut room)?;
            if tensor.len() > limits.max_elements {
                return Err(ModelError::Limit {
                    place: format!("constant `{}`", shown(name)),
                    what: "elements",
                    limit: limits.max_elements as u64,
                });
            }
            constants.push((names.define(name)?, tensor));
        }
        let mut declared = Vec::new();
        let mut inputs = Vec::new();
        for input in message.inputs {
            if names
                .slots
                .get(input.name)
                .is_some_and(|&slot| slot < constants.len())
            {
                continue;
            }
            inputs.push(names.define(input.name)?);
            declared.push(input);
        }

        let mut nodes = Vec::with_capacity(message.nodes.len());
        for (position, (node, registration)) in message.nodes.iter().zip(registrations).enumerate()
        {
            let name = node_name(node, position);
            let reader = format!("node `{}`", shown(&name));
            let node_inputs = node
                .inputs
                .iter()
                .map(|&input| match input {
                    "" => Ok(None),
                    input => names.find(input, &reader).map(Some),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let operator = Specification::read(node, registration, opsets, &mut room)
                .and_then(|mut specification| {
                    let operator = (registration.build)(&mut specification)?;
                    specification.finish()?;
                    Ok(operator)
                })
                .map_err(|failure| failure.at_node(&name, node.operator))?;
            let node_outputs = node
                .outputs
                .iter()
                .map(|&output| match output {
                    "" => Ok(None),
                    output => names.define(output).map(Some),
                })
                .collect::<Result<Vec<_>, _>>()?;
            nodes.push(Node {
                name,
                operator_name: registration.name,
                operator,
                inputs: node_inputs,
                outputs: node_outputs,
                finished: Vec::new(),
            });
        }
        let outputs = message
            .outputs
            .iter()
            .map(|output| names.find(output.name, "the model's output"))
            .collect::<Result<Vec<_>, _>>()?;
        let slots = names.slots.len();
        mark_finished(&mut nodes, &outputs, slots);
        Ok((
            Self {
                nodes,
                constants,
                slots,
                inputs,
                outputs,
            },
            declared,
        ))
    }

    /// The outputs in declared order for inputs in declared order.
    pub(crate) fn run(
        &self,
        inputs: &[&Tensor],
        budget: &Budget,
    ) -> Result<Vec<Tensor>, ModelError> {
        let mut values: Vec<Option<Cow<'_, Tensor>>> = vec![None; self.slots];
        for (slot, tensor) in &self.constants {
            values[*slot] = Some(Cow::Borrowed(tensor));
        }
        for (&slot, &tensor) in self.inputs.iter().zip(inputs) {
            values[slot] = Some(Cow::Borrowed(tensor));
        }
        for node in &self.nodes {
            let results = node
                .run(&values, budget)
                .map_err(|failure| failure.at_node(&node.name, node.operator_name))?;
            for (slot, result) in node.outputs.iter().zip(results) {
                if let Some(slot) = slot {
                    values[*slot] = Some(Cow::Owned(result));
                }
            }
            for &slot in &node.finished {
                values[slot] = None;
            }
        }
        self.outputs
            .iter()
            .map(|&slot| {
                let value = values[slot].as_deref();
                value
                    .cloned()
                    .ok_or_else(|| invalid("an output was not computed".to_owned()))
            })
            .collect()
    }
}

impl Node {
    fn run(
        &self,
        values: &[Option<Cow<'_, Tensor>>],
        budget: &Budget,
    ) -> Result<Vec<Tensor>, Failure> {
        let inputs: Vec<Option<&Tensor>> = self
            .inputs
            .iter()
            .map(|slot| slot.and_then(|slot| values[slot].as_deref()))
            .collect();
        self.operator.run(&Inputs::new(&inputs), budget)
    }
}

/// Notes with each node which values it is the last to read, so that a run can drop them.
fn mark_finished(nodes: &mut [Node], outputs: &[usize], slots: usize) {
    let mut read_later = vec![false; slots];
    for &slot in outputs {
        read_later[slot] = true;
    }
    for node in nodes.iter_mut().rev() {
        for &slot in node.inputs.iter().chain(&node.outputs).flatten() {
            if !std::mem::replace(&mut read_later[slot], true) {
                node.finished.push(slot);
            }
        }
    }
}

fn node_name(node: &NodeMessage<'_>, position: usize) -> String {
    if node.name.is_empty() {
        format!("#{position}")
    } else {
        node.name.to_owned()
    }
}

fn invalid(problem: String) -> ModelError {
    ModelError::Graph { problem }
}
