//! What is done with experiments once they are there.

use camino::Utf8PathBuf;
use ketch_store::{Reporter, TemporaryFolder};
use serde::Serialize;

use super::run::{Busy, OnExistingName, checked_name};
use super::{
    APPLIED, BEFORE_APPLYING, Experiment, ExperimentChoice, ExperimentError, choose, error, find,
    known, reference,
};
use crate::project::state_directory;
use crate::trash::keep_unsaved;
use crate::{
    CheckoutOptions, CheckoutReport, CommitId, Overwrite, Project, ProjectError, checkout,
};

/// An experiment that the work tree has now.
#[derive(Debug, Serialize)]
pub struct AppliedExperiment {
    pub experiment: Experiment,
    /// A stash of what tracked files held before, if they differed from the commit that is checked
    /// out: `git stash apply` brings it back.
    pub before: Option<CommitId>,
    /// Untracked files that were in the way, relative to the root; they are in `trash` now.
    pub moved: Vec<Utf8PathBuf>,
    /// Where what was saved nowhere went, below the root.
    pub trash: Utf8PathBuf,
    pub data: CheckoutReport,
}

/// A branch made of an experiment.
#[derive(Debug, Serialize)]
pub struct BranchedExperiment {
    pub experiment: Experiment,
    pub branch: String,
}

/// Makes files and data of the work tree those of an experiment. The branch, what is staged, and
/// untracked files that the experiment does not have, stay; what is overwritten has a way back.
pub fn apply_experiment(
    project: &Project,
    name: &str,
    reporter: &dyn Reporter,
) -> Result<AppliedExperiment, ProjectError> {
    let _busy = Busy::begin(project)?;
    let git = project.git();
    let experiment = find_or_resolve(project, name)?;
    let before = git.stash(&format!("before {} was applied", experiment.name))?;
    if let Some(stash) = &before {
        git.update_ref_logged(BEFORE_APPLYING, stash, &experiment.name)?;
    }
    let trash = format!("exp-apply-{}", experiment.commit);
    let mut moved = Vec::new();
    for path in git.untracked_in_the_way(&experiment.commit)? {
        moved.extend(keep_unsaved(project, &trash, &path, reporter)?);
    }
    let scratch = TemporaryFolder::make_in(&state_directory(project.root())?)?;
    git.with_index(&scratch.path().join("index"))?
        .make_work_tree(&experiment.commit)?;
    // What is tracked may have changed with the files.
    let project = Project::open(project.root())?;
    let options = CheckoutOptions {
        overwrite: Overwrite::Force,
        trash: Some(trash.clone()),
        ..CheckoutOptions::default()
    };
    let data = checkout(&project, &options, reporter)?;
    git.update_ref(APPLIED, &experiment.commit)?;
    Ok(AppliedExperiment {
        experiment,
        before,
        moved,
        trash: Utf8PathBuf::from(".ketch/trash").join(trash),
        data,
    })
}

/// Makes a branch of an experiment, called `NAME-branch` if nothing else is wanted.
pub fn branch_experiment(
    project: &Project,
    name: &str,
    branch: Option<&str>,
) -> Result<BranchedExperiment, ProjectError> {
    let experiment = find_or_resolve(project, name)?;
    let branch = branch.map_or_else(|| format!("{}-branch", experiment.name), str::to_owned);
    let reference = format!("refs/heads/{branch}");
    if !project.git().create_ref(&reference, &experiment.commit)? {
        return Err(ExperimentError::BranchExists { name: branch }.into());
    }
    Ok(BranchedExperiment { experiment, branch })
}

/// Which of the chosen and the others goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Removal {
    /// The chosen ones.
    #[default]
    Chosen,
    /// All but the chosen ones.
    Others,
}

/// Removes experiments, here or from a Git remote, and says which. All are looked up first.
pub fn remove_experiments(
    project: &Project,
    choice: &ExperimentChoice,
    removal: Removal,
    git_remote: Option<&str>,
) -> Result<Vec<Experiment>, ProjectError> {
    let known = known(project, git_remote)?;
    let chosen = choose(project, &known, choice)?;
    let removed = match removal {
        Removal::Chosen => chosen,
        Removal::Others => known
            .into_iter()
            .filter(|one| !chosen.contains(one))
            .collect(),
    };
    let git = project.git();
    let references: Vec<String> = removed.iter().map(Experiment::reference).collect();
    match git_remote {
        None => {
            for reference in &references {
                git.delete_ref(reference)?;
            }
        }
        Some(_) if references.is_empty() => {}
        Some(remote) => {
            let mut arguments = vec!["push", "--quiet", "--delete", "--end-of-options", remote];
            arguments.extend(references.iter().map(String::as_str));
            git.run(&arguments)?;
        }
    }
    Ok(removed)
}

/// Gives an experiment another name.
pub fn rename_experiment(
    project: &Project,
    name: &str,
    new_name: &str,
    existing: OnExistingName,
) -> Result<Experiment, ProjectError> {
    let git = project.git();
    let known = known(project, None)?;
    let mut experiment = find(project, &known, name)?;
    if experiment.name == new_name {
        return Ok(experiment);
    }
    checked_name(project, new_name)?;
    let old = experiment.reference();
    let new = reference(&experiment.baseline, new_name);
    match existing {
        OnExistingName::Replace => git.update_ref(&new, &experiment.commit)?,
        OnExistingName::Refuse => {
            if !git.create_ref(&new, &experiment.commit)? {
                let name = new_name.to_owned();
                return Err(ExperimentError::Exists { name }.into());
            }
        }
    }
    git.delete_ref(&old)?;
    new_name.clone_into(&mut experiment.name);
    Ok(experiment)
}

/// The experiment of a name, of a full reference, or that a revision is the commit of.
fn find_or_resolve(project: &Project, name: &str) -> Result<Experiment, ProjectError> {
    let known = known(project, None)?;
    match find(project, &known, name) {
        Err(ProjectError::Experiment(ExperimentError::Unknown { .. })) => {}
        other => return other,
    }
    let commit = match project.git().resolve(name) {
        Ok(commit) => commit,
        Err(ProjectError::UnknownRevision { .. }) => {
            return Err(error::unknown(name, &known).into());
        }
        Err(error) => return Err(error),
    };
    let found = known.iter().find(|one| one.commit == commit).cloned();
    found.ok_or_else(|| error::unknown(name, &known).into())
}
