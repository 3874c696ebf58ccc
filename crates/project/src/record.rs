//! Recording what data is now, without running anything: `dvc commit`.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, OutputEntry, StageLock};
use ketch_store::{Reporter, write_atomically};
use serde::Serialize;

use crate::change::{Change, inspect};
use crate::content::{self, Content, is_cached, save_as, save_unlinked};
use crate::partial::keep_absent;
use crate::paths::join;
use crate::stage::{Index, Stage, TrackedData, answers_to, read_lock};
use crate::versioned::keep_versions;
use crate::{Project, ProjectError, gitignore, run_cache};

/// What to record.
#[derive(Debug, Clone, Default)]
pub struct RecordOptions {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub inputs: ChangedInputs,
}

/// What to do with a stage whose command, parameters or dependencies changed since it ran: its
/// outputs were not made by what would be recorded beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChangedInputs {
    #[default]
    Refuse,
    Record,
}

/// What becomes of data whose content was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordedData {
    /// It becomes links to the cache where `cache.type` says so.
    #[default]
    Linked,
    /// It stays as it is.
    Left,
}

impl RecordedData {
    fn save(
        self,
        project: &Project,
        path: &Utf8Path,
        known: Option<&OutputEntry>,
        reporter: &dyn Reporter,
    ) -> Result<Content, ProjectError> {
        match self {
            Self::Linked => save_as(project, path, known, reporter),
            Self::Left => save_unlinked(project, path, known, reporter),
        }
    }
}

/// What was recorded anew. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RecordReport {
    /// Outputs whose record changed, or that the cache did not have.
    pub recorded: Vec<Utf8PathBuf>,
    /// `.dvc`, `dvc.lock` and `.gitignore` files that were written, for `git add`.
    pub changed_files: Vec<Utf8PathBuf>,
}

/// Puts what tracked data and outputs are now into the cache, and records it.
///
/// Everything is looked at before anything is written. What is as recorded is left alone.
pub fn record(
    project: &Project,
    options: &RecordOptions,
    reporter: &dyn Reporter,
) -> Result<RecordReport, ProjectError> {
    record_as(project, options, RecordedData::Linked, reporter)
}

/// [`record`], and what becomes of the data.
pub fn record_as(
    project: &Project,
    options: &RecordOptions,
    what: RecordedData,
    reporter: &dyn Reporter,
) -> Result<RecordReport, ProjectError> {
    let _lock = project.lock()?;
    let index = Index::load(project)?;
    let mut report = RecordReport::default();
    let mut data = Vec::new();
    let mut stages = Vec::new();
    let mut known = vec![options.targets.is_empty(); options.targets.len()];
    let mut wanted = |matches: &dyn Fn(&str) -> bool| {
        let mut any = options.targets.is_empty();
        for (target, known) in options.targets.iter().zip(&mut known) {
            if matches(target) {
                *known = true;
                any = true;
            }
        }
        any
    };
    for tracked in &index.data {
        let file = project.shown(&tracked.file);
        if wanted(&|target| file == target || tracked.path == join(project.root(), target)) {
            data.push(tracked);
        }
    }
    for stage in &index.stages {
        let outs: Vec<_> = stage.outputs().map(|(_, path)| path).collect();
        if wanted(&|target| {
            answers_to(&stage.address, target) || outs.contains(&join(project.root(), target))
        }) {
            let inspection = inspect(project, &index, stage, reporter)?;
            refuse(stage, &inspection.changes, options.inputs)?;
            stages.push((stage, inspection.now));
        }
    }
    if let Some((target, _)) = options
        .targets
        .iter()
        .zip(&known)
        .find(|(_, known)| !**known)
    {
        return Err(index.unknown(target));
    }
    for tracked in data {
        record_data(project, tracked, what, reporter, &mut report)?;
    }
    for (stage, now) in stages {
        record_stage(project, &index, (stage, now), what, reporter, &mut report)?;
    }
    report.changed_files.sort();
    report.changed_files.dedup();
    if project.autostage() {
        project.git().add(&report.changed_files)?;
    }
    Ok(report)
}

/// A stage that never ran counts as changed too.
fn refuse(stage: &Stage, changes: &[Change], inputs: ChangedInputs) -> Result<(), ProjectError> {
    let changed = changes
        .iter()
        .find(|change| !matches!(change, Change::Output { .. } | Change::AlwaysChanged));
    match changed {
        Some(change) if inputs == ChangedInputs::Refuse => Err(ProjectError::InputsChanged {
            stage: stage.shown(),
            change: change.to_string(),
        }),
        _ => Ok(()),
    }
}

