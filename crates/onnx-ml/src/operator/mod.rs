//! The operators, one table for all of them.
#![expect(
    clippy::unnecessary_wraps,
    reason = "all builders have the table's signature"
)]

mod arithmetic;
mod attributes;
mod encoding;
mod indexing;
mod linear;
mod logic;
mod matrix;
mod post_transform;
mod reduction;
mod scaling;
mod shaping;
mod tree_ensemble;
mod unary;

use std::fmt::Debug;
use std::ops::RangeInclusive;

pub(crate) use attributes::Specification;

use crate::error::{Failure, ModelError, shown};
use crate::limits::Budget;
use crate::message::NodeMessage;
use crate::tensor::Tensor;

/// An operator with its attributes, ready to run any number of times.
pub(crate) trait Operator: Debug + Send + Sync {
    /// One tensor for each output, in order.
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure>;
}

/// The inputs of one node; an optional one may be left out.
pub(crate) struct Inputs<'a> {
    tensors: &'a [Option<&'a Tensor>],
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(tensors: &'a [Option<&'a Tensor>]) -> Self {
        Self { tensors }
    }

    pub(crate) fn required(&self, position: usize) -> Result<&'a Tensor, Failure> {
        self.optional(position)
            .ok_or_else(|| format!("input {position} is left out").into())
    }

    pub(crate) fn optional(&self, position: usize) -> Option<&'a Tensor> {
        self.tensors.get(position).copied().flatten()
    }

    /// All inputs; none of them may be left out.
    pub(crate) fn all(&self) -> Result<Vec<&'a Tensor>, Failure> {
        (0..self.tensors.len())
            .map(|position| self.required(position))
            .collect()
    }
}

type Built = Result<Box<dyn Operator>, Failure>;

