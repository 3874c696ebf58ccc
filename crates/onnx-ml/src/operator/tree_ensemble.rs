//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`.

use crate::error::Failure;
use crate::limits::Budget;
use crate::operator::linear::{Labels, largest};
use crate::operator::post_transform::PostTransform;
use crate::operator::{Built, Inputs, Operator, Specification};
use crate::tensor::{Tensor, Values};
use crate::tree::{Ensemble, Numbers, TreeAttributes, Vote};

/// A list of floats, or the same as a tensor of either precision.
fn numbers(specification: &mut Specification<'_>, name: &str) -> Result<Option<Numbers>, Failure> {
    let list = specification.floats(name)?.filter(|list| !list.is_empty());
    let tensor = specification.tensor(&format!("{name}_as_tensor"))?;
    match (list, tensor.map(Tensor::into_values)) {
        (Some(list), None) => Ok(Some(Numbers::Narrow(list))),
        (None, Some(Values::Float32(list))) => Ok(Some(Numbers::Narrow(list))),
        (None, Some(Values::Float64(list))) => Ok(Some(Numbers::Wide(list))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(format!("attribute `{name}_as_tensor` does not hold floats").into()),
        (Some(_), Some(_)) => Err(format!("attribute `{name}` is given twice").into()),
    }
}

fn base_values(specification: &mut Specification<'_>) -> Result<Vec<f64>, Failure> {
    let values = numbers(specification, "base_values")?;
    Ok(values.map_or_else(Vec::new, |list| {
        (0..list.len()).map(|at| list.get(at)).collect()
    }))
}

/// The shared attributes; leaves speak of `class` or `target`.
fn trees<'a>(
    specification: &mut Specification<'a>,
    leaf: &str,
) -> Result<TreeAttributes<'a>, Failure> {
    specification.ignore("nodes_hitrates");
    specification.ignore("nodes_hitrates_as_tensor");
    let none = || Numbers::Narrow(Vec::new());
    let thresholds = numbers(specification, "nodes_values")?.unwrap_or_else(none);
    let vote_weights = numbers(specification, &format!("{leaf}_weights"))?.unwrap_or_else(none);
    let modes = specification.texts("nodes_modes")?.unwrap_or_default();
    let mut list = |name: &str| specification.integers(name).map(Option::unwrap_or_default);
    Ok(TreeAttributes {
        tree_ids: list("nodes_treeids")?,
        node_ids: list("nodes_nodeids")?,
        modes,
        feature_ids: list("nodes_featureids")?,
        thresholds,
        true_ids: list("nodes_truenodeids")?,
        false_ids: list("nodes_falsenodeids")?,
        missing_true: list("nodes_missing_value_tracks_true")?,
        vote_tree_ids: list(&format!("{leaf}_treeids"))?,
        vote_node_ids: list(&format!("{leaf}_nodeids"))?,
        vote_targets: list(&format!("{leaf}_ids"))?,
        vote_weights,
    })
}

/// Walks all rows; `vote` gets a row's number and what one of its leaves says.
fn walk(
    ensemble: &Ensemble,
    input: &Tensor,
    mut vote: impl FnMut(usize, &[Vote]),
) -> Result<(), Failure> {
    let (_, width) = input.rows_and_width()?;
    match input.values() {
        Values::Float32(features) => ensemble.walk_f32(features, width, &mut vote),
        Values::Float64(features) => ensemble.walk_f64(features, width, &mut vote),
        // Integers are compared as `float32`, like everywhere else.
        _ => {
            let features: Vec<_> = input
                .to_f64()?
                .into_iter()
                .map(|value| value as f32)
                .collect();
            ensemble.walk_f32(&features, width, &mut vote)
        }
    }
}

/// The number of rows, after room and time for them are granted.
fn rows(
    ensemble: &Ensemble,
    input: &Tensor,
    targets: usize,
    budget: &Budget,
) -> Result<usize, Failure> {
    if input.shape().len() > 2 {
        return Err("needs a matrix".into());
    }
    let (rows, _) = input.rows_and_width()?;
    budget.allocate(&[rows, targets])?;
    budget.work(rows.saturating_mul(ensemble.steps_per_row()))?;
    Ok(rows)
}

#[derive(Debug)]
struct Classifier {
    ensemble: Ensemble,
    labels: Labels,
    base_values: Vec<f64>,
    post_transform: PostTransform,
    binary: Option<Binary>,
}

/// Two classes and leaves that vote for only one: their sum is the second class's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    /// No weight is negative and nothing is done to the sum: it is a probability.
    Probability,
    /// The sum is positive where the second class is likelier.
    Margin,
}

pub(super) fn classifier(specification: &mut Specification<'_>) -> Built {
    let labels = Labels::read(specification, "classlabels_int64s")?;
    let base_values = base_values(specification)?;
    let post_transform = PostTransform::read(specification)?;
    let attributes = trees(specification, "class")?;
    let ensemble = attributes.build(labels.len())?;
    let single = labels.len() == 2
        && attributes
            .vote_targets
            .windows(2)
            .all(|pair| pair[0] == pair[1])
        && !attributes.vote_targets.is_empty();
    let binary = single.then(|| {
        let weights = &attributes.vote_weights;
        let none_negative = (0..weights.len()).all(|position| weights.get(position) >= 0.0);
        if none_negative && post_transform != PostTransform::Logistic {
            Binary::Probability
        } else {
            Binary::Margin
        }
    });
    let fits = match base_values.len() {
        0 => true,
        1 => single || labels.len() == 1,
        count => count == labels.len(),
    };
    if !fits {
        let (values, classes) = (base_values.len(), labels.len());
        return Err(format!("{values} base values for {classes} classes").into());
    }
    Ok(Box::new(Classifier {
        ensemble,
        labels,
        base_values,
        post_transform,
        binary,
    }))
}

