//! Imports brought up to date with where they come from, and data of a work tree on a remote.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::Reporter;
use serde::Serialize;

use super::destination::Destination;
use super::repository::Surroundings;
use super::repository_import::{dependency, output};
use super::source::Source;
use super::url_import::{send, unexecutable};
use super::url_settings::settings_of;
use super::url_source::UrlSource;
use super::url_state::same_state;
use super::worktree_update::{Recorder, stages_named, update_from_worktree, was_pushed};
use super::{ImportError, OnExisting, SourceSpec};
use crate::paths::join;
use crate::stage::{Index, Stage};
use crate::{CommitId, Project, ProjectError, RemoteChoice, TrackedData};

/// What to bring up to date.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// `.dvc` files or the data they record, `dvc.yaml` files, stages or their outputs, absolute or
    /// relative to the root; or directories, of which every import below is meant, and what was
    /// pushed to a remote that keeps versions.
    pub targets: Vec<Utf8PathBuf>,
    /// The revision that imports of repositories are at from now on.
    pub revision: Option<String>,
    pub to: UpdateDestination,
    /// Where relative addresses may begin besides the root, absolute.
    pub directory: Utf8PathBuf,
    pub transfer: RemoteChoice,
    /// The folder below `.ketch/trash` for what is overwritten and saved nowhere.
    pub trash: String,
}

/// What becomes of new data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateDestination {
    #[default]
    Workspace,
    /// Only the record of where it is from changes. The data there is now is taken away: it is not
    /// that any more.
    Nowhere,
    /// It goes to a remote of ours.
    Remote,
}

/// What was done. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct UpdateReport {
    pub updated: Vec<UpdatedImport>,
    /// `.dvc` files of imports that had nothing new.
    pub unchanged: Vec<Utf8PathBuf>,
    /// The outputs of targets that are no imports.
    pub data: Vec<DataUpdate>,
    /// What was overwritten, saved nowhere, and is in the trash now.
    pub trashed: Vec<Utf8PathBuf>,
}

/// What became of data that is no import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataUpdate {
    /// The `.dvc` file or `dvc.yaml`, relative to the root.
    pub file: Utf8PathBuf,
    pub path: Utf8PathBuf,
    /// The remote it was pushed to.
    pub remote: Option<String>,
    pub outcome: DataOutcome,
}

/// Whether it is newer now, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataOutcome {
    Updated,
    Unchanged,
    /// It was pushed to no remote that keeps versions.
    NeverPushed,
    /// There is nothing of it on the `worktree` remote that it was pushed to.
    NotThere,
}

/// An import that is newer now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdatedImport {
    /// The `.dvc` file.
    pub file: Utf8PathBuf,
    pub path: Utf8PathBuf,
    /// Where it comes from: a path in a repository, or a URL.
    pub source: String,
    /// The repository.
    pub url: Option<String>,
    /// The commits before and now, of a repository.
    pub from: Option<String>,
    pub revision: Option<CommitId>,
}

/// Holds imports against where they come from, and data that was pushed to a `worktree` remote
/// against what is there, and brings what is new.
///
/// One after the other: when one fails those before it are done.
pub fn update(
    project: &Project,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
) -> Result<UpdateReport, ProjectError> {
    let _lock = project.lock()?;
    let mut report = UpdateReport::default();
    let mut imports = Vec::new();
    let mut data = Vec::new();
    let mut stages: Vec<Stage> = Vec::new();
    for target in &options.targets {
        let found = find(project, target)?;
        imports.extend(found.imports);
        data.extend(found.data);
        for stage in found.stages {
            if stages.iter().all(|known| known.address != stage.address) {
                stages.push(stage);
            }
        }
    }
    imports.sort_by(|left, right| left.file.cmp(&right.file));
    imports.dedup_by(|left, right| left.file == right.file);
    for import in imports {
        let updated = match &import.dependency.repo {
            Some(_) => from_repository(project, &import, options, reporter, &mut report)?,
            None => from_url(project, &import, options, reporter, &mut report)?,
        };
        match updated {
            Some(updated) => report.updated.push(updated),
            None => report.unchanged.push(project.shown(&import.file)),
        }
    }
    data.sort();
    data.dedup();
    let data = data.into_iter().map(Recorder::Data);
    for recorder in data.chain(
        stages
            .into_iter()
            .map(|stage| Recorder::Stage(Box::new(stage))),
    ) {
        update_from_worktree(project, &recorder, options, reporter, &mut report)?;
    }
    project.remember();
    Ok(report)
}

