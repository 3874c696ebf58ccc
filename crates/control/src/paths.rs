//! Where a model's files are below `.ketch/`.

use camino::{Utf8Path, Utf8PathBuf};

/// Files of one model.
#[derive(Debug, Clone)]
pub struct ModelPaths {
    /// Folder of the prediction log.
    pub predictions: Utf8PathBuf,
    /// Folder of the label log.
    pub labels: Utf8PathBuf,
    /// The audit log.
    pub journal: Utf8PathBuf,
}

impl ModelPaths {
    /// The files of a model below a project's state folder.
    pub fn new(state_dir: &Utf8Path, model: &str) -> Self {
        Self {
            predictions: state_dir.join("predictions").join(format!("model={model}")),
            labels: state_dir.join("labels").join(format!("model={model}")),
            journal: state_dir.join("journal").join(format!("{model}.jsonl")),
        }
    }
}

/// The tracking database below a project's state folder.
pub fn tracking_path(state_dir: &Utf8Path) -> Utf8PathBuf {
    state_dir.join("ketch.db")
}
