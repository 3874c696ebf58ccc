//! Experiments: results of a pipeline that hang on a commit without being on a branch.
//!
//! An experiment is a commit on top of its baseline, under the reference
//! `refs/exps/<first 2 digits of the baseline>/<the others>/<name>`, where DVC keeps its own (see
//! `dvc/repo/experiments/refs.py` of DVC 3): each tool lists what the other ran.

mod apart;
mod error;
mod manage;
mod names;
mod override_params;
mod queue;
mod run;
mod share;
mod show;
mod sweep;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use error::ExperimentError;
pub use manage::{
    AppliedExperiment, BranchedExperiment, Removal, apply_experiment, branch_experiment,
    remove_experiments, rename_experiment,
};
pub use override_params::ParameterOverride;
pub use queue::{
    KilledTasks, OwnProgram, QueueOptions, QueueReporter, QueuedRun, Signal, StartedWorker,
    StoppedWorker, Task, TaskRemoval, TaskState, WorkerOptions, Workers, kill_tasks,
    queue_experiments, queue_tasks, queue_workers, remove_tasks, run_task, start_worker,
    stop_worker, task_arguments, task_log, work_off_queue,
};
pub use run::{
    ExperimentOptions, ExperimentPlace, ExperimentReport, OnExistingName, SaveOptions,
    run_experiment, save_experiment,
};
pub use share::{ExchangeOptions, ExchangedExperiments, Runs, pull_experiments, push_experiments};
pub use show::{
    ColumnKind, CommitTime, Executor, ExperimentRange, ExperimentState, ExperimentTable,
    FileValues, FirstColumns, HiddenExperiments, LocalExecutor, RowKind, ShowOptions,
    ShownDependency, ShownOutput, SortOrder, StateData, StateError, TableColumn, TableOptions,
    show_experiments,
};
pub(crate) use show::{file_values, told};
pub use sweep::parameter_sweep;

use crate::{CommitId, Project, ProjectError};

/// Where all of them are.
const NAMESPACE: &str = "refs/exps";
/// The experiment that was applied to the work tree last.
const APPLIED: &str = "refs/exps/exec/EXEC_APPLY";
/// What a work tree held before an experiment was applied to it.
const BEFORE_APPLYING: &str = "refs/exps/apply/stash";

/// One experiment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Experiment {
    pub name: String,
    /// The commit it began from.
    pub baseline: CommitId,
    /// Its own commit.
    pub commit: CommitId,
}

impl Experiment {
    /// The full name of its reference.
    pub fn reference(&self) -> String {
        reference(&self.baseline, &self.name)
    }
}

fn reference(baseline: &CommitId, name: &str) -> String {
    let (first, others) = baseline.as_str().split_at(2);
    format!("{NAMESPACE}/{first}/{others}/{name}")
}

/// The baseline and the name in a reference; none if it is no experiment's.
fn parse_reference(reference: &str) -> Option<(CommitId, &str)> {
    let mut steps = reference
        .strip_prefix(NAMESPACE)?
        .strip_prefix('/')?
        .splitn(3, '/');
    let (first, others, name) = (steps.next()?, steps.next()?, steps.next()?);
    if first.len() != 2 || name.contains('/') {
        return None;
    }
    Some((CommitId::from_hex(&format!("{first}{others}"))?, name))
}

/// Which experiments are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ExperimentChoice {
    /// Those on the commit that is checked out.
    #[default]
    OfHead,
    /// Those on these revisions and on so many commits each leads to by first parents, itself
    /// included; on all of them where there is no number.
    OfRevisions {
        revisions: Vec<String>,
        commits: Option<usize>,
    },
    /// Every one.
    All,
    /// These, by name or by full reference.
    Named(Vec<String>),
}

/// The experiments of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaselineExperiments {
    pub baseline: CommitId,
    /// The branch or tag it has: the branch that is checked out before others, tags before
    /// branches.
    pub label: Option<String>,
    pub experiments: Vec<Experiment>,
}

/// Lists experiments, here or in another repository (a name or URL of a Git remote), by baseline.
pub fn list_experiments(
    project: &Project,
    choice: &ExperimentChoice,
    git_remote: Option<&str>,
) -> Result<Vec<BaselineExperiments>, ProjectError> {
    let chosen = choose(project, &known(project, git_remote)?, choice)?;
    let labels = labels(project)?;
    let mut listed: Vec<BaselineExperiments> = Vec::new();
    for experiment in chosen {
        match listed
            .iter_mut()
            .find(|one| one.baseline == experiment.baseline)
        {
            Some(one) => one.experiments.push(experiment),
            None => listed.push(BaselineExperiments {
                label: labels.get(experiment.baseline.as_str()).cloned(),
                baseline: experiment.baseline.clone(),
                experiments: vec![experiment],
            }),
        }
    }
    Ok(listed)
}

/// All that there are, by reference.
fn known(project: &Project, git_remote: Option<&str>) -> Result<Vec<Experiment>, ProjectError> {
    let git = project.git();
    let listed = match git_remote {
        None => git.run(&[
            "for-each-ref",
            "--format=%(objectname) %(refname)",
            NAMESPACE,
        ])?,
        Some(remote) => git
            .run(&["ls-remote", "--end-of-options", remote, "refs/exps/*"])?
            .replace('\t', " "),
    };
    let experiments = listed.lines().filter_map(|line| {
        let (commit, reference) = line.split_once(' ')?;
        let (baseline, name) = parse_reference(reference)?;
        Some(Experiment {
            name: name.to_owned(),
            baseline,
            commit: CommitId::from_hex(commit)?,
        })
    });
    Ok(experiments.collect())
}

