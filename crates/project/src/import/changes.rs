//! What imports wait for: other data where they come from.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Reporter, write_atomically};
use serde::Serialize;

use super::repository::{SourceRepository, Surroundings};
use super::update::Import;
use super::url_settings::settings_of;
use super::url_source::UrlSource;
use super::url_state::same_state;
use super::{ImportError, SourceSpec};
use crate::paths::{is_url, join, relative};
use crate::stage::Index;
use crate::{Project, ProjectError, RemoteChoice};

/// Which imports to hold against where they come from.
#[derive(Debug, Clone)]
pub struct ImportLookOptions {
    /// Data or `.dvc` files, relative to the root; empty for all.
    pub targets: Vec<String>,
    /// Where relative addresses may begin besides the root, absolute.
    pub directory: Utf8PathBuf,
    pub frozen: FrozenImports,
    pub transfer: RemoteChoice,
}

/// What to do with imports that are frozen, as all are when they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrozenImports {
    /// Those whose source keeps versions are looked at: repositories, and URLs of which versions are
    /// recorded. The others would have to be read.
    #[default]
    Versioned,
    Ignored,
    /// Every one is looked at, and read where nothing else tells.
    Read,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct ImportLook {
    /// In the order of the files.
    pub changes: Vec<ImportChange>,
    /// `.dvc` files of imports that could not be looked at, relative to the root, and why.
    pub failures: Vec<(Utf8PathBuf, ProjectError)>,
}

/// An import whose source is other than it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportChange {
    /// The `.dvc` file, relative to the root.
    pub file: Utf8PathBuf,
    pub state: SourceState,
    /// The path in the repository; a URL; a path relative to the root, or absolute outside of it.
    pub source: String,
    /// The repository.
    pub url: Option<String>,
    /// The commit that it is locked to.
    pub from: Option<String>,
    /// The commit that there is now.
    pub revision: Option<String>,
}

/// How a source differs from what was recorded of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// A newer commit, or a newer version of the file. Whether it has other bytes is not looked at.
    UpdateAvailable,
    Modified,
    Missing,
}

/// Asks where imports come from whether there is something else now, as DVC's `status` does.
///
/// Of a repository it is asked for a newer commit: whether the data itself is newer is not looked at.
pub fn import_changes(
    project: &Project,
    options: &ImportLookOptions,
    reporter: &dyn Reporter,
) -> Result<ImportLook, ProjectError> {
    let mut look = ImportLook::default();
    let index = Index::load(project)?;
    for import in imports(project, &index, &options.targets)? {
        match look_at(project, &import, options, reporter) {
            Ok(change) => look.changes.extend(change),
            Err(error) => look.failures.push((project.shown(&import.file), error)),
        }
    }
    Ok(look)
}

/// Writes down what the sources of imports are now, as if the data here had been made of that, as
/// DVC's `commit --force` does; the `.dvc` files that changed, relative to the root.
///
/// Imports of repositories and of recorded versions stay at what they are locked to.
pub fn record_sources(
    project: &Project,
    options: &ImportLookOptions,
    reporter: &dyn Reporter,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let mut changed = Vec::new();
    for import in imports(project, &index, &options.targets)? {
        if import.dependency.repo.is_some() || import.has_versions() {
            continue;
        }
        let source = open(project, &import, options)?;
        let now = source.state(&import.dependency.path, project.cache(), reporter)?;
        if same_state(&now, &import.dependency) {
            continue;
        }
        let before = fs_err::read_to_string(&import.file)?;
        let after = import.with(now, import.entry.clone()).update_text(&before);
        write_atomically(&import.file, after.as_bytes())?;
        changed.push(project.shown(&import.file));
    }
    if project.autostage() {
        project.git().add(&changed)?;
    }
    Ok(changed)
}

/// Those of these targets, or all.
fn imports(
    project: &Project,
    index: &Index,
    targets: &[String],
) -> Result<Vec<Import>, ProjectError> {
    let mut imports = Vec::new();
    for data in index.data.iter().filter(|data| data.is_import) {
        let file = project.shown(&data.file);
        let is_wanted =
            |target: &String| file == *target || data.path == join(project.root(), target);
        if targets.is_empty() || targets.iter().any(is_wanted) {
            imports.extend(Import::read(project, &data.file)?);
        }
    }
    Ok(imports)
}

fn open(
    project: &Project,
    import: &Import,
    options: &ImportLookOptions,
) -> Result<UrlSource, ProjectError> {
    UrlSource::open(
        &import.dependency.path,
        &settings_of(import.dependency.fs_config.as_ref()),
        import.folder(),
        Some(project.root()),
        &options.transfer,
    )
}

fn look_at(
    project: &Project,
    import: &Import,
    options: &ImportLookOptions,
    reporter: &dyn Reporter,
) -> Result<Option<ImportChange>, ProjectError> {
    let is_frozen = import.content.frozen;
    if is_frozen && options.frozen == FrozenImports::Ignored {
        return Ok(None);
    }
    let repo = import.dependency.repo.as_ref();
    if let Some((spec, lock)) = repo.and_then(SourceSpec::of_value) {
        return repository_change(project, import, spec, lock, &options.directory);
    }
    let path = &import.dependency.path;
    let source = open(project, import, options)?;
    if is_frozen && !source.has_versions() && options.frozen != FrozenImports::Read {
        return Ok(None);
    }
    let state = match source.state(path, project.cache(), reporter) {
        Ok(now) if same_state(&now, &import.dependency) => return Ok(None),
        Ok(_) if source.has_versions() && import.dependency.version_id.is_some() => {
            SourceState::UpdateAvailable
        }
        Ok(_) => SourceState::Modified,
        Err(ProjectError::Import(ImportError::NoData { .. })) => SourceState::Missing,
        Err(error) => return Err(error),
    };
    Ok(Some(ImportChange {
        file: project.shown(&import.file),
        state,
        source: shown_source(project, path, &source),
        url: None,
        from: None,
        revision: None,
    }))
}

fn repository_change(
    project: &Project,
    import: &Import,
    spec: SourceSpec,
    lock: Option<String>,
    directory: &Utf8Path,
) -> Result<Option<ImportChange>, ProjectError> {
    let home = import.file.parent().unwrap_or(project.root());
    let scratch = project.root().join(".dvc/tmp");
    let around = Surroundings {
        bases: &[directory, project.root(), home],
        scratch: &scratch,
    };
    let newest = SourceRepository::newest(&spec, around)?;
    let is_newest = lock.as_deref() == Some(newest.as_str());
    Ok((!is_newest).then(|| ImportChange {
        file: project.shown(&import.file),
        state: SourceState::UpdateAvailable,
        source: import.dependency.path.clone(),
        url: Some(spec.url),
        from: lock,
        revision: Some(newest.to_string()),
    }))
}

fn shown_source(project: &Project, path: &str, source: &UrlSource) -> String {
    match source.local().filter(|_| !is_url(path)) {
        Some(local) => relative(project.root(), local)
            .unwrap_or_else(|_| local.to_owned())
            .into_string(),
        None => super::address::shown(path),
    }
}
