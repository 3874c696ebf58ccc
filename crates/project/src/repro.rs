//! Bringing a pipeline up to date.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{OutputEntry, StageLock};
use ketch_store::{PathLock, RepoLock, Reporter, Silent, write_atomically};
use serde::Serialize;

use crate::change::{Change, Inspection, inspect};
use crate::command::{self, Surroundings};
use crate::content::{self, is_cached, restore, save_as};
use crate::graph::{StageGraph, wanted_stages};
use crate::stage::{Index, Stage, read_lock};
use crate::versioned::keep_versions;
use crate::{Project, ProjectError, gitignore, paths, run_cache};

/// What to bring up to date, and how.
#[derive(Debug, Clone, Default)]
pub struct ReproOptions {
    /// Stages, their outputs or `dvc.yaml` files; empty for all in the root's `dvc.yaml`.
    pub targets: Vec<String>,
    pub force: Force,
    pub mode: ReproMode,
    /// Variables added to the environment of the commands.
    pub environment: Vec<(String, String)>,
    /// Where the logs of the stages go; `.ketch/logs` if not given.
    pub logs: Option<Utf8PathBuf>,
}

/// Whether unchanged stages run too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Only what changed.
    #[default]
    No,
    /// Everything, without asking the run cache.
    Yes,
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReproMode {
    #[default]
    Run,
    /// Only says what would run and why.
    DryRun,
}

/// Receives what happens while a pipeline is brought up to date.
pub trait ReproReporter: Send + Sync {
    /// A stage is about to run.
    fn stage_started(&self, _stage: &str, _changes: &[Change]) {}

    /// Its command wrote a line, to its standard output or error.
    fn stage_line(&self, _stage: &str, _line: &str) {}

    /// A stage is dealt with.
    fn stage_finished(&self, _result: &StageResult) {}

    /// Where progress of hashing and copying goes.
    fn files(&self) -> &dyn Reporter {
        &Silent
    }
}

impl ReproReporter for Silent {}

/// What happened, stage by stage, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReproReport {
    pub stages: Vec<StageResult>,
}

/// What happened to one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageResult {
    pub stage: String,
    pub outcome: StageOutcome,
    /// Why; empty for an unchanged stage.
    pub changes: Vec<Change>,
}

/// How a stage was dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOutcome {
    /// Nothing to do.
    Unchanged,
    /// Nothing to run; missing outputs came out of the cache.
    CheckedOut,
    /// The same was run before; its outputs came out of the cache.
    Restored,
    /// Its commands were run.
    Ran,
    /// Its commands would be run, or their results restored.
    WouldRun,
}

impl ReproReport {
    /// Whether any stage was run or restored, or would be.
    pub fn changed(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| stage.outcome != StageOutcome::Unchanged)
    }
}

/// Brings the wanted stages and all they need up to date, one after another.
///
/// A stage is recorded in `dvc.lock` only after its outputs are in the cache, so being killed at
/// any moment leaves nothing that would be believed. The project's lock is held but while commands
/// run, as DVC does.
pub fn repro(
    project: &Project,
    options: &ReproOptions,
    reporter: &dyn ReproReporter,
) -> Result<ReproReport, ProjectError> {
    let mut lock = match options.mode {
        ReproMode::Run => Some(project.lock()?),
        ReproMode::DryRun => None,
    };
    let index = Index::load(project)?;
    let graph = StageGraph::build(&index)?;
    let order = graph.order(&wanted_stages(project, &index, &options.targets)?);
    let mut report = ReproReport { stages: Vec::new() };
    for stage in order.iter().filter_map(|place| index.stages.get(*place)) {
        let work = Work {
            project,
            index: &index,
            stage,
            options,
            reporter,
        };
        let result = match options.mode {
            ReproMode::Run => work.bring_up_to_date(&mut lock)?,
            ReproMode::DryRun => work.look(&report)?,
        };
        reporter.stage_finished(&result);
        report.stages.push(result);
    }
    project.remember();
    Ok(report)
}

