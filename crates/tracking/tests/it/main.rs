//! The tracking store from outside.

#[cfg(test)]
mod support;

#[cfg(test)]
mod lineage;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mlflow;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod schema;