/// A `.dvc` file that is an import.
#[derive(Debug, Clone)]
pub(super) struct Import {
    /// Absolute.
    pub(super) file: Utf8PathBuf,
    pub(super) content: DvcFile,
    pub(super) dependency: OutputEntry,
    /// The data, absolute, and what is recorded of it.
    pub(super) path: Utf8PathBuf,
    pub(super) entry: OutputEntry,
}

impl Import {
    /// None if the file is no import.
    pub(super) fn read(project: &Project, file: &Utf8Path) -> Result<Option<Self>, ProjectError> {
        let text = fs_err::read_to_string(file)?;
        let content = DvcFile::parse(&text, project.shown(file).as_str())?;
        let (Some(dependency), [entry]) = (content.deps.first(), &content.outs[..]) else {
            return Ok(None);
        };
        if content.deps.len() != 1 || dependency.db.is_some() || dependency.dataset.is_some() {
            return Ok(None);
        }
        let home = file.parent().unwrap_or(project.root());
        let base = content
            .wdir
            .as_ref()
            .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
        Ok(Some(Self {
            path: join(&base, &entry.path),
            file: file.to_owned(),
            dependency: dependency.clone(),
            entry: entry.clone(),
            content,
        }))
    }

    /// Whether it is of versions that can be had again; DVC pushes what is not, though of Google's
    /// files it always says which version it was.
    pub(super) fn has_versions(&self) -> bool {
        let dependency = &self.dependency;
        dependency.files.is_some() || dependency.version_id.is_some() && !self.entry.push
    }

    /// The folder that relative paths in it begin at.
    pub(super) fn folder(&self) -> &Utf8Path {
        let home = self.file.parent().unwrap_or(Utf8Path::new("/"));
        match self.path.parent() {
            Some(folder) if self.content.wdir.is_some() => folder,
            _ => home,
        }
    }

    fn destination(&self, project: &Project) -> Result<Destination, ProjectError> {
        let mut checked = Destination::check(project, &self.path, OnExisting::Replace)?;
        checked.file.clone_from(&self.file);
        checked.name.clone_from(&self.entry.path);
        Ok(checked)
    }

    fn updated(&self, project: &Project) -> UpdatedImport {
        UpdatedImport {
            file: project.shown(&self.file),
            path: project.shown(&self.path),
            source: self.dependency.path.clone(),
            url: None,
            from: None,
            revision: None,
        }
    }

    /// The file with another dependency and output, and a checksum that fits.
    pub(super) fn with(&self, dependency: OutputEntry, mut out: OutputEntry) -> DvcFile {
        out.remote.clone_from(&self.entry.remote);
        out.push = self.entry.push;
        let mut content = DvcFile {
            deps: vec![dependency],
            outs: vec![out],
            ..self.content.clone()
        };
        content.md5 = content.definition_checksum();
        content
    }
}

/// Whether the record of an import is another one than when it was made.
pub(crate) fn is_edited(project: &Project, data: &TrackedData) -> Result<bool, ProjectError> {
    if !data.is_import {
        return Ok(false);
    }
    let import = Import::read(project, &data.file)?;
    Ok(import.is_some_and(|import| import.content.md5 != import.content.definition_checksum()))
}

/// What a target stands for.
#[derive(Default)]
struct Found {
    imports: Vec<Import>,
    /// `.dvc` files of something else, absolute.
    data: Vec<Utf8PathBuf>,
    stages: Vec<Stage>,
}

fn find(project: &Project, target: &Utf8Path) -> Result<Found, ProjectError> {
    let place = join(project.root(), target);
    let pointer = Utf8PathBuf::from(format!("{place}.dvc"));
    let mut found = Found::default();
    if place.is_dir() && !pointer.is_file() {
        let index = Index::load(project)?;
        let made = |stage: &&Stage| stage.outputs().any(|(_, path)| path == place);
        if let Some(maker) = index.stages.iter().find(made) {
            found.stages.push(maker.clone());
            return Ok(found);
        }
        for data in index
            .data
            .iter()
            .filter(|data| data.file.starts_with(&place))
        {
            if data.is_import {
                found.imports.extend(Import::read(project, &data.file)?);
            } else if data.entry.cloud.is_some() || data.entry.files.is_some() {
                found.data.push(data.file.clone());
            }
        }
        let below = index.stages.iter();
        let below = below.filter(|stage| stage.file.starts_with(&place));
        let pushed = below.filter(|stage| was_pushed(&index, stage));
        found.stages.extend(pushed.cloned());
        return Ok(found);
    }
    let file = if place.extension() == Some("dvc") && place.is_file() {
        place.clone()
    } else {
        pointer
    };
    if !file.is_file() {
        let index = Index::load(project)?;
        found.stages = stages_named(&index, &place).into_iter().cloned().collect();
        if found.stages.is_empty() {
            return Err(index.unknown(project.shown(&place).as_str()));
        }
        return Ok(found);
    }
    match Import::read(project, &file)? {
        Some(import) => found.imports.push(import),
        None => found.data.push(file),
    }
    Ok(found)
}

