//! DVC's run cache: results by command, dependencies and parameters, under `runs/` in the cache.

use std::time::SystemTime;

use camino::Utf8PathBuf;
use ketch_dvc::{OutputKind, StageLock};
use ketch_store::{Durability, Reporter, write_atomically_with};

use crate::content::{is_cached, save_untouched};
use crate::stage::Stage;
use crate::{Project, ProjectError};

/// The newest recorded result for these inputs whose outputs the cache has, all of them.
pub(crate) fn find(
    project: &Project,
    stage: &Stage,
    now: &StageLock,
) -> Result<Option<StageLock>, ProjectError> {
    let Some(directory) = key_directory(project, stage, now) else {
        return Ok(None);
    };
    let listing = match fs_err::read_dir(&directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut entries: Vec<(SystemTime, std::path::PathBuf)> = Vec::new();
    for entry in listing {
        let entry = entry?;
        if let Ok(metadata) = entry.metadata()
            && metadata.is_file()
        {
            entries.push((metadata.modified()?, entry.path()));
        }
    }
    entries.sort();
    for (_, path) in entries.into_iter().rev() {
        // A damaged entry is worth no more than none.
        let Ok(text) = fs_err::read_to_string(&path) else {
            continue;
        };
        let Ok(result) = StageLock::parse(&text, &path.to_string_lossy()) else {
            continue;
        };
        if same_outputs(&result, now) && result.outs.iter().all(|out| is_cached(project, out)) {
            return Ok(Some(result));
        }
    }
    Ok(None)
}

/// Records a result, unless DVC would not.
pub(crate) fn record(
    project: &Project,
    stage: &Stage,
    result: &StageLock,
    reporter: &dyn Reporter,
) -> Result<(), ProjectError> {
    // Where a version is on some remote says nothing of the run.
    let mut result = result.clone();
    for entry in result.deps.iter_mut().chain(&mut result.outs) {
        (entry.files, entry.cloud) = (None, None);
    }
    let result = &result;
    // An output that is neither cached nor a small result cannot be restored.
    if stage
        .spec
        .outs
        .iter()
        .any(|out| !out.cache && out.kind == OutputKind::Data)
    {
        return Ok(());
    }
    let Some(directory) = key_directory(project, stage, result) else {
        return Ok(());
    };
    let Some(value) = result.run_cache_value() else {
        return Ok(());
    };
    for out in stage.spec.outs.iter().filter(|out| !out.cache) {
        save_untouched(project, &stage.resolve(&out.path), reporter)?;
    }
    let path = directory.join(value);
    if !path.exists() {
        // Losing it costs a run, nothing else.
        write_atomically_with(&path, result.to_text().as_bytes(), Durability::Buffered)?;
    }
    Ok(())
}

/// Where results for these inputs are; nowhere for a stage whose results are not to be reused.
fn key_directory(project: &Project, stage: &Stage, now: &StageLock) -> Option<Utf8PathBuf> {
    let spec = &stage.spec;
    let has_inputs = !now.deps.is_empty() || !now.params.is_empty();
    let reusable = has_inputs
        && !spec.outs.is_empty()
        && !spec.always_changed
        && now.deps.iter().all(|dependency| dependency.md5.is_some())
        && stage
            .outputs()
            .all(|(out, path)| !out.persist && path.starts_with(project.root()));
    if !reusable {
        return None;
    }
    let key = now.run_cache_key()?;
    let prefix = key.get(..2)?.to_owned();
    Some(project.cache().runs_directory().join(prefix).join(key))
}

fn same_outputs(result: &StageLock, now: &StageLock) -> bool {
    result.outs.len() == now.outs.len()
        && result
            .outs
            .iter()
            .all(|out| now.outs.iter().any(|wanted| wanted.path == out.path))
}
