//! Tracking data with `.dvc` files.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, ObjectId};
use ketch_store::{Reporter, write_atomically};
use serde::Serialize;

use crate::content::save_as;
use crate::partial::keep_absent;
use crate::paths::{overlap, read_if_there, relative};
use crate::stage::Index;
use crate::{Project, ProjectError, gitignore};

/// What to track.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// Files and directories, absolute or relative to the project's root.
    pub targets: Vec<Utf8PathBuf>,
}

/// What is tracked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddReport {
    pub data: Vec<AddedData>,
    /// `.dvc` and `.gitignore` files that were written, for `git add`; relative to the root.
    pub changed_files: Vec<Utf8PathBuf>,
}

/// One file or directory that is tracked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddedData {
    /// Relative to the root.
    pub path: Utf8PathBuf,
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// How many files, of a directory.
    pub files: Option<u64>,
    /// How many of these files are neither here nor in the cache: the directory was pulled in
    /// part, and the rest of it stays recorded.
    pub absent: u64,
}

/// Puts data into the cache, keeps it out of Git and records it in `.dvc` files.
///
/// A `.dvc` file that is there keeps what people wrote into it. The data itself stays as it is, or
/// becomes links to the cache where `cache.type` says so.
pub fn add(
    project: &Project,
    options: &AddOptions,
    reporter: &dyn Reporter,
) -> Result<AddReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    // All are looked at before any is added.
    let targets = options
        .targets
        .iter()
        .map(|target| check(project, &index, target))
        .collect::<Result<Vec<_>, _>>()?;
    let mut report = AddReport {
        data: Vec::new(),
        changed_files: Vec::new(),
    };
    for path in targets {
        add_one(project, &path, reporter, &mut report)?;
    }
    project.remember();
    report.changed_files.sort();
    report.changed_files.dedup();
    if project.autostage() {
        project.git().add(&report.changed_files)?;
    }
    Ok(report)
}

fn add_one(
    project: &Project,
    path: &Utf8Path,
    reporter: &dyn Reporter,
    report: &mut AddReport,
) -> Result<(), ProjectError> {
    let file = pointer(path);
    let name = path.file_name().unwrap_or_default();
    let before = read_if_there(&file)?;
    let known = match &before {
        Some(text) => DvcFile::parse(text, project.shown(&file).as_str())?.outs,
        None => Vec::new(),
    };
    let known = known.into_iter().find(|out| out.path == name);
    let mut content = save_as(project, path, known.as_ref(), reporter)?;
    let mut absent = 0;
    if let Some(file) = gitignore::ignore(project, path)? {
        report.changed_files.push(project.shown(&file));
    }
    let text = match before {
        None => DvcFile {
            outs: vec![content.entry(name)],
            ..DvcFile::default()
        }
        .to_text(),
        Some(before) => {
            let mut known = DvcFile::parse(&before, project.shown(&file).as_str())?;
            match known.outs.iter_mut().find(|out| out.path == name) {
                Some(entry) => {
                    (content, absent) = keep_absent(project, path, entry, content)?;
                    content.record(entry);
                }
                None => known.outs = vec![content.entry(name)],
            }
            known.update_text(&before)
        }
    };
    write_atomically(&file, text.as_bytes())?;
    report.changed_files.push(project.shown(&file));
    report.data.push(AddedData {
        path: project.shown(path),
        id: content.id,
        size: content.size,
        files: content.files,
        absent,
    });
    Ok(())
}

/// The absolute path of a target that may be tracked.
fn check(project: &Project, index: &Index, target: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
    let below = relative(project.root(), target)?;
    let internal = below
        .components()
        .any(|part| matches!(part.as_str(), ".git" | ".dvc" | ".ketch"));
    if internal {
        return Err(ProjectError::OwnedByStage {
            path: below,
            owner: "the project itself".to_owned(),
        });
    }
    let path = project.root().join(&below);
    fs_err::metadata(&path)?;
    for stage in &index.stages {
        if stage.outputs().any(|(_, out)| overlap(&out, &path)) {
            return Err(ProjectError::OwnedByStage {
                path: below,
                owner: stage.shown(),
            });
        }
    }
    let file = pointer(&path);
    for data in &index.data {
        if data.file != file && overlap(&data.path, &path) {
            return Err(ProjectError::OverlappingOutputs {
                path: below,
                owner: format!("`{}`", project.shown(&file)),
                other: project.shown(&data.path),
                other_owner: format!("`{}`", project.shown(&data.file)),
            });
        }
    }
    gitignore::refuse_tracked(project, &path)?;
    Ok(path)
}

/// `data.csv` is recorded in `data.csv.dvc`.
fn pointer(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.dvc"))
}
