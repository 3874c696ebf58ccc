//! One stage: looked at, restored, or run and recorded.

use std::collections::HashMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{OutputEntry, StageLock};
use ketch_store::{PathLock, RepoLock, Reporter, write_atomically};

use super::schedule::Job;
use super::{EarlierRuns, MissingData, ReproReport, Saving, StageOutcome, StageResult};
use crate::change::{Change, FileState, Inspection, inspect, shown};
use crate::content::{self, is_cached, restore, save_as};
use crate::environment::{Captured, Makers};
use crate::executor::{Executor, Task};
use crate::stage::{Stage, read_lock};
use crate::transfer::fetch;
use crate::versioned::keep_versions;
use crate::{ProjectError, TransferSelection, gitignore, paths, run_cache};

/// What stages made in this run, by place in the index.
type Made = HashMap<usize, Vec<OutputEntry>>;

/// One stage and what is needed to deal with it.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) job: Job<'a>,
    pub(super) stage: &'a Stage,
    pub(super) forced: bool,
}

/// How far a stage is.
pub(super) enum Begun<'a> {
    /// It is dealt with, and these are its outputs.
    Done(StageResult, Vec<OutputEntry>),
    /// Its commands have to run.
    Prepared(Box<Prepared<'a>>),
}

/// A stage whose outputs are out of the way, and nobody else's while it lasts.
pub(super) struct Prepared<'a> {
    work: Work<'a>,
    inspection: Inspection,
    log: Utf8PathBuf,
    /// What the commands run in.
    captured: Option<Arc<Captured>>,
    _in_use: PathLock,
}

impl<'a> Prepared<'a> {
    pub(super) fn stage(&self) -> &'a Stage {
        self.work.stage
    }

    /// Runs the commands, without any lock of the project.
    pub(super) fn run(&self, executor: &dyn Executor) -> Result<(), ProjectError> {
        let Work { job, stage, .. } = self.work;
        if stage.spec.frozen {
            return Ok(());
        }
        executor.run(&Task {
            project: job.project,
            index: job.index,
            stage,
            inputs: &self.inspection.now,
            variables: &job.options.environment,
            virtual_environment: job
                .options
                .virtual_environments
                .get(&stage.address)
                .cloned()
                .or_else(|| job.project.virtual_environment()),
            log: &self.log,
            reporter: job.reporter,
        })
    }

    /// Saves and records what the commands made: in front of the records of `later`.
    pub(super) fn finish(
        self,
        later: &[&str],
    ) -> Result<(StageResult, Vec<OutputEntry>), ProjectError> {
        let work = self.work;
        let outs = work.collect_outputs()?;
        let result = StageLock {
            outs,
            ..self.inspection.now
        };
        if work.job.options.saving == Saving::Saved {
            run_cache::record(work.job.project, work.stage, &result, work.files())?;
        }
        work.record(&result, later)?;
        if let Some(captured) = &self.captured {
            let made = [(work.stage, &result, &**captured)];
            Makers::record(work.job.project, work.job.index, &made)?;
        }
        let outs = result.outs;
        Ok((
            work.result(StageOutcome::Ran, self.inspection.changes),
            outs,
        ))
    }
}