/// One line of the table.
pub(crate) struct Registration {
    /// Empty for the standard domain.
    pub(crate) domain: &'static str,
    pub(crate) name: &'static str,
    /// How many inputs a node may list.
    pub(crate) inputs: RangeInclusive<usize>,
    /// How many outputs there are.
    pub(crate) outputs: usize,
    pub(crate) build: fn(&mut Specification<'_>) -> Built,
}

const STANDARD: &str = "";
const CLASSICAL: &str = "ai.onnx.ml";
const ANY: usize = usize::MAX;

const fn standard(
    name: &'static str,
    inputs: RangeInclusive<usize>,
    build: fn(&mut Specification<'_>) -> Built,
) -> Registration {
    Registration {
        domain: STANDARD,
        name,
        inputs,
        outputs: 1,
        build,
    }
}

const fn classical(
    name: &'static str,
    inputs: RangeInclusive<usize>,
    outputs: usize,
    build: fn(&mut Specification<'_>) -> Built,
) -> Registration {
    Registration {
        domain: CLASSICAL,
        name,
        inputs,
        outputs,
        build,
    }
}

#[rustfmt::skip]
static OPERATORS: &[Registration] = &[
    classical("ArrayFeatureExtractor", 2..=2, 1, indexing::array_feature_extractor),
    classical("Binarizer", 1..=1, 1, scaling::binarizer),
    classical("FeatureVectorizer", 1..=ANY, 1, encoding::feature_vectorizer),
    classical("Imputer", 1..=1, 1, scaling::imputer),
    classical("LabelEncoder", 1..=1, 1, encoding::label_encoder),
    classical("LinearClassifier", 1..=1, 2, linear::classifier),
    classical("LinearRegressor", 1..=1, 1, linear::regressor),
    classical("Normalizer", 1..=1, 1, scaling::normalizer),
    classical("OneHotEncoder", 1..=1, 1, encoding::one_hot_encoder),
    classical("Scaler", 1..=1, 1, scaling::scaler),
    classical("TreeEnsembleClassifier", 1..=1, 2, tree_ensemble::classifier),
    classical("TreeEnsembleRegressor", 1..=1, 1, tree_ensemble::regressor),
    // Its output, a sequence of maps, is the same numbers in a shape only Python likes.
    classical("ZipMap", 1..=1, 1, shaping::zip_map),

    standard("Abs", 1..=1, unary::abs),
    standard("Add", 2..=2, arithmetic::add),
    standard("And", 2..=2, logic::and),
    standard("ArgMax", 1..=1, reduction::arg_max),
    standard("ArgMin", 1..=1, reduction::arg_min),
    standard("Cast", 1..=1, unary::cast),
    standard("Ceil", 1..=1, unary::ceil),
    standard("Clip", 1..=3, unary::clip),
    standard("Concat", 1..=ANY, shaping::concat),
    standard("Constant", 0..=0, shaping::constant),
    standard("ConstantOfShape", 1..=1, shaping::constant_of_shape),
    standard("Div", 2..=2, arithmetic::div),
    standard("Equal", 2..=2, logic::equal),
    standard("Erf", 1..=1, unary::erf),
    standard("Exp", 1..=1, unary::exp),
    standard("Expand", 2..=2, shaping::expand),
    standard("Flatten", 1..=1, shaping::flatten),
    standard("Floor", 1..=1, unary::floor),
    standard("Gather", 2..=2, indexing::gather),
    standard("Gemm", 2..=3, matrix::gemm),
    standard("Greater", 2..=2, logic::greater),
    standard("GreaterOrEqual", 2..=2, logic::greater_or_equal),
    standard("Identity", 1..=1, shaping::identity),
    standard("IsNaN", 1..=1, logic::is_nan),
    standard("Less", 2..=2, logic::less),
    standard("LessOrEqual", 2..=2, logic::less_or_equal),
    standard("Log", 1..=1, unary::log),
    standard("MatMul", 2..=2, matrix::mat_mul),
    standard("Max", 1..=ANY, arithmetic::max),
    standard("Min", 1..=ANY, arithmetic::min),
    standard("Mul", 2..=2, arithmetic::mul),
    standard("Neg", 1..=1, unary::neg),
    standard("Not", 1..=1, logic::not),
    standard("Or", 2..=2, logic::or),
    standard("Pow", 2..=2, arithmetic::pow),
    standard("Reciprocal", 1..=1, unary::reciprocal),
    standard("ReduceL2", 1..=2, reduction::l2),
    standard("ReduceLogSumExp", 1..=2, reduction::log_sum_exp),
    standard("ReduceMax", 1..=2, reduction::max),
    standard("ReduceMean", 1..=2, reduction::mean),
    standard("ReduceMin", 1..=2, reduction::min),
    standard("ReduceProd", 1..=2, reduction::product),
    standard("ReduceSum", 1..=2, reduction::sum),
    standard("ReduceSumSquare", 1..=2, reduction::sum_square),
    standard("Relu", 1..=1, unary::relu),
    standard("Reshape", 1..=2, shaping::reshape),
    standard("Shape", 1..=1, shaping::shape),
    standard("Sigmoid", 1..=1, unary::sigmoid),
    standard("Slice", 1..=5, indexing::slice),
    standard("Softmax", 1..=1, matrix::softmax),
    standard("Sqrt", 1..=1, unary::sqrt),
    standard("Squeeze", 1..=2, shaping::squeeze),
    standard("Sub", 2..=2, arithmetic::sub),
    standard("Sum", 1..=ANY, arithmetic::sum),
    standard("Tanh", 1..=1, unary::tanh),
    standard("Transpose", 1..=1, shaping::transpose),
    standard("Unsqueeze", 1..=2, shaping::unsqueeze),
    standard("Where", 3..=3, logic::select),
];

/// The table's line for a node's operator.
pub(crate) fn find(
    node: &NodeMessage<'_>,
    node_name: &str,
) -> Result<&'static Registration, ModelError> {
    // The standard domain has two spellings.
    let domain = if node.domain == "ai.onnx" {
        STANDARD
    } else {
        node.domain
    };
    OPERATORS
        .iter()
        .find(|line| line.name == node.operator && line.domain == domain)
        .ok_or_else(|| ModelError::UnsupportedOperator {
            domain: shown(node.domain),
            operator: shown(node.operator),
            node: shown(node_name),
        })
}

/// A position on an axis counted from either end.
fn normalized_axis(axis: i64, rank: usize) -> Result<usize, Failure> {
    let from_start = if axis < 0 {
        axis.checked_add(rank as i64)
    } else {
        Some(axis)
    };
    from_start
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|&axis| axis < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor of {rank} dimensions").into())
}

/// Sizes before, at and after an axis: the tensor seen as three dimensions.
fn around_axis(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (
        shape[..axis].iter().product(),
        shape[axis],
        shape[axis + 1..].iter().product(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_listed_once() {
        let mut names: Vec<_> = OPERATORS
            .iter()
            .map(|line| (line.domain, line.name))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
