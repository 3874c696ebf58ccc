//! Tracked data under another name.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::DvcFile;
use ketch_store::{Reporter, write_atomically};
use serde::Serialize;

use crate::add::is_pointer;
use crate::content::save;
use crate::partial::keep_absent;
use crate::stage::Index;
use crate::trash::move_file;
use crate::{Project, ProjectError, gitignore, paths};

/// What was moved. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveReport {
    pub from: Utf8PathBuf,
    pub to: Utf8PathBuf,
    /// `.dvc` and `.gitignore` files that were written or deleted, for `git add`.
    pub changed_files: Vec<Utf8PathBuf>,
}

/// Moves tracked data, its record and the line that keeps it out of Git; into `to` where that is
/// a directory. What the data is now is recorded; data that is not here moves by name alone. Both are relative to the root.
pub fn move_data(
    project: &Project,
    from: &Utf8Path,
    to: &Utf8Path,
    reporter: &dyn Reporter,
) -> Result<MoveReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let source = paths::join(project.root(), from);
    if let Some(stage) = index.owner(&source) {
        return Err(ProjectError::OwnedByStage {
            path: project.shown(&source),
            owner: stage.shown(),
        });
    }
    let data = index
        .data
        .iter()
        .find(|data| data.path == source)
        .ok_or_else(|| index.unknown(from.as_str()))?;
    let target = place(project, &index, &source, to)?;
    let before = fs_err::read_to_string(&data.file)?;
    let mut file = DvcFile::parse(&before, project.shown(&data.file).as_str())?;
    if !file.deps.is_empty() || file.outs.len() != 1 {
        return Err(ProjectError::ImportMoved {
            file: project.shown(&data.file),
        });
    }
    // What is not here can be checked out under its new name.
    let is_here = source.symlink_metadata().is_ok();
    gitignore::refuse_tracked(project, &target)?;

    let mut content = if is_here {
        Some(save(project, &source, reporter)?)
    } else {
        None
    };
    let new_file = Utf8PathBuf::from(format!("{target}.dvc"));
    if new_file.symlink_metadata().is_ok() {
        return Err(ProjectError::Occupied {
            path: project.shown(&new_file),
        });
    }
    for entry in &mut file.outs {
        if let Some(found) = content.take() {
            let (whole, _) = keep_absent(project, &source, entry, found)?;
            whole.record(entry);
        }
        target
            .file_name()
            .unwrap_or_default()
            .clone_into(&mut entry.path);
    }
    file.wdir = None;
    let mut changed = Vec::new();
    changed.extend(gitignore::ignore(project, &target)?);
    // The old record goes last: what is interrupted has one that can be checked out.
    write_atomically(&new_file, file.update_text(&before).as_bytes())?;
    if is_here {
        move_file(&source, &target)?;
    }
    paths::remove(&data.file)?;
    changed.extend(gitignore::unignore(project, &source)?);
    changed.extend([new_file, data.file.clone()]);
    let mut changed_files: Vec<_> = changed.iter().map(|path| project.shown(path)).collect();
    changed_files.sort();
    changed_files.dedup();
    if project.autostage() {
        project.git().run(&["add", "--update", "."])?;
        let there = |path: &&Utf8PathBuf| project.root().join(path).exists();
        project.git().add(
            &changed_files
                .iter()
                .filter(there)
                .cloned()
                .collect::<Vec<_>>(),
        )?;
    }
    Ok(MoveReport {
        from: project.shown(&source),
        to: project.shown(&target),
        changed_files,
    })
}

/// The absolute path that the data goes to, where nothing is.
fn place(
    project: &Project,
    index: &Index,
    source: &Utf8Path,
    to: &Utf8Path,
) -> Result<Utf8PathBuf, ProjectError> {
    let mut below = paths::relative(project.root(), to)?;
    if project.root().join(&below).is_dir() {
        below.push(source.file_name().unwrap_or_default());
    }
    let internal = below
        .components()
        .any(|part| matches!(part.as_str(), ".git" | ".dvc" | ".ketch"));
    let target = project.root().join(&below);
    if is_pointer(&target) {
        return Err(ProjectError::PointerAsData { path: below });
    }
    if internal || target.symlink_metadata().is_ok() || paths::overlap(&target, source) {
        return Err(ProjectError::Occupied { path: below });
    }
    let outputs = index
        .stages
        .iter()
        .flat_map(|stage| stage.outputs().map(|(_, path)| path))
        .chain(index.data.iter().map(|data| data.path.clone()));
    for other in outputs {
        if other != source && paths::overlap(&other, &target) {
            return Err(ProjectError::Occupied { path: below });
        }
    }
    Ok(target)
}
