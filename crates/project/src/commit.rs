//! Parameters set and results committed, as automation does.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::params;
use ketch_dvc::yaml::Value;
use ketch_store::write_atomically;

use crate::environment::DOCUMENTS;
use crate::stage::Index;
use crate::{CommitId, Identity, Project, ProjectError, paths};

/// What to commit.
#[derive(Debug, Clone)]
pub struct CommitOptions {
    pub message: String,
    pub paths: CommitPaths,
    /// Who commits; Git's configuration decides if not given.
    pub identity: Option<Identity>,
}

/// Which files go into a commit.
#[derive(Debug, Clone, Default)]
pub enum CommitPaths {
    /// What describes the project: `dvc.yaml`, `dvc.lock`, `.dvc` files, parameters, outputs that
    /// are not cached, ignore files, `ketch.toml`, and every other file Git tracks.
    #[default]
    All,
    /// These, relative to the root.
    These(Vec<Utf8PathBuf>),
}

/// Commits, whatever else is staged staying as it is, and returns the new commit; where nothing
/// changed, the one that is checked out.
pub fn commit(project: &Project, options: &CommitOptions) -> Result<CommitId, ProjectError> {
    let paths = match &options.paths {
        CommitPaths::These(paths) => paths
            .iter()
            .map(|path| paths::relative(project.root(), path))
            .collect::<Result<Vec<_>, _>>()?,
        CommitPaths::All => described(project)?,
    };
    project
        .git()
        .commit(&options.message, &paths, options.identity.as_ref())
}

/// Sets dotted parameters in a file, keeping the rest of its text.
pub fn set_params(
    project: &Project,
    file: &Utf8Path,
    values: &[(String, Value)],
) -> Result<(), ProjectError> {
    let _lock = project.lock()?;
    let path = project.root().join(paths::relative(project.root(), file)?);
    let before = fs_err::read_to_string(&path)?;
    let mut text = before.clone();
    for (key, value) in values {
        text = params::set_in_text(file.as_str(), &text, key, value)?;
    }
    if text != before {
        write_atomically(&path, text.as_bytes())?;
    }
    Ok(())
}

/// What describes the project, and every tracked file that changed, relative to the root.
pub(crate) fn described(project: &Project) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let index = Index::load(project)?;
    let mut wanted: BTreeSet<Utf8PathBuf> = BTreeSet::new();
    for stage in &index.stages {
        wanted.extend(
            stage
                .spec
                .params
                .iter()
                .map(|params| stage.resolve(&params.file)),
        );
        wanted.extend(
            stage
                .outputs()
                .filter(|(out, _)| !out.cache)
                .map(|(_, path)| path),
        );
    }
    wanted.extend(project.find_files(&|path| {
        matches!(
            path.file_name(),
            Some("dvc.yaml" | "dvc.lock" | ".gitignore" | ".dvcignore" | "ketch.toml")
        ) || path.extension() == Some("dvc")
    })?);
    wanted.extend(
        [".dvc/config", ".dvc/.gitignore", DOCUMENTS].map(|name| project.root().join(name)),
    );
    let git = project.git();
    let there: Vec<Utf8PathBuf> = wanted
        .into_iter()
        .filter(|path| path.starts_with(project.root()) && path.symlink_metadata().is_ok())
        .collect();
    let ignored = git.ignored(&there)?;
    let mut paths: Vec<Utf8PathBuf> = there
        .iter()
        .filter(|path| !ignored.contains(path.as_path()))
        .map(|path| project.shown(path))
        .collect();
    // What changed or vanished otherwise, as `git commit --all` would take it.
    let top = crate::project::canonical(&git.top_level()?)?;
    for changed in git.changed_files()? {
        if let Ok(below) = top.join(changed).strip_prefix(project.root()) {
            paths.push(below.to_owned());
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}
