//! Comparisons, truth values and choosing by them.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::arithmetic::Broadcast;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

macro_rules! builders {
    ($($name:ident => $value:expr),* $(,)?) => {
        $(pub(super) fn $name(_: &mut Specification<'_>) -> Built {
            Ok(Box::new($value))
        })*
    };
}
builders! {
    less => Comparison::Less,
    less_or_equal => Comparison::LessOrEqual,
    greater => Comparison::Greater,
    greater_or_equal => Comparison::GreaterOrEqual,
    equal => Comparison::Equal,
    and => Connective::And,
    or => Connective::Or,
    not => Not,
    is_nan => IsNan,
    select => Select,
}

impl Comparison {
    fn on<T: PartialOrd>(self) -> fn(T, T) -> bool {
        match self {
            Self::Less => |a, b| a < b,
            Self::LessOrEqual => |a, b| a <= b,
            Self::Greater => |a, b| a > b,
            Self::GreaterOrEqual => |a, b| a >= b,
            Self::Equal => |a, b| a == b,
        }
    }
}

impl Operator for Comparison {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (left, right) = (inputs.required(0)?, inputs.required(1)?);
        let broadcast = Broadcast::new(left.shape(), right.shape())?;
        budget.allocate(&broadcast.shape)?;
        let values = match (left.values(), right.values()) {
            (Values::Float32(a), Values::Float32(b)) => broadcast.apply(a, b, self.on()),
            (Values::Float64(a), Values::Float64(b)) => broadcast.apply(a, b, self.on()),
            (Values::Int64(a), Values::Int64(b)) => broadcast.apply(a, b, self.on()),
            (Values::Int32(a), Values::Int32(b)) => broadcast.apply(a, b, self.on()),
            (Values::Bool(a), Values::Bool(b)) => broadcast.apply(a, b, self.on()),
            (Values::String(a), Values::String(b)) => {
                let a: Vec<&str> = a.iter().map(String::as_str).collect();
                let b: Vec<&str> = b.iter().map(String::as_str).collect();
                broadcast.apply(&a, &b, self.on())
            }
            (a, b) => {
                return Err(format!(
                    "cannot compare {} with {}",
                    a.element_type(),
                    b.element_type()
                )
                .into());
            }
        };
        Ok(vec![Tensor::from_bool(&broadcast.shape, values)?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Connective {
    And,
    Or,
}

fn truths(tensor: &Tensor) -> Result<&[bool], Failure> {
    tensor
        .as_bool()
        .ok_or_else(|| format!("needs bool values, not {}", tensor.element_type()).into())
}

impl Operator for Connective {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (left, right) = (inputs.required(0)?, inputs.required(1)?);
        let broadcast = Broadcast::new(left.shape(), right.shape())?;
        budget.allocate(&broadcast.shape)?;
        let (a, b) = (truths(left)?, truths(right)?);
        let values = match self {
            Self::And => broadcast.apply(a, b, |a, b| a && b),
            Self::Or => broadcast.apply(a, b, |a, b| a || b),
        };
        Ok(vec![Tensor::from_bool(&broadcast.shape, values)?])
    }
}

#[derive(Debug)]
struct Not;

impl Operator for Not {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let values = truths(input)?.iter().map(|value| !value).collect();
        Ok(vec![Tensor::from_bool(input.shape(), values)?])
    }
}

#[derive(Debug)]
struct IsNan;

impl Operator for IsNan {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        budget.allocate(input.shape())?;
        let values = match input.values() {
            Values::Float32(values) => values.iter().map(|value| value.is_nan()).collect(),
            Values::Float64(values) => values.iter().map(|value| value.is_nan()).collect(),
            other => return Err(format!("needs numbers, not {}", other.element_type()).into()),
        };
        Ok(vec![Tensor::from_bool(input.shape(), values)?])
    }
}

/// `Where`
#[derive(Debug)]
struct Select;

impl Operator for Select {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let condition = inputs.required(0)?;
        let (yes, no) = (inputs.required(1)?, inputs.required(2)?);
        let both = Broadcast::new(yes.shape(), no.shape())?;
        let all = Broadcast::new(condition.shape(), &both.shape)?;
        budget.allocate(&both.shape)?;
        budget.allocate(&all.shape)?;
        let truths = truths(condition)?;
        /// First the pairs, then the choice between each pair's halves.
        macro_rules! choose {
            ($($variant:ident),*) => {
                match (yes.values(), no.values()) {
                    $((Values::$variant(yes), Values::$variant(no)) => {
                        let yes: Vec<_> = yes.iter().collect();
                        let no: Vec<_> = no.iter().collect();
                        let pairs = both.apply(&yes, &no, |yes, no| (yes, no));
                        let pick = |first, (yes, no)| if first { yes } else { no };
                        let chosen = all.apply(truths, &pairs, pick);
                        Values::$variant(chosen.into_iter().cloned().collect())
                    })*
                    (a, b) => {
                        let (a, b) = (a.element_type(), b.element_type());
                        return Err(format!("cannot choose between {a} and {b}").into());
                    }
                }
            };
        }
        let values = choose!(Float32, Float64, Int64, Int32, Bool, String);
        Ok(vec![Tensor::new(&all.shape, values)?])
    }
}