impl<'a> Work<'a> {
    pub(super) fn look(&self, before: &ReproReport) -> Result<StageResult, ProjectError> {
        let mut changes = self.inspect()?.changes;
        for path in self.stage.local_deps() {
            let upstream = before.stages.iter().filter(|result| {
                result.outcome == StageOutcome::WouldRun
                    && self.job.index.stages.iter().any(|stage| {
                        stage.address == result.stage
                            && stage.outputs().any(|(_, out)| paths::overlap(&out, &path))
                    })
            });
            for result in upstream {
                let change = Change::Upstream {
                    stage: result.stage.clone(),
                };
                if !self.stage.spec.frozen && !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        let outcome = if changes.is_empty() {
            StageOutcome::Unchanged
        } else {
            StageOutcome::WouldRun
        };
        Ok(self.result(outcome, changes))
    }

    /// Does all that can be done without running anything; the outputs of a stage that has to run
    /// are removed. `made` is what other stages made before it, `later` whose records its own belongs
    /// in front of.
    pub(super) fn begin(
        self,
        made: &Made,
        later: &[&str],
        lock: &mut Option<RepoLock>,
    ) -> Result<Begun<'a>, ProjectError> {
        let mut in_use = None;
        if self.job.options.pull.is_some() {
            in_use = Some(self.claim_paths()?);
        } else {
            self.refuse_paths_in_use()?;
        }
        self.fetch_tracked_dependencies()?;
        let mut inspection = self.inspect()?;
        if inspection.is_settled() {
            return self.keep(&inspection);
        }
        let in_use = match in_use {
            Some(in_use) => in_use,
            None => self.claim_paths()?,
        };
        if self.is_only_missing(&inspection, made)
            && let Some(from) = &self.job.options.pull
            && self.pull(from, vec![self.stage.address.clone()], lock)?
        {
            inspection = self.inspect()?;
        }
        if self.job.options.missing == MissingData::Allowed
            && self.is_only_missing(&inspection, made)
        {
            inspection.changes.clear();
        }
        if inspection.changes.is_empty() {
            return self.keep(&inspection);
        }
        if let Some(from) = &self.job.options.pull {
            let absent = inspection.now.deps.iter().filter(|dep| dep.md5.is_none());
            let targets: Vec<String> = absent
                .map(|dep| shown(self.job.project, self.stage, &dep.path))
                .collect();
            if !targets.is_empty() && self.pull(from, targets, lock)? {
                self.fetch_tracked_dependencies()?;
                inspection = self.inspect()?;
            }
        }
        for dependency in &inspection.now.deps {
            if dependency.md5.is_none() && !self.stage.spec.frozen {
                return Err(ProjectError::MissingDependency {
                    stage: self.stage.shown(),
                    path: dependency.path.clone().into(),
                });
            }
        }
        for (out, path) in self.stage.outputs().filter(|(out, _)| out.cache) {
            paths::relative(self.job.project.root(), &path)?;
            self.refuse_wide_output(&out.path, &path)?;
            gitignore::refuse_tracked(self.job.project, &path)?;
        }
        if let Some(earlier) = self.earlier_result(&inspection)? {
            return self.restore_earlier(inspection, earlier, later);
        }
        if !self.job.reporter.may_run(&self.stage.address) {
            return Err(ProjectError::Declined {
                stage: self.stage.shown(),
            });
        }
        self.job
            .reporter
            .stage_started(&self.stage.address, &inspection.changes);
        let surveyor = self.job.surveyor.filter(|_| !self.stage.spec.frozen);
        let captured = surveyor
            .map(|surveyor| surveyor.of_stage(self.stage))
            .transpose()?;
        let log = self.prepare()?;
        Ok(Begun::Prepared(Box::new(Prepared {
            work: self,
            inspection,
            log,
            captured,
            _in_use: in_use,
        })))
    }

    fn restore_earlier(
        &self,
        inspection: Inspection,
        earlier: StageLock,
        later: &[&str],
    ) -> Result<Begun<'a>, ProjectError> {
        let result = StageLock {
            outs: earlier.outs,
            ..inspection.now
        };
        for out in &result.outs {
            let path = self.stage.resolve(&out.path);
            restore(self.job.project, &path, out, self.files())?;
        }
        self.record(&result, later)?;
        let outs = result.outs;
        Ok(Begun::Done(
            self.result(StageOutcome::Restored, inspection.changes),
            outs,
        ))
    }

    /// Whether nothing is amiss but data that is not here.
    fn is_only_missing(&self, inspection: &Inspection, made: &Made) -> bool {
        !inspection.changes.is_empty()
            && inspection.changes.iter().all(|change| match change {
                Change::Output { state, .. } => *state == FileState::Missing,
                Change::Dependency { path, state } => {
                    *state == FileState::Missing && self.is_as_recorded(path, made)
                }
                _ => false,
            })
    }

    /// Whether a dependency that is not here is recorded by who makes it as this stage used it.
    fn is_as_recorded(&self, path: &str, made: &Made) -> bool {
        let place = self.job.project.root().join(path);
        let used = self.job.index.recorded(self.stage).and_then(|recorded| {
            let mut deps = recorded.deps.iter();
            deps.find(|dep| self.stage.resolve(&dep.path) == place)
        });
        let used = used.and_then(|dep| dep.md5.as_ref());
        let of_stages = self.job.index.stages.iter().enumerate();
        let mut now = of_stages.flat_map(|(number, stage)| {
            let recorded = || {
                self.job
                    .index
                    .recorded(stage)
                    .map(|lock| lock.outs.as_slice())
            };
            let outs = made.get(&number).map(Vec::as_slice).or_else(recorded);
            let outs = outs.unwrap_or_default().iter();
            outs.filter(|out| stage.resolve(&out.path) == place)
                .map(|out| out.md5.as_ref())
                .collect::<Vec<_>>()
        });
        let mut data = self.job.index.data.iter();
        used.is_some()
            && now.all(|id| id == used)
            && data.all(|data| data.path != place || data.entry.md5.as_ref() == used)
    }

