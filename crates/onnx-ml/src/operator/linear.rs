//! `LinearRegressor` and `LinearClassifier`.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::post_transform::PostTransform;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};

/// One linear function for each target, `coefficients` target by target.
#[derive(Debug)]
struct Weights {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    targets: usize,
    width: usize,
}

impl Weights {
    fn read(
        specification: &mut Specification<'_>,
        targets: Option<usize>,
    ) -> Result<Self, Failure> {
        let coefficients = specification.floats("coefficients")?.unwrap_or_default();
        let intercepts = specification.floats("intercepts")?.unwrap_or_default();
        let targets = targets.unwrap_or(intercepts.len().max(1));
        if targets == 0 || coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
            let count = coefficients.len();
            return Err(format!("{count} coefficients for {targets} targets").into());
        }
        if !intercepts.is_empty() && intercepts.len() != targets {
            let count = intercepts.len();
            return Err(format!("{count} intercepts for {targets} targets").into());
        }
        let width = coefficients.len() / targets;
        Ok(Self {
            coefficients,
            intercepts,
            targets,
            width,
        })
    }

    /// Raw scores, row by row; sums are taken in `f64`, in order.
    fn scores(&self, input: &Tensor, budget: &Budget) -> Result<(usize, Vec<f64>), Failure> {
        if input.shape().len() > 2 {
            return Err("needs a matrix".into());
        }
        let (rows, width) = input.rows_and_width()?;
        if width != self.width {
            return Err(format!("{width} features where {} are expected", self.width).into());
        }
        let count = budget.allocate(&[rows, self.targets])?;
        budget.work(count.saturating_mul(width))?;
        let mut scores = Vec::with_capacity(count);
        match input.values() {
            Values::Float32(values) => {
                for row in values.chunks_exact(width) {
                    self.score(row, f64::from, &mut scores);
                }
            }
            _ => {
                for row in input.to_f64()?.chunks_exact(width) {
                    self.score(row, |value| value, &mut scores);
                }
            }
        }
        Ok((rows, scores))
    }

    fn score<T: Copy>(&self, row: &[T], widen: impl Fn(T) -> f64, scores: &mut Vec<f64>) {
        for (target, coefficients) in self.coefficients.chunks_exact(self.width).enumerate() {
            let mut sum = 0.0;
            for (&coefficient, &value) in coefficients.iter().zip(row) {
                sum += f64::from(coefficient) * widen(value);
            }
            scores.push(
                sum + self
                    .intercepts
                    .get(target)
                    .map_or(0.0, |&value| f64::from(value)),
            );
        }
    }
}

#[derive(Debug)]
struct Regressor {
    weights: Weights,
    post_transform: PostTransform,
}

pub(super) fn regressor(specification: &mut Specification<'_>) -> Built {
    let targets = specification.integer("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).map_err(|_| format!("{targets} targets"))?;
    Ok(Box::new(Regressor {
        weights: Weights::read(specification, Some(targets))?,
        post_transform: PostTransform::read(specification)?,
    }))
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (rows, mut scores) = self.weights.scores(inputs.required(0)?, budget)?;
        for row in scores.chunks_exact_mut(self.weights.targets) {
            self.post_transform.apply(row);
        }
        let shape = [rows, self.weights.targets];
        let scores = scores.into_iter().map(|score| score as f32).collect();
        Ok(vec![Tensor::from_f32(&shape, scores)?])
    }
}

/// The names of the classes.
#[derive(Debug)]
pub(super) enum Labels {
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    pub(super) fn read(
        specification: &mut Specification<'_>,
        integers: &str,
    ) -> Result<Self, Failure> {
        let integers = specification.integers(integers)?.unwrap_or_default();
        let texts = specification
            .texts("classlabels_strings")?
            .unwrap_or_default();
        match (integers.is_empty(), texts.is_empty()) {
            (false, true) => Ok(Self::Integers(integers)),
            (true, false) => Ok(Self::Texts(texts.into_iter().map(str::to_owned).collect())),
            (true, true) => Err("no class labels".into()),
            (false, false) => Err("class labels of two types".into()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Integers(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// The labels for class numbers, all of them below [`Self::len`].
    pub(super) fn tensor(&self, classes: &[usize]) -> Result<Tensor, Failure> {
        let values = match self {
            Self::Integers(labels) => {
                Values::Int64(classes.iter().map(|&class| labels[class]).collect())
            }
            Self::Texts(labels) => {
                Values::String(classes.iter().map(|&class| labels[class].clone()).collect())
            }
        };
        Ok(Tensor::new(&[classes.len()], values)?)
    }
}

/// The first of the largest scores, as `numpy.argmax` has it.
pub(super) fn largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = class;
        }
    }
    best
}

#[derive(Debug)]
struct Classifier {
    weights: Weights,
    labels: Labels,
    post_transform: PostTransform,
}

pub(super) fn classifier(specification: &mut Specification<'_>) -> Built {
    let labels = Labels::read(specification, "classlabels_ints")?;
    // One-versus-rest or multinomial: the post-transform says it already.
    specification.ignore("multi_class");
    let weights = Weights::read(specification, None)?;
    let post_transform = PostTransform::read(specification)?;
    let single = weights.targets == 1 && labels.len() == 2;
    if weights.targets != labels.len() && !single {
        let (targets, classes) = (weights.targets, labels.len());
        return Err(format!("{targets} linear functions for {classes} classes").into());
    }
    Ok(Box::new(Classifier {
        weights,
        labels,
        post_transform,
    }))
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let (rows, mut scores) = self.weights.scores(inputs.required(0)?, budget)?;
        let targets = self.weights.targets;
        let mut classes = Vec::with_capacity(rows);
        if targets < self.labels.len() {
            classes.extend(scores.iter().map(|&score| usize::from(score > 0.0)));
            budget.allocate(&[rows, 2])?;
            scores = scores
                .into_iter()
                .flat_map(|score| self.post_transform.apply_binary(score, false))
                .collect();
        } else {
            for row in scores.chunks_exact_mut(targets) {
                classes.push(largest(row));
                self.post_transform.apply(row);
            }
        }
        let scores = scores.into_iter().map(|score| score as f32).collect();
        Ok(vec![
            self.labels.tensor(&classes)?,
            Tensor::from_f32(&[rows, self.labels.len()], scores)?,
        ])
    }
}
