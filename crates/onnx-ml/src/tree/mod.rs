//! Ensembles of decision trees: checked once, laid out for walking, and walked.

mod build;
mod forest;

pub(crate) use build::{Numbers, TreeAttributes};
pub(crate) use forest::{Ensemble, Vote};
