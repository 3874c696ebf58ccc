//! Several stages at once, each when all that it needs is done.
//!
//! One thread decides, looks, restores and records; commands run on threads of their own. So what
//! is recorded is as if the stages had run one after another, and the project's lock is held only
//! while something is looked at or recorded.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Scope, scope};

use ketch_dvc::OutputEntry;
use ketch_store::RepoLock;

use super::work::{Begun, Prepared, Work};
use super::{
    Force, OnFailure, ReproOptions, ReproReport, ReproReporter, StageOutcome, StageResult,
};
use crate::environment::Surveyor;
use crate::executor::{Executor, ExecutorError};
use crate::graph::StageGraph;
use crate::stage::{Index, Stage};
use crate::{Project, ProjectError};

/// All that is the same for every stage of a run.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) project: &'a Project,
    pub(super) index: &'a Index,
    pub(super) graph: &'a StageGraph,
    pub(super) options: &'a ReproOptions,
    /// Runs the commands.
    pub(super) executor: &'a dyn Executor,
    /// Finds out what stages run in, where that is recorded.
    pub(super) surveyor: Option<&'a Surveyor<'a>>,
    pub(super) reporter: &'a dyn ReproReporter,
}

/// What a stage is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
}

/// A command has come to its end.
struct Ended<'a> {
    step: usize,
    prepared: Box<Prepared<'a>>,
    result: Result<(), ProjectError>,
}

/// A run in progress.
struct Run<'a> {
    job: Job<'a>,
    /// Places in the index, in the order of the plan.
    steps: &'a [usize],
    /// The steps that each step needs, all before it.
    needs: Vec<Vec<usize>>,
    states: Vec<State>,
    results: Vec<Option<StageResult>>,
    /// Stages that run whatever they look like: something they need ran.
    forced: Vec<bool>,
    /// What stages made in this run, by place in the index.
    made: HashMap<usize, Vec<OutputEntry>>,
    failures: BTreeMap<String, ProjectError>,
    first_failure: Option<ProjectError>,
    running: usize,
    /// What of each resource is in use.
    used: BTreeMap<String, u64>,
}

impl<'a> Job<'a> {
    /// Says what would happen.
    pub(super) fn look(&self, steps: &[usize]) -> Result<ReproReport, ProjectError> {
        let mut report = ReproReport {
            stages: Vec::new(),
            failures: BTreeMap::new(),
            elsewhere: None,
            unknown_makers: None,
        };
        for stage in steps
            .iter()
            .filter_map(|place| self.index.stages.get(*place))
        {
            let result = self
                .work(stage, self.options.force == Force::Yes)
                .look(&report)?;
            self.reporter.stage_finished(&result);
            report.stages.push(result);
        }
        Ok(report)
    }

    pub(super) fn run(
        self,
        steps: &'a [usize],
        lock: &mut Option<RepoLock>,
    ) -> Result<ReproReport, ProjectError> {
        let mut run = Run {
            job: self,
            steps,
            needs: self.needs(steps),
            states: vec![State::Waiting; steps.len()],
            results: vec![None; steps.len()],
            forced: vec![self.options.force == Force::Yes; steps.len()],
            made: HashMap::new(),
            failures: BTreeMap::new(),
            first_failure: None,
            running: 0,
            used: BTreeMap::new(),
        };
        let driven = scope(|scope| run.drive(scope, lock));
        self.executor.close();
        driven?;
        let is_left = self.executor.is_stopped() && run.states.contains(&State::Waiting);
        match run.first_failure {
            Some(error) => Err(error),
            None if is_left => Err(ExecutorError::Interrupted.into()),
            None => Ok(ReproReport {
                stages: run.results.into_iter().flatten().collect(),
                failures: run.failures,
                elsewhere: None,
                unknown_makers: None,
            }),
        }
    }

    /// The steps of the plan that each one needs.
    fn needs(&self, steps: &[usize]) -> Vec<Vec<usize>> {
        let step_of: HashMap<usize, usize> = steps.iter().copied().zip(0..).collect();
        let needed = |place: &usize| {
            let needs = self.graph.needs(*place);
            needs
                .iter()
                .filter_map(|one| step_of.get(one).copied())
                .collect()
        };
        steps.iter().map(needed).collect()
    }

