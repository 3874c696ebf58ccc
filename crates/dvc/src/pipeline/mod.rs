//! `dvc.yaml`: the pipeline as the user wrote it.

mod file;
mod frozen;
mod output;
mod stage;
mod template;
mod written;

pub use file::PipelineFile;
pub use output::{OutputKind, OutputSpec};
pub use stage::{ParamSpec, StageSpec};
pub use template::{BooleanOptions, ListOptions, OptionStyle, TemplateFiles};
