//! Experiments sent to others and got from them: references through Git, data through a remote.

use ketch_store::Reporter;
use serde::Serialize;

use super::{Experiment, ExperimentChoice, choose, known};
use crate::git::PushedRef;
use crate::{
    OnExistingName, Project, ProjectError, RemoteChoice, TransferSelection, fetch, fetch_runs,
    push, push_runs,
};

/// What to exchange, and with whom.
#[derive(Debug, Clone, Default)]
pub struct ExchangeOptions {
    /// A Git remote or the URL of a repository.
    pub git_remote: String,
    pub choice: ExperimentChoice,
    /// What to do where the other side has another experiment of that name on that commit.
    pub existing: OnExistingName,
    /// The remote that data comes from or goes to; no data is moved where there is none.
    pub data: Option<RemoteChoice>,
    /// Whether results of earlier runs are moved with the data.
    pub runs: Runs,
}

/// What becomes of results of earlier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runs {
    #[default]
    Stay,
    Move,
}

/// What was exchanged.
#[derive(Debug, Default, Serialize)]
pub struct ExchangedExperiments {
    /// Those that the receiving side has now and did not have before.
    pub moved: Vec<Experiment>,
    pub up_to_date: Vec<Experiment>,
    /// Those that the receiving side has otherwise.
    pub diverged: Vec<Experiment>,
    /// How many objects of data were moved.
    pub objects: usize,
}

/// Sends experiments to a Git remote, and their data to a remote for data.
pub fn push_experiments(
    project: &Project,
    options: &ExchangeOptions,
    reporter: &dyn Reporter,
) -> Result<ExchangedExperiments, ProjectError> {
    let chosen = choose(project, &known(project, None)?, &options.choice)?;
    let mut report = ExchangedExperiments::default();
    // Data first: what the reference promises is there when others see it.
    if let Some(remote) = &options.data {
        report.objects = push(project, &data_of(&chosen, remote), reporter)?.objects();
        if options.runs == Runs::Move {
            push_runs(project, remote, reporter)?;
        }
    }
    let references: Vec<String> = chosen.iter().map(Experiment::reference).collect();
    let force = options.existing == OnExistingName::Replace;
    let answers = project
        .git()
        .push_refs(&options.git_remote, &references, force)?;
    for experiment in chosen {
        match answers.get(&experiment.reference()) {
            Some(PushedRef::Moved) => report.moved.push(experiment),
            Some(PushedRef::UpToDate) => report.up_to_date.push(experiment),
            Some(PushedRef::Rejected) | None => report.diverged.push(experiment),
        }
    }
    Ok(report)
}

/// Gets experiments from a Git remote, and their data from a remote for data.
pub fn pull_experiments(
    project: &Project,
    options: &ExchangeOptions,
    reporter: &dyn Reporter,
) -> Result<ExchangedExperiments, ProjectError> {
    let theirs = known(project, Some(&options.git_remote))?;
    let ours = known(project, None)?;
    let mut report = ExchangedExperiments::default();
    for experiment in choose(project, &theirs, &options.choice)? {
        let same_name = ours
            .iter()
            .find(|one| one.name == experiment.name && one.baseline == experiment.baseline);
        match same_name {
            Some(own) if own.commit == experiment.commit => report.up_to_date.push(experiment),
            Some(_) if options.existing == OnExistingName::Refuse => {
                report.diverged.push(experiment);
            }
            _ => report.moved.push(experiment),
        }
    }
    if !report.moved.is_empty() {
        let specs: Vec<String> = report
            .moved
            .iter()
            .map(|one| format!("+{0}:{0}", one.reference()))
            .collect();
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--end-of-options"];
        arguments.push(&options.git_remote);
        arguments.extend(specs.iter().map(String::as_str));
        project.git().run(&arguments)?;
    }
    if let Some(remote) = &options.data {
        if options.runs == Runs::Move {
            fetch_runs(project, remote, reporter)?;
        }
        let both = [report.moved.as_slice(), &report.up_to_date].concat();
        report.objects = fetch(project, &data_of(&both, remote), reporter)?.objects();
    }
    Ok(report)
}

fn data_of(experiments: &[Experiment], remote: &RemoteChoice) -> TransferSelection {
    TransferSelection {
        remote: remote.clone(),
        commits: Some(experiments.iter().map(|one| one.commit.clone()).collect()),
        ..TransferSelection::default()
    }
}
