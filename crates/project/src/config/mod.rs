//! `ketch.toml`: what DVC's closed formats have no place for.

mod model;
mod reader;
mod settings;

pub use model::{
    Beats, GateConfig, Goal, MetricConfig, ModelConfig, MonitorConfig, RetrainConfig,
    RolloutConfig, RowWindow,
};
pub use settings::{ConfigWarning, EnvironmentConfig, LifecycleConfig, ProjectConfig};
