//! What tests of ketch stand on: a throw-away project that nothing of the machine leaks into, the
//! real peers to compare with, and processes that are killed at a chosen moment.
//!
//! For tests only: no other crate may depend on it except under `[dev-dependencies]`. Its functions
//! panic instead of returning errors, because a test that cannot be set up has failed.
//!
//! ```
//! use ketch_testkit::TestProject;
//!
//! // In an end-to-end test: TestProject::with_binary(env!("CARGO_BIN_EXE_ketch")).
//! let project = TestProject::with_binary("/bin/echo");
//! let output = project.ketch(["hello"]).success();
//! assert_eq!(output.to_string(), "hello\n");
//! ```
#![forbid(unsafe_code)]

mod azure;
mod forgotten;
mod google;
mod kill;
mod mount;
mod mutation;
mod output;
mod peer;
mod project;
mod seaweed;
mod slurm;
mod web_server;

pub use azure::{AZURE_KEY, AzureVersions};
pub use forgotten::assert_no_forgotten_test_files;
pub use google::{Generations, GoogleStorage};
pub use kill::kill_after_line;
pub use mount::Mount;
pub use mutation::{run_within_limits, seeds, with_damage};
pub use output::CommandOutput;
pub use peer::peer;
pub use project::TestProject;
pub use seaweed::SeaweedFs;
pub use slurm::SlurmCluster;
pub use web_server::WebServer;
