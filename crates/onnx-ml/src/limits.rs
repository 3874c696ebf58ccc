//! How much a model and one evaluation of it may cost.

use std::cell::Cell;

use crate::error::Failure;

/// Caps on what a model file may contain and on what one run of it may use.
///
/// The defaults fit every classical model we know with room to spare, and keep a hostile file of
/// a few bytes from asking for gigabytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the model file in bytes.
    pub max_model_bytes: usize,
    /// Nodes of the graph (an ensemble of a thousand trees is one node).
    pub max_nodes: usize,
    /// Elements of any one tensor: input, constant, intermediate or output.
    pub max_elements: usize,
    /// Elements of all attribute lists and constants of a model together.
    pub max_model_elements: usize,
    /// Elements of all intermediate and output tensors of one run together.
    pub max_run_elements: u64,
    /// Elementary steps of one run (multiplications, tree comparisons, copies), roughly.
    pub max_run_steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_model_bytes: 1 << 31,
            max_nodes: 100_000,
            max_elements: 1 << 26,
            max_model_elements: 1 << 28,
            max_run_elements: 1 << 28,
            max_run_steps: 1 << 38,
        }
    }
}

/// What is left of the limits during one run. Each run has its own.
#[derive(Debug)]
pub(crate) struct Budget {
    max_elements: usize,
    elements: Cell<u64>,
    steps: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            max_elements: limits.max_elements,
            elements: Cell::new(limits.max_run_elements),
            steps: Cell::new(limits.max_run_steps),
        }
    }

    /// The number of elements of `shape`, charged to the run; to be asked before allocating.
    pub(crate) fn allocate(&self, shape: &[usize]) -> Result<usize, Failure> {
        let count = checked_product(shape)
            .filter(|&count| count <= self.max_elements)
            .ok_or(Failure::Limit {
                what: "elements in one tensor",
                limit: self.max_elements as u64,
            })?;
        charge(&self.elements, count as u64, "elements in one run")?;
        self.work(count)?;
        Ok(count)
    }

    pub(crate) fn work(&self, steps: usize) -> Result<(), Failure> {
        charge(&self.steps, steps as u64, "steps in one run")
    }
}

fn charge(left: &Cell<u64>, amount: u64, what: &'static str) -> Result<(), Failure> {
    let rest = left.get().checked_sub(amount).ok_or(Failure::Limit {
        what,
        limit: left.get(),
    })?;
    left.set(rest);
    Ok(())
}

/// The number of elements of a shape. `None` when it does not fit, also when only a 0 somewhere
/// hides that: so the product of some of a tensor's dimensions never overflows.
pub(crate) fn checked_product(shape: &[usize]) -> Option<usize> {
    let product = shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)))?;
    Some(if shape.contains(&0) { 0 } else { product })
}
