//! DVC's file formats: read strictly, written byte for byte.
//!
//! This crate owns the syntax and the schemas of `.dvc` files, `dvc.yaml`, `dvc.lock`, `.dir`
//! manifests, `.dvc/config`, parameter files and run cache entries, the YAML writer that has
//! DVC's style, and edits that keep what the user wrote. The formats are those of DVC 3.67 with
//! ruamel.yaml 0.19.
//!
//! It must never touch a file, print, read the environment or know a repository: text comes in,
//! values and text go out. It must never write a key that DVC does not know, because DVC's
//! schemas are closed and one unknown key makes every DVC command fail.

#![forbid(unsafe_code)]

mod cloud_versions;
mod config;
mod dvc_file;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod legacy;
mod lock_file;
mod manifest;
mod object_id;
mod output_entry;
pub mod params;
mod pipeline;
mod schema;
mod stage_lock;
pub mod yaml;

pub use cloud_versions::{CloudVersion, VersionedFile};
pub use config::Config;
pub use dvc_file::DvcFile;
pub use error::FormatError;
pub use legacy::LegacyHasher;
pub use lock_file::LockFile;
pub use manifest::{Manifest, ManifestEntry};
pub use object_id::ObjectId;
pub use output_entry::OutputEntry;
pub use pipeline::{
    BooleanOptions, ListOptions, OptionStyle, OutputKind, OutputSpec, ParamSpec, PipelineFile,
    StageSpec, TemplateFiles,
};
pub use stage_lock::StageLock;