/// One stage and what is needed to deal with it.
struct Work<'a> {
    project: &'a Project,
    index: &'a Index,
    stage: &'a Stage,
    options: &'a ReproOptions,
    reporter: &'a dyn ReproReporter,
}

impl Work<'_> {
    fn look(&self, before: &ReproReport) -> Result<StageResult, ProjectError> {
        let mut changes = self.inspect()?.changes;
        for dependency in &self.stage.spec.deps {
            let path = self.stage.resolve(dependency);
            let upstream = before.stages.iter().filter(|result| {
                result.outcome == StageOutcome::WouldRun
                    && self.index.stages.iter().any(|stage| {
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

    fn bring_up_to_date(&self, lock: &mut Option<RepoLock>) -> Result<StageResult, ProjectError> {
        let _in_use = self.claim_paths()?;
        self.fetch_tracked_dependencies()?;
        let inspection = self.inspect()?;
        if inspection.changes.is_empty() {
            return self.keep(&inspection);
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
            paths::relative(self.project.root(), &path)?;
            self.refuse_wide_output(&out.path, &path)?;
            gitignore::refuse_tracked(self.project, &path)?;
        }
        if let Some(earlier) = self.earlier_result(&inspection)? {
            let result = StageLock {
                outs: earlier.outs,
                ..inspection.now
            };
            for out in &result.outs {
                restore(
                    self.project,
                    &self.stage.resolve(&out.path),
                    out,
                    self.files(),
                )?;
            }
            self.record(&result)?;
            return Ok(self.result(StageOutcome::Restored, inspection.changes));
        }
        self.reporter
            .stage_started(&self.stage.address, &inspection.changes);
        self.run(lock)?;
        let outs = self.collect_outputs()?;
        let result = StageLock {
            outs,
            ..inspection.now
        };
        run_cache::record(self.project, self.stage, &result, self.files())?;
        self.record(&result)?;
        Ok(self.result(StageOutcome::Ran, inspection.changes))
    }

    /// Keeps a run of the same or a neighbouring stage by somebody else away: the project's lock
    /// is free while commands run.
    fn claim_paths(&self) -> Result<PathLock, ProjectError> {
        let stage = self.stage;
        let read: Vec<Utf8PathBuf> = stage
            .spec
            .deps
            .iter()
            .map(|path| stage.resolve(path))
            .collect();
        let write: Vec<Utf8PathBuf> = stage.outputs().map(|(_, path)| path).collect();
        let command = format!("ketch repro {}", stage.address);
        let directory = self.project.root().join(".dvc");
        Ok(PathLock::acquire(&directory, &command, &read, &write)?)
    }

    fn inspect(&self) -> Result<Inspection, ProjectError> {
        let mut inspection = inspect(self.project, self.index, self.stage, self.files())?;
        if self.options.force == Force::Yes && !self.stage.spec.frozen {
            inspection.changes.push(Change::Forced);
        }
        Ok(inspection)
    }

    /// An unchanged stage: what is missing comes back, in the workspace and in the cache.
    fn keep(&self, inspection: &Inspection) -> Result<StageResult, ProjectError> {
        for out in &inspection.restorable {
            restore(
                self.project,
                &self.stage.resolve(&out.path),
                out,
                self.files(),
            )?;
        }
        for path in &inspection.unsaved {
            let place = self.stage.resolve(path);
            save_as(self.project, &place, self.known(path), self.files())?;
        }
        let outcome = if inspection.restorable.is_empty() {
            StageOutcome::Unchanged
        } else {
            StageOutcome::CheckedOut
        };
        Ok(self.result(outcome, Vec::new()))
    }

    /// Data of a `.dvc` file that is not there, but in the cache: a fresh clone or work tree.
    fn fetch_tracked_dependencies(&self) -> Result<(), ProjectError> {
        for dependency in &self.stage.spec.deps {
            let path = self.stage.resolve(dependency);
            let tracked = self
                .index
                .data
                .iter()
                .filter(|data| paths::overlap(&data.path, &path));
            for data in tracked {
                if data.path.symlink_metadata().is_err() && is_cached(self.project, &data.entry) {
                    restore(self.project, &data.path, &data.entry, self.files())?;
                }
            }
        }
        Ok(())
    }

    /// An output that holds `.dvc`, the pipeline itself or the like would delete it.
    fn refuse_wide_output(&self, shown: &str, path: &Utf8Path) -> Result<(), ProjectError> {
        let precious = [self.project.root().join(".dvc"), self.stage.file.clone()];
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
        if self.options.force == Force::Yes || self.stage.spec.always_changed {
            return Ok(None);
        }
        let only_outputs = inspection
            .changes
            .iter()
            .all(|change| matches!(change, Change::Output { .. }));
        if only_outputs
            && let Some(recorded) = self.index.recorded(self.stage)
            && self.stage.spec.outs.iter().all(|out| {
                recorded
                    .outs
                    .iter()
                    .any(|known| known.path == out.path && is_cached(self.project, known))
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
        run_cache::find(self.project, self.stage, &inspection.now)
    }

    fn run(&self, lock: &mut Option<RepoLock>) -> Result<(), ProjectError> {
        let stage = self.stage;
        if stage.spec.frozen {
            return Ok(());
        }
        for (out, path) in stage.outputs() {
            if !out.persist {
                paths::remove(&path)?;
            } else if path.exists() {
                // The command may write into it, which must not reach the cache.
                self.project.cache().unprotect(self.project.root(), &path)?;
            }
            // DVC leaves this to the command; a missing folder helps nobody.
            if let Some(parent) = path.parent() {
                fs_err::create_dir_all(parent)?;
            }
        }
        let logs = match &self.options.logs {
            Some(logs) => logs.clone(),
            None => self.project.state_dir()?.join("logs"),
        };
        let log = logs.join(format!("{}.log", stage.address.replace(['/', ':'], "-")));
        let surroundings = Surroundings {
            stage: &stage.address,
            directory: &stage.directory,
            root: self.project.root(),
            virtual_environment: self.project.virtual_environment(),
            variables: &self.options.environment,
            log: &log,
        };
        drop(lock.take());
        let ran = command::run(&stage.spec.commands_to_run(), &surroundings, &mut |line| {
            self.reporter.stage_line(&stage.address, line);
        });
        ran?;
        *lock = Some(self.project.lock()?);
        Ok(())
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
            } else if out.cache {
                save_as(self.project, &path, self.known(&out.path), self.files())?
            } else {
                let known = self.known(&out.path).and_then(|known| known.md5.as_ref());
                content::content_as(self.project, &path, known, self.files())?
                    .ok_or_else(missing)?
            };
            let mut entry = content.entry(&out.path);
            if let Some(known) = self.known(&out.path) {
                keep_versions(self.project, known, &mut entry)?;
            }
            entries.push(entry);
        }
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(entries)
    }

    /// What was recorded of an output.
    fn known(&self, path: &str) -> Option<&OutputEntry> {
        let recorded = self.index.recorded(self.stage)?;
        recorded.outs.iter().find(|known| known.path == path)
    }

    fn record(&self, result: &StageLock) -> Result<(), ProjectError> {
        let mut written = Vec::new();
        for (_, path) in self.stage.outputs().filter(|(out, _)| out.cache) {
            written.extend(gitignore::ignore(self.project, &path)?);
        }
        let path = self.stage.lock_path();
        // Somebody else may have written it while the command ran.
        let mut lock = read_lock(self.project, &path)?;
        lock.set_stage(&self.stage.name, result.clone());
        write_atomically(&path, lock.to_text().as_bytes())?;
        written.push(path);
        if self.project.autostage() {
            self.project.git().add(&written)?;
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
        self.reporter.files()
    }
}