impl Classifier {
    /// Classes and scores when the leaves vote for one of two classes only.
    fn run_binary(
        &self,
        binary: Binary,
        input: &Tensor,
        rows: usize,
    ) -> Result<(Vec<usize>, Vec<f32>), Failure> {
        // Of two base values the second is the positive class's.
        let base = self.base_values.last().copied().unwrap_or(0.0);
        let mut sums = vec![base; rows];
        walk(&self.ensemble, input, |row, votes| {
            for vote in votes {
                sums[row] += vote.weight;
            }
        })?;
        let (limit, probability) = match binary {
            Binary::Probability => (0.5, true),
            Binary::Margin => (0.0, false),
        };
        let classes = sums.iter().map(|&sum| usize::from(sum > limit)).collect();
        let pair = |sum| self.post_transform.apply_binary(sum, probability);
        let scores = sums
            .into_iter()
            .flat_map(pair)
            .map(|score| score as f32)
            .collect();
        Ok((classes, scores))
    }

    fn run_classes(&self, input: &Tensor, rows: usize) -> Result<(Vec<usize>, Vec<f32>), Failure> {
        let count = self.labels.len();
        let mut sums = Vec::with_capacity(rows * count);
        for _ in 0..rows {
            match self.base_values.as_slice() {
                [] => sums.extend(std::iter::repeat_n(0.0, count)),
                values => sums.extend(values),
            }
        }
        walk(&self.ensemble, input, |row, votes| {
            let sums = &mut sums[row * count..(row + 1) * count];
            for vote in votes {
                sums[vote.target as usize] += vote.weight;
            }
        })?;
        let mut classes = Vec::with_capacity(rows);
        for scores in sums.chunks_exact_mut(count) {
            classes.push(largest(scores));
            self.post_transform.apply(scores);
        }
        Ok((
            classes,
            sums.into_iter().map(|score| score as f32).collect(),
        ))
    }
}

impl Operator for Classifier {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let count = self.labels.len();
        let rows = rows(&self.ensemble, input, count, budget)?;
        let (classes, scores) = match self.binary {
            Some(binary) => self.run_binary(binary, input, rows)?,
            None => self.run_classes(input, rows)?,
        };
        Ok(vec![
            self.labels.tensor(&classes)?,
            Tensor::from_f32(&[rows, count], scores)?,
        ])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

#[derive(Debug)]
struct Regressor {
    ensemble: Ensemble,
    targets: usize,
    aggregate: Aggregate,
    base_values: Vec<f64>,
    post_transform: PostTransform,
}

pub(super) fn regressor(specification: &mut Specification<'_>) -> Built {
    let targets = specification.integer("n_targets")?.unwrap_or(1);
    let targets = usize::try_from(targets)
        .ok()
        .filter(|targets| (1..=1 << 20).contains(targets))
        .ok_or_else(|| format!("{targets} targets"))?;
    let aggregate = match specification.text("aggregate_function")? {
        None | Some("SUM") => Aggregate::Sum,
        Some("AVERAGE") => Aggregate::Average,
        Some("MIN") => Aggregate::Min,
        Some("MAX") => Aggregate::Max,
        Some(_) => return Err("attribute `aggregate_function` has an unknown value".into()),
    };
    let base_values = base_values(specification)?;
    if !base_values.is_empty() && base_values.len() != targets {
        return Err(format!("{} base values for {targets} targets", base_values.len()).into());
    }
    let post_transform = PostTransform::read(specification)?;
    let ensemble = trees(specification, "target")?.build(targets)?;
    Ok(Box::new(Regressor {
        ensemble,
        targets,
        aggregate,
        base_values,
        post_transform,
    }))
}

impl Operator for Regressor {
    fn run(&self, inputs: &Inputs<'_>, budget: &Budget) -> Result<Vec<Tensor>, Failure> {
        let input = inputs.required(0)?;
        let rows = rows(&self.ensemble, input, self.targets, budget)?;
        let (start, fold): (f64, fn(f64, f64) -> f64) = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => (0.0, |so_far, weight| so_far + weight),
            Aggregate::Min => (f64::INFINITY, f64::min),
            Aggregate::Max => (f64::NEG_INFINITY, f64::max),
        };
        let mut folded = vec![start; rows * self.targets];
        let targets = self.targets;
        if matches!(self.aggregate, Aggregate::Sum | Aggregate::Average) {
            walk(&self.ensemble, input, |row, votes| {
                for vote in votes {
                    folded[row * targets + vote.target as usize] += vote.weight;
                }
            })?;
        } else {
            walk(&self.ensemble, input, |row, votes| {
                for vote in votes {
                    let sum = &mut folded[row * targets + vote.target as usize];
                    *sum = fold(*sum, vote.weight);
                }
            })?;
        }
        for scores in folded.chunks_exact_mut(targets) {
            for (target, score) in scores.iter_mut().enumerate() {
                if score.is_infinite() && *score == start {
                    // No leaf had a say.
                    *score = 0.0;
                }
                if self.aggregate == Aggregate::Average {
                    *score /= self.ensemble.trees() as f64;
                }
                *score += self.base_values.get(target).copied().unwrap_or(0.0);
            }
            self.post_transform.apply(scores);
        }
        let values = folded.into_iter().map(|score| score as f32).collect();
        Ok(vec![Tensor::from_f32(&[rows, targets], values)?])
    }
}
