//! Reading what experiments were run with and what came out.

use camino::Utf8PathBuf;
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::yaml::Value;
use ketch_dvc::{OutputEntry, OutputKind};

use super::super::queue::{Task, TaskState, log_of, tasks_with};
use super::super::{Experiment, known, labels, resolve_revision};
use super::{
    CommitTime, Executor, ExperimentRange, ExperimentState, FileValues, ShowOptions,
    ShownDependency, ShownOutput, StateData, StateError,
};
use crate::snapshot::{Blobs, TieKind};
use crate::value_diff::state::State;
use crate::{CommitId, ComparedValues, Project, ProjectError, ValueDiffOptions};

/// The revision that is the work tree.
const WORKSPACE: &str = "workspace";

/// Reads the work tree, the chosen commits, and the experiments that began from them. Takes no lock
/// and changes nothing; before the first commit there is nothing.
///
/// What cannot be read is said where it is, and does not hinder the rest.
pub fn show_experiments(
    project: &Project,
    options: &ShowOptions,
) -> Result<Vec<ExperimentState>, ProjectError> {
    if project.git().head()?.is_none() {
        return Ok(Vec::new());
    }
    let baselines = baselines(project, options)?;
    let labels = if options.hidden.names {
        std::collections::BTreeMap::new()
    } else {
        labels(project)?
    };
    let mut experiments: IndexMap<CommitId, Vec<Experiment>> = IndexMap::new();
    let known = known(project, None)?;
    let tasks = tasks_with(project, &known)?;
    for experiment in known {
        let baseline = experiment.baseline.clone();
        experiments.entry(baseline).or_default().push(experiment);
    }
    let reader = Reader {
        project,
        options,
        blobs: Blobs::default(),
    };
    let mut states = Vec::new();
    if !options.hidden.workspace {
        states.push(reader.state(None, WORKSPACE, None));
    }
    for baseline in baselines {
        let name = labels.get(baseline.as_str()).cloned();
        let mut state = reader.state(Some(&baseline), baseline.as_str(), name);
        let waiting = |wanted: TaskState| {
            let tasks = tasks.iter();
            let tasks = tasks.filter(|task| task.state == wanted && task.baseline == baseline);
            newest_first(tasks.map(|task| reader.task(task)).collect())
        };
        let mut below = waiting(TaskState::Running);
        let done = experiments.get(&baseline).into_iter().flatten();
        below.extend(newest_first(
            done.map(|experiment| reader.experiment(experiment, &tasks))
                .collect(),
        ));
        if !options.hidden.queued {
            below.extend(waiting(TaskState::Queued));
        }
        if !options.hidden.failed {
            below.extend(waiting(TaskState::Failed));
        }
        state.experiments = (!below.is_empty()).then_some(below);
        states.push(state);
    }
    Ok(states)
}

/// The chosen commits, each once, in the order they were asked for.
fn baselines(project: &Project, options: &ShowOptions) -> Result<IndexSet<CommitId>, ProjectError> {
    let git = project.git();
    let mut revisions = options.revisions.clone();
    let is_open = !(options.all_branches || options.all_tags || options.all_commits);
    if revisions.is_empty() && is_open {
        revisions.push("HEAD".to_owned());
    }
    let mut commits = IndexSet::new();
    let mut add = |listed: &str| commits.extend(listed.lines().filter_map(CommitId::from_hex));
    let most = options.commits.map(|most| format!("--max-count={most}"));
    for revision in &revisions {
        let commit = resolve_revision(project, revision)?;
        let mut arguments = vec!["rev-list", "--first-parent"];
        arguments.extend(most.as_deref());
        arguments.push(commit.as_str());
        add(&git.run(&arguments)?);
    }
    let tips = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)";
    if options.all_branches {
        add(&git.run(&["for-each-ref", tips, "refs/heads"])?);
    }
    if options.all_tags {
        add(&git.run(&["for-each-ref", tips, "refs/tags"])?);
    }
    if options.all_commits {
        add(&git.run(&["rev-list", "--branches", "--tags", "--remotes", "HEAD"])?);
    }
    Ok(commits)
}

fn newest_first(mut ranges: Vec<ExperimentRange>) -> Vec<ExperimentRange> {
    ranges.sort_by_cached_key(|range| {
        let head = range.revs.first();
        let data = head.and_then(|head| head.data.as_ref());
        let time = data.and_then(|data| data.timestamp.as_ref());
        let key = time.map_or((0, ""), |time| {
            (time.seconds, head.map_or("", |head| &head.rev))
        });
        std::cmp::Reverse((key.0, key.1.to_owned()))
    });
    ranges
}

struct Reader<'p> {
    project: &'p Project,
    options: &'p ShowOptions,
    /// Most files are the same in most commits.
    blobs: Blobs,
}