pub(super) fn refuse(
    project: &Project,
    file: &Utf8Path,
    what: &'static str,
    option: &'static str,
) -> ProjectError {
    ImportError::Option {
        file: project.shown(file),
        what,
        option,
    }
    .into()
}

fn from_repository(
    project: &Project,
    import: &Import,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
    report: &mut UpdateReport,
) -> Result<Option<UpdatedImport>, ProjectError> {
    if options.to == UpdateDestination::Remote {
        return Err(refuse(
            project,
            &import.file,
            "a repository",
            "`--to-remote`",
        ));
    }
    let repo = import.dependency.repo.as_ref();
    let Some((mut spec, lock)) = repo.and_then(SourceSpec::of_value) else {
        return Err(ImportError::NotAnImport {
            file: project.shown(&import.file),
        }
        .into());
    };
    let before = spec.revision.clone();
    if let Some(revision) = &options.revision {
        spec.revision = Some(revision.clone());
    }
    let scratch = project.root().join(".dvc/tmp");
    let around = Surroundings {
        bases: &[&options.directory, project.root(), import.folder()],
        scratch: &scratch,
    };
    let mut source = Source::open(&spec, None, around, &options.transfer)?;
    let commit = source.repository.commit.clone();
    let same = lock.as_deref() == Some(commit.as_str()) && before == spec.revision;
    let whole = import.entry.md5.is_some() || options.to == UpdateDestination::Nowhere;
    if same && whole {
        return Ok(None);
    }
    let destination = import.destination(project)?;
    let path = import.dependency.path.clone();
    let picked = source.pick(&path, project.cache())?;
    let taken = match options.to {
        UpdateDestination::Workspace => Some(source.take(&picked, project.cache(), reporter)?),
        _ => None,
    };
    let content = import.with(
        dependency(&path, &spec, Some(&commit)),
        output(&destination.name, taken.as_ref()),
    );
    finish(project, &destination, content, options, reporter, report)?;
    Ok(Some(UpdatedImport {
        url: Some(spec.url),
        from: lock,
        revision: Some(commit),
        ..import.updated(project)
    }))
}

fn from_url(
    project: &Project,
    import: &Import,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
    report: &mut UpdateReport,
) -> Result<Option<UpdatedImport>, ProjectError> {
    let path = import.dependency.path.clone();
    let mut source = UrlSource::open(
        &path,
        &settings_of(import.dependency.fs_config.as_ref()),
        import.folder(),
        Some(project.root()),
        &options.transfer,
    )?;
    if import.has_versions() {
        source = source.with_versions();
    }
    if let Some(revision) = &options.revision {
        if import.dependency.version_id.is_none() {
            let what = match import.dependency.files {
                Some(_) => "a directory, whose files have versions of their own",
                None => "a URL of which no version is recorded",
            };
            return Err(refuse(project, &import.file, what, "`--rev`"));
        }
        source = source.at_version(revision);
    }
    let now = source.named_anew(source.state(&path, project.cache(), reporter)?);
    let whole = import.entry.md5.is_some() || options.to == UpdateDestination::Nowhere;
    if same_state(&now, &import.dependency) && whole {
        return Ok(None);
    }
    let destination = import.destination(project)?;
    let (dependency, out) = match options.to {
        UpdateDestination::Workspace => {
            let (dependency, content) = source.take(&path, project.cache(), reporter)?;
            (dependency, unexecutable(&content).entry(&destination.name))
        }
        UpdateDestination::Nowhere => (now, output(&destination.name, None)),
        UpdateDestination::Remote => {
            let (dependency, content) = send(project, &source, &path, &options.transfer, reporter)?;
            (dependency, unexecutable(&content).entry(&destination.name))
        }
    };
    let content = import.with(source.named_anew(dependency), out);
    finish(project, &destination, content, options, reporter, report)?;
    Ok(Some(import.updated(project)))
}

/// Writes the record, then makes the work tree what it says.
fn finish(
    project: &Project,
    destination: &Destination,
    content: DvcFile,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
    report: &mut UpdateReport,
) -> Result<(), ProjectError> {
    let entry = content.outs.first().cloned();
    destination.record(project, content)?;
    let trashed = match (entry, options.to) {
        (Some(entry), UpdateDestination::Workspace) => {
            destination.lay_out(project, &entry, &options.trash, reporter)?
        }
        _ => destination.take_away(project, &options.trash, reporter)?,
    };
    report.trashed.extend(trashed);
    Ok(())
}
