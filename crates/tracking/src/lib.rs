//! What was run, with what, how well it did, and which model version serves: experiments, runs,
//! parameters, metric history, tags, lineage, the model registry and its aliases.
//!
//! Words and rules are MLflow's, so that its API can be put in front of this crate without
//! translation; the tests compare names, metric order and error codes with MLflow 3.17.2.
//!
//! The crate owns `ketch.db` and is the only one that may talk SQL. Its tables are private: other
//! crates call [`TrackingStore`].
//!
//! It must never print, read the clock, the environment or the user's name (they come in as
//! parameters), speak HTTP, or open a file other than the database. Text from outside is parsed
//! once into [`RunId`], [`ModelName`], [`Alias`], [`Digest`] and the like; the types carry the
//! proof from there.
#![forbid(unsafe_code)]

mod alias;
mod database;
mod error;
mod experiment;
mod id;
mod lineage;
mod metric;
mod name;
mod registry;
mod run;
mod store;

pub use alias::{AliasChange, ChangeNote};
pub use database::SCHEMA_VERSION;
pub use error::{ErrorKind, TrackingError};
pub use experiment::Experiment;
pub use id::{CommitId, Digest, ExperimentId, RunId};
pub use lineage::{Artifact, RunLineage};
pub use metric::Metric;
pub use name::{Alias, ArtifactPath, ModelName};
pub use registry::{ModelVersion, NewModelVersion, RegisteredModel};
pub use run::{NewRun, Run, RunStatus};
pub use store::TrackingStore;