    fn work(&self, stage: &'a Stage, forced: bool) -> Work<'a> {
        Work {
            job: *self,
            stage,
            forced,
        }
    }

    fn jobs(&self) -> usize {
        let pipeline = &self.project.config().pipeline;
        let wanted = self.options.jobs.or(pipeline.jobs);
        wanted.map_or_else(|| self.executor.usual_jobs(), NonZeroUsize::get)
    }
}

impl<'a> Run<'a> {
    fn drive<'s>(
        &mut self,
        scope: &'s Scope<'s, '_>,
        lock: &mut Option<RepoLock>,
    ) -> Result<(), ProjectError>
    where
        'a: 's,
    {
        let (sender, ended) = channel();
        loop {
            while self.running < self.job.jobs()
                && let Some(step) = self.next()
            {
                self.begin(step, scope, &sender, lock)?;
            }
            if self.running == 0 {
                return Ok(());
            }
            // Commands may be DVC's or ours.
            drop(lock.take());
            let Ok(one) = ended.recv() else {
                return Ok(());
            };
            self.running -= 1;
            self.release(one.step);
            *lock = Some(self.job.project.lock_with_patience()?);
            self.end(one);
        }
    }

    /// The first stage of the plan that can begin.
    fn next(&self) -> Option<usize> {
        if self.first_failure.is_some() || self.job.executor.is_stopped() {
            return None;
        }
        (0..self.steps.len()).find(|step| {
            self.states.get(*step) == Some(&State::Waiting)
                && self.is_ready(*step)
                && self.has_room(*step)
        })
    }

    fn is_ready(&self, step: usize) -> bool {
        self.needs(step)
            .iter()
            .all(|needed| self.states.get(*needed) == Some(&State::Done))
    }

    fn needs(&self, step: usize) -> &[usize] {
        self.needs.get(step).map_or(&[], Vec::as_slice)
    }

    /// The steps that need a step, and those that need them.
    fn dependents(&self, step: usize) -> Vec<usize> {
        let mut found = vec![step];
        for later in step + 1..self.steps.len() {
            if self
                .needs(later)
                .iter()
                .any(|needed| found.contains(needed))
            {
                found.push(later);
            }
        }
        found.remove(0);
        found
    }