fn record_data(
    project: &Project,
    tracked: &TrackedData,
    what: RecordedData,
    reporter: &dyn Reporter,
    report: &mut RecordReport,
) -> Result<(), ProjectError> {
    let shown = project.shown(&tracked.path);
    crate::paths::relative(project.root(), &tracked.path)?;
    let known = tracked.entry.md5.as_ref();
    let Some(content) = content::content_as(project, &tracked.path, known, reporter)? else {
        return Err(ProjectError::MissingOutput {
            stage: format!("`{}`", project.shown(&tracked.file)),
            path: shown,
        });
    };
    let same = Some(&content.id) == tracked.entry.md5.as_ref();
    if same && (!tracked.entry.cache || is_cached(project, &tracked.entry)) {
        return Ok(());
    }
    let content = if tracked.entry.cache {
        gitignore::refuse_tracked(project, &tracked.path)?;
        let saved = what.save(project, &tracked.path, Some(&tracked.entry), reporter)?;
        keep_absent(project, &tracked.path, &tracked.entry, saved)?.0
    } else {
        content
    };
    let same = Some(&content.id) == tracked.entry.md5.as_ref();
    report.recorded.push(shown);
    if tracked.entry.cache
        && let Some(file) = gitignore::ignore(project, &tracked.path)?
    {
        report.changed_files.push(project.shown(&file));
    }
    if same {
        return Ok(());
    }
    let before = fs_err::read_to_string(&tracked.file)?;
    let mut file = DvcFile::parse(&before, project.shown(&tracked.file).as_str())?;
    let entry = file
        .outs
        .iter_mut()
        .find(|out| out.path == tracked.entry.path);
    if let Some(entry) = entry {
        content.record(entry);
        keep_versions(project, &tracked.entry, entry)?;
    }
    write_atomically(&tracked.file, file.update_text(&before).as_bytes())?;
    report.changed_files.push(project.shown(&tracked.file));
    Ok(())
}

fn record_stage(
    project: &Project,
    index: &Index,
    (stage, now): (&Stage, StageLock),
    what: RecordedData,
    reporter: &dyn Reporter,
    report: &mut RecordReport,
) -> Result<(), ProjectError> {
    if let Some(absent) = now.deps.iter().find(|entry| entry.md5.is_none()) {
        return Err(ProjectError::MissingDependency {
            stage: stage.shown(),
            path: absent.path.clone().into(),
        });
    }
    let mut outs = Vec::new();
    for (out, path) in stage.outputs() {
        crate::paths::relative(project.root(), &path)?;
        let missing = || ProjectError::MissingOutput {
            stage: stage.shown(),
            path: out.path.clone().into(),
        };
        if !path.exists() {
            return Err(missing());
        }
        let known = index
            .recorded(stage)
            .and_then(|recorded| recorded.outs.iter().find(|known| known.path == out.path));
        let content = if out.cache {
            gitignore::refuse_tracked(project, &path)?;
            what.save(project, &path, known, reporter)?
        } else {
            let known = known.and_then(|known| known.md5.as_ref());
            content::content_as(project, &path, known, reporter)?.ok_or_else(missing)?
        };
        let mut entry = content.entry(&out.path);
        if let Some(known) = known {
            keep_versions(project, known, &mut entry)?;
        }
        outs.push(entry);
    }
    outs.sort_by(|left, right| left.path.cmp(&right.path));
    let result = StageLock { outs, ..now };
    let before = index.recorded(stage);
    if before == Some(&result) {
        return Ok(());
    }
    for out in &result.outs {
        let same = before.is_some_and(|before| before.outs.contains(out));
        if !same {
            report
                .recorded
                .push(project.shown(&stage.resolve(&out.path)));
        }
    }
    run_cache::record(project, stage, &result, reporter)?;
    for (_, path) in stage.outputs().filter(|(out, _)| out.cache) {
        if let Some(file) = gitignore::ignore(project, &path)? {
            report.changed_files.push(project.shown(&file));
        }
    }
    let path: &Utf8Path = &stage.lock_path();
    let mut lock = read_lock(project, path)?;
    lock.set_stage(&stage.name, result);
    write_atomically(path, lock.to_text().as_bytes())?;
    report.changed_files.push(project.shown(path));
    Ok(())
}