    /// Fetches what is recorded of targets; whether anything came.
    fn pull(
        &self,
        from: &TransferSelection,
        targets: Vec<String>,
        lock: &mut Option<RepoLock>,
    ) -> Result<bool, ProjectError> {
        let from = TransferSelection {
            targets,
            ..from.clone()
        };
        // It takes the lock itself.
        drop(lock.take());
        let fetched = fetch(self.job.project, &from, self.files());
        *lock = Some(self.job.project.lock_with_patience()?);
        match fetched {
            Ok(_) => Ok(true),
            // Nobody has it: the stage has to run.
            Err(ProjectError::UnknownTarget { .. } | ProjectError::NotRecorded { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Keeps a run of the same or a neighbouring stage by somebody else away: the project's lock
    /// is free while commands run.
    fn claim_paths(&self) -> Result<PathLock, ProjectError> {
        let (read, write) = self.paths();
        let command = format!("ketch repro {}", self.stage.address);
        let directory = self.job.project.root().join(".dvc");
        Ok(PathLock::acquire(&directory, &command, &read, &write)?)
    }

    /// The same for as long as the project's lock is held.
    fn refuse_paths_in_use(&self) -> Result<(), ProjectError> {
        let (read, write) = self.paths();
        let directory = self.job.project.root().join(".dvc");
        Ok(PathLock::refuse_in_use(&directory, &read, &write)?)
    }

    /// What it reads and what it writes.
    fn paths(&self) -> (Vec<Utf8PathBuf>, Vec<Utf8PathBuf>) {
        let write = self.stage.outputs().map(|(_, path)| path);
        (self.stage.local_deps().collect(), write.collect())
    }

    fn inspect(&self) -> Result<Inspection, ProjectError> {
        let mut inspection = inspect(self.job.project, self.job.index, self.stage, self.files())?;
        if self.forced && !self.stage.spec.frozen {
            inspection.changes.push(Change::Forced);
        }
        Ok(inspection)
    }

    /// An unchanged stage: what is missing comes back, in the workspace and in the cache.
    fn keep(&self, inspection: &Inspection) -> Result<Begun<'a>, ProjectError> {
        for out in &inspection.restorable {
            restore(
                self.job.project,
                &self.stage.resolve(&out.path),
                out,
                self.files(),
            )?;
        }
        let saved = self.job.options.saving == Saving::Saved;
        for path in inspection.unsaved.iter().filter(|_| saved) {
            let place = self.stage.resolve(path);
            save_as(self.job.project, &place, self.known(path), self.files())?;
        }
        let outcome = if inspection.restorable.is_empty() {
            StageOutcome::Unchanged
        } else {
            StageOutcome::CheckedOut
        };
        let outs = self.job.index.recorded(self.stage);
        let outs = outs.map(|recorded| recorded.outs.clone());
        Ok(Begun::Done(
            self.result(outcome, Vec::new()),
            outs.unwrap_or_default(),
        ))
    }

    /// Data of a `.dvc` file that is not there, but in the cache: a fresh clone or work tree.
    fn fetch_tracked_dependencies(&self) -> Result<(), ProjectError> {
        for path in self.stage.local_deps() {
            let tracked = self
                .job
                .index
                .data
                .iter()
                .filter(|data| paths::overlap(&data.path, &path));
            for data in tracked {
                if data.path.symlink_metadata().is_err() && is_cached(self.job.project, &data.entry)
                {
                    restore(self.job.project, &data.path, &data.entry, self.files())?;
                }
            }
        }
        Ok(())
    }

    /// An output that holds `.dvc`, the pipeline itself or the like would delete it.
    fn refuse_wide_output(&self, shown: &str, path: &Utf8Path) -> Result<(), ProjectError> {
        let precious = [
            self.job.project.root().join(".dvc"),
            self.stage.file.clone(),
        ];
        if self.stage.directory.starts_with(path)
            || precious.iter().any(|kept| paths::overlap(kept, path))
        {
            return Err(ProjectError::OwnedByStage {
                path: shown.into(),
                owner: "the project itself".to_owned(),
            });
        }
        Ok(())
    }

    /// The same inputs gave these outputs before, and the cache has them.
    fn earlier_result(&self, inspection: &Inspection) -> Result<Option<StageLock>, ProjectError> {
        if self.forced || self.stage.spec.always_changed {
            return Ok(None);
        }
        let only_outputs = inspection
            .changes
            .iter()
            .all(|change| matches!(change, Change::Output { .. }));
        if only_outputs
            && let Some(recorded) = self.job.index.recorded(self.stage)
            && self.stage.spec.outs.iter().all(|out| {
                recorded
                    .outs
                    .iter()
                    .any(|known| known.path == out.path && is_cached(self.job.project, known))
            })
        {
            let wanted = |known: &&OutputEntry| {
                self.stage
                    .spec
                    .outs
                    .iter()
                    .any(|out| out.path == known.path)
            };
            let outs = recorded.outs.iter().filter(wanted).cloned().collect();
            return Ok(Some(StageLock {
                outs,
                ..recorded.clone()
            }));
        }
        if self.job.options.earlier_runs == EarlierRuns::Ignored {
            return Ok(None);
        }
        run_cache::find(self.job.project, self.stage, &inspection.now)
    }

    /// Takes what the commands will make out of the way. Returns where their output is kept.
    fn prepare(&self) -> Result<Utf8PathBuf, ProjectError> {
        let stage = self.stage;
        let project = self.job.project;
        for (out, path) in stage.outputs().filter(|_| !stage.spec.frozen) {
            if !out.persist {
                paths::remove(&path)?;
            } else if path.exists() {
                // The command may write into it, which must not reach the cache.
                project.cache().unprotect(project.root(), &path)?;
            }
            // DVC leaves this to the command; a missing folder helps nobody.
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
        }
        let logs = match &self.job.options.logs {
            Some(logs) => logs.clone(),
            None => project.state_dir()?.join("logs"),
        };
        Ok(logs.join(format!("{}.log", stage.address.replace(['/', ':'], "-"))))
    }

    /// Every output hashed, those to be cached in the cache and kept out of Git.
    fn collect_outputs(&self) -> Result<Vec<OutputEntry>, ProjectError> {
        let mut entries = Vec::new();
        for (out, path) in self.stage.outputs() {
            let missing = || ProjectError::MissingOutput {
                stage: self.stage.shown(),
                path: out.path.clone().into(),
            };
            let content = if !path.exists() {
                return Err(missing());
            } else if out.cache && self.job.options.saving == Saving::Saved {
                save_as(self.job.project, &path, self.known(&out.path), self.files())?
            } else {
                let known = self.known(&out.path).and_then(|known| known.md5.as_ref());
                content::content_as(self.job.project, &path, known, self.files())?
                    .ok_or_else(missing)?
            };
            let mut entry = content.entry(&out.path);
            if let Some(known) = self.known(&out.path) {
                keep_versions(self.job.project, known, &mut entry)?;
            }
            entries.push(entry);
        }
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(entries)
    }

    /// What was recorded of an output.
    fn known(&self, path: &str) -> Option<&OutputEntry> {
        let recorded = self.job.index.recorded(self.stage)?;
        recorded.outs.iter().find(|known| known.path == path)
    }

    fn record(&self, result: &StageLock, later: &[&str]) -> Result<(), ProjectError> {
        let mut written = Vec::new();
        for (_, path) in self.stage.outputs().filter(|(out, _)| out.cache) {
            written.extend(gitignore::ignore(self.job.project, &path)?);
        }
        let path = self.stage.lock_path();
        // Somebody else may have written it while the command ran.
        let mut lock = read_lock(self.job.project, &path)?;
        lock.set_stage_before(&self.stage.name, result.clone(), later);
        write_atomically(&path, lock.to_text().as_bytes())?;
        written.push(path);
        if self.job.project.autostage() {
            self.job.project.git().add(&written)?;
        }
        Ok(())
    }

    fn result(&self, outcome: StageOutcome, changes: Vec<Change>) -> StageResult {
        StageResult {
            stage: self.stage.address.clone(),
            outcome,
            changes,
        }
    }

    fn files(&self) -> &dyn Reporter {
        self.job.reporter.files()
    }
}
