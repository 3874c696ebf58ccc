//! Where imported data goes, and the `.dvc` file beside it.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::{Reporter, write_atomically};

use super::{ImportError, OnExisting};
use crate::add::is_pointer;
use crate::content::restore;
use crate::paths::{join, overlap, read_if_there, relative, remove};
use crate::stage::Index;
use crate::trash::{keep_unsaved, move_there};
use crate::{Project, ProjectError, gitignore};

/// A place in the project that may take an import.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    /// The data, absolute.
    pub(super) path: Utf8PathBuf,
    /// Its name, as the `.dvc` file beside it calls it.
    pub(super) name: String,
    /// The `.dvc` file, absolute.
    pub(super) file: Utf8PathBuf,
}

/// The place that `out` names from `directory`: in it if it is a directory, with the name that the
/// data has where it comes from.
pub(super) fn named(directory: &Utf8Path, source: &str, out: Option<&Utf8Path>) -> Utf8PathBuf {
    let path = source.split_once("://").map_or(source, |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let tidy = join(Utf8Path::new("/"), path);
    let name = tidy.file_name().unwrap_or_default();
    match out {
        None => join(directory, name),
        Some(out) => {
            let out = join(directory, out);
            if out.is_dir() { out.join(name) } else { out }
        }
    }
}

/// Fails where something is, unless it may be replaced.
pub(super) fn refuse_existing(path: &Utf8Path, existing: OnExisting) -> Result<(), ProjectError> {
    if existing == OnExisting::Refuse && path.symlink_metadata().is_ok() {
        return Err(ImportError::Exists {
            path: path.to_owned(),
        }
        .into());
    }
    Ok(())
}

/// The folder that something goes into has to be there, and be a folder itself.
pub(super) fn refuse_folder(path: &Utf8Path) -> Result<(), ProjectError> {
    let folder = path.parent().unwrap_or(Utf8Path::new("/"));
    if !folder.is_dir() {
        return Err(ImportError::NoFolder {
            path: folder.to_owned(),
        }
        .into());
    }
    Ok(())
}

impl Destination {
    /// Checks everything that can be checked before anything is fetched.
    pub(super) fn check(
        project: &Project,
        path: &Utf8Path,
        existing: OnExisting,
    ) -> Result<Self, ProjectError> {
        let below = relative(project.root(), path)?;
        let path = project.root().join(&below);
        let internal = below
            .components()
            .any(|part| matches!(part.as_str(), ".git" | ".dvc" | ".ketch"));
        if internal {
            return Err(ProjectError::OwnedByStage {
                path: below,
                owner: "the project itself".to_owned(),
            });
        }
        if is_pointer(&path) {
            return Err(ProjectError::PointerAsData { path: below });
        }
        refuse_folder(&path)?;
        let folder = path.parent().unwrap_or(project.root());
        if crate::project::canonical(folder)? != folder {
            return Err(ImportError::LinkedFolder {
                path: project.shown(folder),
            }
            .into());
        }
        refuse_existing(&path, existing)?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let file = folder.join(format!("{name}.dvc"));
        let index = Index::load(project)?;
        for stage in &index.stages {
            if stage.outputs().any(|(_, out)| overlap(&out, &path)) {
                return Err(ProjectError::OwnedByStage {
                    path: below,
                    owner: stage.shown(),
                });
            }
        }
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
        if project.git().is_ignored(&file)? {
            return Err(ImportError::PointerIgnored {
                file: project.shown(&file),
            }
            .into());
        }
        Ok(Self { path, name, file })
    }

    /// Writes the `.dvc` file, and keeps the data out of Git. Returns what was written, relative to
    /// the root. What people wrote into a file that is there stays.
    pub(super) fn record(
        &self,
        project: &Project,
        content: DvcFile,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let ignored = gitignore::ignore(project, &self.path)?;
        self.write(project, content, ignored.as_deref())
    }

    /// [`record`](Self::record) beside another file that was written, or of data that is not here:
    /// of that Git has nothing to overlook.
    pub(super) fn write(
        &self,
        project: &Project,
        mut content: DvcFile,
        other: Option<&Utf8Path>,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let text = match read_if_there(&self.file)? {
            None => content.to_text(),
            Some(before) => {
                let known = DvcFile::parse(&before, project.shown(&self.file).as_str())?;
                content.desc = known.desc;
                content.meta = known.meta;
                for out in &mut content.outs {
                    if let Some(old) = known.outs.iter().find(|old| old.path == out.path) {
                        keep_words(out, old);
                    }
                }
                content.update_text(&before)
            }
        };
        write_atomically(&self.file, text.as_bytes())?;
        let mut changed: Vec<_> = other
            .into_iter()
            .chain([self.file.as_path()])
            .map(|file| project.shown(file))
            .collect();
        changed.sort();
        if project.autostage() {
            project.git().add(&changed)?;
        }
        Ok(changed)
    }

    /// Makes the data what `entry` records. What is there and saved nowhere goes to the trash
    /// first; returns what did.
    pub(super) fn lay_out(
        &self,
        project: &Project,
        entry: &OutputEntry,
        trash: &str,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let trashed = self.clear(project, entry, trash, reporter)?;
        restore(project, &self.path, entry, reporter)?;
        Ok(trashed)
    }

    /// Takes away what is there, by way of the trash, unless it can be made into the new content.
    fn clear(
        &self,
        project: &Project,
        entry: &OutputEntry,
        trash: &str,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let Ok(metadata) = self.path.symlink_metadata() else {
            return Ok(Vec::new());
        };
        let directory = entry
            .md5
            .as_ref()
            .is_some_and(ketch_dvc::ObjectId::is_directory);
        if metadata.is_dir() && !directory {
            return Ok(vec![move_there(project, trash, &self.path)?]);
        }
        keep_unsaved(project, trash, &self.path, reporter)
    }

    /// Takes the data away: what is recorded now has not been fetched.
    pub(super) fn take_away(
        &self,
        project: &Project,
        trash: &str,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let trashed = keep_unsaved(project, trash, &self.path, reporter)?;
        remove(&self.path)?;
        Ok(trashed)
    }
}

fn keep_words(out: &mut OutputEntry, old: &OutputEntry) {
    out.desc.clone_from(&old.desc);
    out.type_name.clone_from(&old.type_name);
    out.labels.clone_from(&old.labels);
    out.meta.clone_from(&old.meta);
    out.remote.clone_from(&old.remote);
    out.push = old.push;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_keeps_its_name() {
        let place = |source: &str| named("/here".into(), source, None).into_string();
        assert_eq!(place("a/b.csv"), "/here/b.csv");
        assert_eq!(place("../a/b/"), "/here/b");
        assert_eq!(place("https://h/a/b.csv?x=/y#z"), "/here/b.csv");
        assert_eq!(place("remote://name/a"), "/here/a");
        assert_eq!(place("s3://bucket/../../x"), "/here/x");
        let into = named("/here".into(), "a/b.csv", Some("/tmp".into()));
        assert_eq!(into, "/tmp/b.csv");
    }
}