fn choose(
    project: &Project,
    known: &[Experiment],
    choice: &ExperimentChoice,
) -> Result<Vec<Experiment>, ProjectError> {
    let baselines = match choice {
        ExperimentChoice::All => return Ok(known.to_vec()),
        ExperimentChoice::Named(names) => {
            let mut chosen = Vec::new();
            for name in names {
                let experiment = find(project, known, name)?;
                if !chosen.contains(&experiment) {
                    chosen.push(experiment);
                }
            }
            return Ok(chosen);
        }
        ExperimentChoice::OfHead => match project.git().head()? {
            Some(head) => BTreeSet::from([head.as_str().to_owned()]),
            None => BTreeSet::new(),
        },
        ExperimentChoice::OfRevisions { revisions, commits } => {
            let mut baselines = BTreeSet::new();
            for revision in revisions {
                let commit = project.git().resolve(revision)?;
                let most = commits.map(|most| format!("--max-count={most}"));
                let mut arguments = vec!["rev-list", "--first-parent"];
                arguments.extend(most.as_deref());
                arguments.push(commit.as_str());
                baselines.extend(project.git().run(&arguments)?.lines().map(str::to_owned));
            }
            baselines
        }
    };
    let of_these = |one: &&Experiment| baselines.contains(one.baseline.as_str());
    Ok(known.iter().filter(of_these).cloned().collect())
}

/// The one that is called so; of several, that of the commit that is checked out.
fn find(project: &Project, known: &[Experiment], name: &str) -> Result<Experiment, ProjectError> {
    if let Some((baseline, name)) = parse_reference(name)
        && let Some(found) = known
            .iter()
            .find(|one| one.name == name && one.baseline == baseline)
    {
        return Ok(found.clone());
    }
    let named: Vec<&Experiment> = known.iter().filter(|one| one.name == name).collect();
    match named[..] {
        [] => Err(error::unknown(name, known).into()),
        [only] => Ok(only.clone()),
        _ => {
            let head = project.git().head()?;
            let of_head = named
                .iter()
                .find(|one| Some(&one.baseline) == head.as_ref());
            of_head.map(|one| (*one).clone()).ok_or_else(|| {
                ExperimentError::Ambiguous {
                    name: name.to_owned(),
                    references: named.iter().map(|one| one.reference()).collect(),
                }
                .into()
            })
        }
    }
}

/// What `clean_experiments` removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CleanedExperiments {
    /// Work trees that killed runs left behind.
    pub worktrees: usize,
    /// Files in `.ketch/queue` of tasks that are no more.
    pub files: usize,
}

/// Removes what runs of experiments left behind; experiments and tasks stay.
pub fn clean_experiments(project: &Project) -> Result<CleanedExperiments, ProjectError> {
    Ok(CleanedExperiments {
        worktrees: apart::clear_leftovers(project)?,
        files: queue::clear_files(project)?,
    })
}

/// The commit of a revision or, where it is none, of the experiment of that name.
pub(crate) fn resolve_revision(project: &Project, name: &str) -> Result<CommitId, ProjectError> {
    let unknown = match project.git().resolve(name) {
        Err(error @ ProjectError::UnknownRevision { .. }) => error,
        resolved => return resolved,
    };
    match find(project, &known(project, None)?, name) {
        Ok(experiment) => Ok(experiment.commit),
        Err(ProjectError::Experiment(ExperimentError::Unknown {
            suggestion: None, ..
        })) => Err(unknown),
        Err(error) => Err(error),
    }
}

/// The branch or tag of each commit that has one.
fn labels(project: &Project) -> Result<BTreeMap<String, String>, ProjectError> {
    let git = project.git();
    let listed = git.run(&[
        "for-each-ref",
        "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(HEAD) %(refname)",
        "refs/heads",
        "refs/tags",
    ])?;
    let mut labels = BTreeMap::new();
    let mut ranks = BTreeMap::new();
    for line in listed.lines() {
        let Some((commit, rest)) = line.split_once(' ') else {
            continue;
        };
        // The mark of the branch that is checked out is a `*`, of others a space.
        let (is_current, reference) = (rest.starts_with('*'), rest.get(2..).unwrap_or_default());
        let (rank, label) = match reference.strip_prefix("refs/heads/") {
            Some(branch) if is_current => (0, branch),
            Some(branch) => (2, branch),
            None => (1, reference.trim_start_matches("refs/tags/")),
        };
        let best = ranks.entry(commit.to_owned()).or_insert(usize::MAX);
        if rank < *best {
            *best = rank;
            labels.insert(commit.to_owned(), label.to_owned());
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_says_baseline_and_name() {
        let baseline = CommitId::from_hex(&"0a1b2".repeat(8)).unwrap();
        let written = reference(&baseline, "wide-net");
        assert_eq!(
            written,
            "refs/exps/0a/1b20a1b20a1b20a1b20a1b20a1b20a1b20a1b2/wide-net"
        );
        assert_eq!(parse_reference(&written), Some((baseline, "wide-net")));
        for other in [
            "refs/exps/exec/EXEC_APPLY",
            "refs/exps/apply/stash",
            "refs/exps/celery/failed",
            "refs/exps/stash",
            "refs/heads/main",
            "refs/exps/0a/1b2/short",
        ] {
            assert_eq!(parse_reference(other), None, "{other}");
        }
    }
}