impl Reader<'_> {
    /// One that did well.
    fn experiment(&self, experiment: &Experiment, tasks: &[Task]) -> ExperimentRange {
        let mut revs = Vec::new();
        let mut commit = Some(experiment.commit.clone());
        // One commit, but for the checkpoints of DVC 2.
        while let Some(id) = commit.filter(|id| *id != experiment.baseline) {
            let name = revs.is_empty().then(|| experiment.name.clone());
            revs.push(self.state(Some(&id), id.as_str(), name));
            let header = self.blobs.commit(self.project, &id);
            commit = header.ok().and_then(|header| header.parent);
        }
        let task = tasks
            .iter()
            .find(|task| task.state == TaskState::Success && task.name == experiment.name);
        ExperimentRange {
            revs,
            executor: task.map(|task| Executor::of(task, self.log(task))),
            name: Some(experiment.name.clone()),
        }
    }

    /// One that waits, runs or failed: there are no metrics yet.
    fn task(&self, task: &Task) -> ExperimentRange {
        let mut state = self.state(
            Some(&task.task),
            task.task.as_str(),
            Some(task.name.clone()),
        );
        if let Some(data) = &mut state.data {
            data.metrics.clear();
        }
        if task.state == TaskState::Failed {
            state.error = Some(StateError {
                msg: task.error.clone().unwrap_or_else(|| "it failed".to_owned()),
                kind: String::new(),
            });
        }
        ExperimentRange {
            revs: vec![state],
            executor: Some(Executor::of(task, self.log(task))),
            name: Some(task.name.clone()),
        }
    }

    fn log(&self, task: &Task) -> Option<Utf8PathBuf> {
        let log = log_of(self.project, task);
        log.exists().then_some(log)
    }

    fn state(&self, commit: Option<&CommitId>, rev: &str, name: Option<String>) -> ExperimentState {
        let (data, error) = match self.data(commit, rev) {
            Ok(data) => (Some(data), None),
            Err(error) => (None, Some(told(&error))),
        };
        ExperimentState {
            rev: rev.to_owned(),
            name,
            data,
            error,
            experiments: None,
        }
    }

    fn data(&self, commit: Option<&CommitId>, rev: &str) -> Result<StateData, ProjectError> {
        let state = State::open(self.project, commit, &self.blobs)?;
        let header = commit.map(|commit| self.blobs.commit(self.project, commit));
        let timestamp = header.transpose()?.map(|header| CommitTime {
            seconds: header.time,
            written: (self.options.written_time)(header.time),
        });
        let params = if self.options.only_stage_params {
            ComparedValues::ParamsOfStages
        } else {
            ComparedValues::Params
        };
        let mut data = StateData {
            rev: rev.to_owned(),
            timestamp,
            params: values(&state, params),
            metrics: values(&state, ComparedValues::Metrics),
            deps: IndexMap::new(),
            outs: IndexMap::new(),
            meta: IndexMap::new(),
        };
        for tie in state.snapshot.ties(&state.pipelines)? {
            let (size, nfiles) = (tie.entry.size, tie.entry.nfiles);
            let hash = hash(&tie.entry);
            match tie.kind {
                TieKind::Dependency => {
                    let shown = ShownDependency { hash, size, nfiles };
                    data.deps.insert(tie.path, shown);
                }
                TieKind::Output(OutputKind::Metric | OutputKind::Plot) => {}
                TieKind::Output(_) | TieKind::Data => {
                    let shown = ShownOutput {
                        hash,
                        size,
                        nfiles,
                        use_cache: tie.entry.cache,
                        is_data_source: tie.kind == TieKind::Data,
                    };
                    data.outs.insert(tie.path, shown);
                }
            }
        }
        Ok(data)
    }
}

fn values(state: &State<'_>, what: ComparedValues) -> IndexMap<Utf8PathBuf, FileValues> {
    let options = ValueDiffOptions {
        what,
        ..ValueDiffOptions::default()
    };
    file_values(state, &options)
}

/// What the wanted files say, or why that is not known.
pub(crate) fn file_values(
    state: &State<'_>,
    options: &ValueDiffOptions,
) -> IndexMap<Utf8PathBuf, FileValues> {
    let read = state.read_wanted(options).into_iter();
    let shown = |value: Result<Value, ProjectError>| match value {
        Ok(value) => FileValues::Read(value),
        Err(error) => FileValues::Unreadable(told(&error)),
    };
    read.map(|(file, value)| (file, shown(value))).collect()
}

/// Whatever tells one version from another.
fn hash(entry: &OutputEntry) -> Option<String> {
    let md5 = entry.md5.as_ref().map(ToString::to_string);
    md5.or_else(|| entry.etag.clone())
        .or_else(|| entry.checksum.clone())
}

/// As it is shown.
pub(crate) fn told(error: &ProjectError) -> StateError {
    let kind = match error {
        ProjectError::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            "FileNotFoundError"
        }
        ProjectError::Format(_) => "ParseError",
        _ => "DvcException",
    };
    StateError {
        msg: error.to_string(),
        kind: kind.to_owned(),
    }
}
