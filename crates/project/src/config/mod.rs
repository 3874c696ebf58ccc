//! `ketch.toml`: what DVC's closed formats have no place for.

mod executor;
mod model;
mod pipeline;
mod reader;
mod remote;
mod settings;
mod verify;

pub use executor::{ExecutorConfig, SlurmAsks, SlurmConfig};
pub use model::{
    Beats, GateConfig, Goal, MetricConfig, ModelConfig, MonitorConfig, RetrainConfig,
    RolloutConfig, RowWindow,
};
pub use pipeline::PipelineConfig;
pub use remote::{RemoteConfig, RemoteLayout};
pub use settings::{ConfigWarning, EnvironmentConfig, LifecycleConfig, ProjectConfig};
pub use verify::{VerifiedTable, VerifyConfig};