    fn begin<'s>(
        &mut self,
        step: usize,
        scope: &'s Scope<'s, '_>,
        sender: &Sender<Ended<'a>>,
        lock: &mut Option<RepoLock>,
    ) -> Result<(), ProjectError>
    where
        'a: 's,
    {
        let (Some(place), Some(forced)) = (self.steps.get(step), self.forced.get(step)) else {
            return Ok(());
        };
        let Some(stage) = self.job.index.stages.get(*place) else {
            return Ok(());
        };
        if lock.is_none() {
            *lock = Some(self.job.project.lock_with_patience()?);
        }
        let work = self.job.work(stage, *forced);
        let later = self.recorded_later(step);
        match work.begin(&self.made, &later, lock) {
            Ok(Begun::Done(result, outs)) => self.done(step, result, outs),
            Ok(Begun::Prepared(prepared)) => {
                self.set(step, State::Running);
                self.take(step);
                self.running += 1;
                let sender = sender.clone();
                let executor = self.job.executor;
                scope.spawn(move || {
                    let result = prepared.run(executor);
                    // Nobody listens only if the run is over.
                    _ = sender.send(Ended {
                        step,
                        prepared,
                        result,
                    });
                });
            }
            Err(error) => self.failed(step, stage, error),
        }
        Ok(())
    }

    fn end(&mut self, one: Ended<'a>) {
        let Ended {
            step,
            prepared,
            result,
        } = one;
        let stage = prepared.stage();
        let later = self.recorded_later(step);
        match result.and_then(|()| prepared.finish(&later)) {
            Ok((result, outs)) => self.done(step, result, outs),
            Err(error) => self.failed(step, stage, error),
        }
    }

    /// The stages of the same file that were recorded already, though their turn is later: where
    /// the record of this one belongs in front of.
    fn recorded_later(&self, step: usize) -> Vec<&'a str> {
        let place = |step: usize| self.job.index.stages.get(*self.steps.get(step)?);
        let Some(file) = place(step).map(|stage| &stage.file) else {
            return Vec::new();
        };
        let later = step + 1..self.steps.len();
        later
            .filter(|later| self.states.get(*later) == Some(&State::Done))
            .filter_map(place)
            .filter(|stage| stage.file == *file && self.job.index.recorded(stage).is_none())
            .map(|stage| stage.name.as_str())
            .collect()
    }

    fn done(&mut self, step: usize, result: StageResult, outs: Vec<OutputEntry>) {
        self.job.reporter.stage_finished(&result);
        let acted = matches!(result.outcome, StageOutcome::Ran | StageOutcome::Restored);
        if acted && self.job.options.force == Force::Downstream {
            for later in self.dependents(step) {
                if let Some(forced) = self.forced.get_mut(later) {
                    *forced = true;
                }
            }
        }
        if let Some(place) = self.steps.get(step) {
            self.made.insert(*place, outs);
        }
        self.set(step, State::Done);
        if let Some(slot) = self.results.get_mut(step) {
            *slot = Some(result);
        }
    }

    fn failed(&mut self, step: usize, stage: &Stage, error: ProjectError) {
        let on_failure = self.job.options.on_failure;
        self.settle(step, StageOutcome::Failed);
        if on_failure == OnFailure::Stop {
            // The first one says why; what failed after it only came to its end.
            self.first_failure.get_or_insert(error);
            return;
        }
        self.job.reporter.stage_failed(&stage.address, &error);
        self.failures.insert(stage.address.clone(), error);
        if on_failure == OnFailure::KeepGoing {
            for dependent in self.dependents(step) {
                self.settle(dependent, StageOutcome::Skipped);
            }
        }
    }

    /// Ends a step without a result.
    fn settle(&mut self, step: usize, outcome: StageOutcome) {
        self.set(step, State::Done);
        let stage = self
            .steps
            .get(step)
            .and_then(|place| self.job.index.stages.get(*place));
        if let (Some(slot), Some(stage)) = (self.results.get_mut(step), stage) {
            *slot = Some(StageResult {
                stage: stage.address.clone(),
                outcome,
                changes: Vec::new(),
            });
        }
    }

    fn set(&mut self, step: usize, state: State) {
        if let Some(slot) = self.states.get_mut(step) {
            *slot = state;
        }
    }

    /// What a step needs of the resources that `ketch.toml` counts.
    fn resources(&self, step: usize) -> impl Iterator<Item = (&'a str, u64)> {
        let pipeline = &self.job.project.config().pipeline;
        let stage = self
            .steps
            .get(step)
            .and_then(|place| self.job.index.stages.get(*place));
        let needs = stage.and_then(|stage| {
            let group = stage.spec.group.as_ref();
            let of_group = group.and_then(|group| pipeline.needs.get(group));
            pipeline.needs.get(&stage.address).or(of_group)
        });
        needs
            .into_iter()
            .flatten()
            .map(|(name, count)| (name.as_str(), *count))
    }

    fn has_room(&self, step: usize) -> bool {
        let limits = &self.job.project.config().pipeline.resources;
        self.resources(step).all(|(name, count)| {
            let used = self.used.get(name).copied().unwrap_or_default();
            // What asks for more than there is runs by itself.
            used == 0 || limits.get(name).is_none_or(|limit| used + count <= *limit)
        })
    }

    fn take(&mut self, step: usize) {
        for (name, count) in self.resources(step).collect::<Vec<_>>() {
            *self.used.entry(name.to_owned()).or_default() += count;
        }
    }

    fn release(&mut self, step: usize) {
        for (name, count) in self.resources(step).collect::<Vec<_>>() {
            if let Some(used) = self.used.get_mut(name) {
                *used = used.saturating_sub(count);
            }
        }
    }
}
