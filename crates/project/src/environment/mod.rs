//! What results are made in: interpreter, packages, machine and variables.
//!
//! An environment is one JSON document in `.ketch-environments/`, named by its MD5. Every stage that
//! runs is recorded in `.ketch-environments/results/` by an empty file whose name says what the
//! stage's entry in `dvc.lock` says (so that an entry that somebody else wrote is not believed to be
//! ours), the id of the environment, and the stage. Both belong into Git and not into the cache: whoever has a
//! commit can then say what it was made in without any remote; no merge has a conflict, as the same
//! name means the same bytes; and neither DVC's `gc` nor its `push`, which know nothing of them, can
//! lose them.
//!
//! Everything is read from files; no Python is started. What the process was started with comes in
//! as [`Circumstances`].

mod build;
mod capture;
mod circumstances;
mod diff;
mod document;
mod elsewhere;
mod installed;
mod installers;
mod machine;
mod makers;
mod pins;
mod present;
mod python;
mod requirements;
mod select;
mod url;

pub use build::{EnvironmentBuildOptions, EnvironmentBuildReport, build_environment};
pub use capture::{CaptureReport, CapturedStages, capture_environment};
pub use circumstances::Circumstances;
pub use diff::{Difference, Weight};
pub use document::{
    Container, Cpu, Environment, EnvironmentId, Gpu, Interpreter, Manager, Package, PackageOrigin,
    Prefix, System,
};
pub use elsewhere::{Elsewhere, made_elsewhere};
pub use requirements::LeftOut;
pub use select::{
    EnvironmentComparison, EnvironmentDiffOptions, EnvironmentDiffReport, diff_environments,
};

pub(crate) use elsewhere::{differences_here, of_stages as elsewhere_of_stages};
pub(crate) use makers::{DOCUMENTS, Makers};
pub(crate) use present::{Captured, Surveyor};
