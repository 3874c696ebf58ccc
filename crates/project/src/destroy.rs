//! Making a project an ordinary Git repository again.

use camino::Utf8PathBuf;

use crate::objects::all;
use crate::stage::Index;
use crate::{Project, ProjectError, paths, unprotect};

/// Whether somebody meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Destruction {
    /// Fails with what would be lost.
    #[default]
    Asked,
    Confirmed,
}

/// Deletes everything of DVC's: the records, the settings and the cache, unless that is outside of
/// the project. Data stays, as files of its own. Returns what was deleted, relative to the root.
pub fn destroy(
    project: &Project,
    destruction: Destruction,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let objects = all(project)?;
    if destruction == Destruction::Asked {
        return Err(ProjectError::WouldDestroy {
            objects: objects.len() as u64,
            bytes: objects.values().sum(),
        });
    }
    let index = Index::load(project)?;
    let mut data: Vec<Utf8PathBuf> = index.data.iter().map(|data| data.path.clone()).collect();
    for stage in &index.stages {
        data.extend(stage.outputs().map(|(_, path)| path));
    }
    data.retain(|path| path.exists() && path.starts_with(project.root()));
    // A link into the cache would lead nowhere afterwards.
    unprotect(project, &data)?;
    let _lock = project.lock()?;
    let mut files = project.find_files(&|path| {
        matches!(path.file_name(), Some("dvc.yaml" | "dvc.lock")) || path.extension() == Some("dvc")
    })?;
    files.push(project.root().join(".dvcignore"));
    files.push(project.root().join(".dvc"));
    files.retain(|path| path.symlink_metadata().is_ok());
    for file in &files {
        paths::remove(file)?;
    }
    Ok(files.iter().map(|path| project.shown(path)).collect())
}
