//! Writing into the project's files which version is where.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{CloudVersion, DvcFile, OutputEntry, VersionedFile};
use ketch_store::write_atomically;

use crate::stage::{Index, Stage, read_lock};
use crate::transfer::outputs::Output;
use crate::{Project, ProjectError};

/// What is recorded of an output from now on.
pub(super) enum NewRecord<'o> {
    File(&'o Output, Option<CloudVersion>),
    Directory(&'o Output, Vec<VersionedFile>),
}

impl NewRecord<'_> {
    fn output(&self) -> &Output {
        match self {
            Self::File(output, _) | Self::Directory(output, _) => output,
        }
    }

    /// Whether the entry is another one now. What was recorded anew since the push began is left
    /// alone.
    fn apply(self, entry: &mut OutputEntry) -> Result<bool, ProjectError> {
        if entry.md5.as_ref() != Some(&self.output().id) {
            return Ok(false);
        }
        let before = entry.clone();
        match self {
            Self::File(_, version) => entry.set_cloud_version(version.as_ref()),
            Self::Directory(_, files) => entry.set_versioned_files(files)?,
        }
        Ok(*entry != before)
    }
}

/// Writes the records that are other ones than before. Returns the files, relative to the root.
pub(super) fn write_records(
    project: &Project,
    records: Vec<NewRecord<'_>>,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let index = Index::load(project)?;
    let mut changed = Vec::new();
    for record in records {
        let path = project.root().join(&record.output().path);
        let written = if let Some(data) = index.data.iter().find(|data| data.path == path) {
            write_data(project, &data.file, &data.entry.path, record)?
        } else if let Some(stage) = index.owner(&path) {
            write_stage(project, stage, &path, record)?
        } else {
            None
        };
        changed.extend(written);
    }
    changed.sort();
    changed.dedup();
    Ok(changed)
}

fn write_data(
    project: &Project,
    file: &Utf8Path,
    path: &str,
    record: NewRecord<'_>,
) -> Result<Option<Utf8PathBuf>, ProjectError> {
    let before = fs_err::read_to_string(file)?;
    let mut content = DvcFile::parse(&before, project.shown(file).as_str())?;
    let Some(entry) = content.outs.iter_mut().find(|out| out.path == path) else {
        return Ok(None);
    };
    if !record.apply(entry)? {
        return Ok(None);
    }
    write_atomically(file, content.update_text(&before).as_bytes())?;
    Ok(Some(project.shown(file)))
}

fn write_stage(
    project: &Project,
    stage: &Stage,
    path: &Utf8Path,
    record: NewRecord<'_>,
) -> Result<Option<Utf8PathBuf>, ProjectError> {
    let file = stage.lock_path();
    let mut lock = read_lock(project, &file)?;
    let Some(mut recorded) = lock.stages().get(&stage.name).cloned() else {
        return Ok(None);
    };
    let mut outs = recorded.outs.iter_mut();
    let Some(entry) = outs.find(|out| stage.resolve(&out.path) == path) else {
        return Ok(None);
    };
    if !record.apply(entry)? {
        return Ok(None);
    }
    lock.set_stage(&stage.name, recorded);
    write_atomically(&file, lock.to_text().as_bytes())?;
    Ok(Some(project.shown(&file)))
}
