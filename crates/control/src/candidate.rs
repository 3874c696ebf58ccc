//! Making a candidate: the same pipeline, in a clean worktree, with other parameters.

use camino::Utf8Path;
use jiff::Timestamp;
use ketch_dvc::yaml::Value;
use ketch_project::{
    CommitOptions, CommitPaths, Identity, Project, ReproOptions, ReproReporter, commit,
    create_worktree, remove_worktree, repro, set_params,
};
use ketch_tracking::TrackingStore;

use crate::{
    clock::Clock,
    error::ControlError,
    registration::{RegisterOptions, Registered, model_config, register},
};

/// How a candidate is made.
#[derive(Debug, Clone)]
pub struct CandidateOptions<'a> {
    /// The model's name in `ketch.toml`.
    pub model: &'a str,
    /// Name of the worktree, the branch and the run.
    pub name: &'a str,
    /// Dotted parameters that differ from the project's.
    pub params: &'a [(String, Value)],
    /// Why, for the commit message.
    pub reason: &'a str,
    /// The person or part of ketch.
    pub user: &'a str,
}

/// Runs the pipeline with other parameters in a worktree of its own, commits what it made on a
/// branch `ketch/MODEL/NAME`, and registers the model as a version. The user's files stay as they
/// are. A worktree that a killed process left behind is replaced.
pub fn make_candidate(
    project: &Project,
    tracking: &TrackingStore,
    options: &CandidateOptions<'_>,
    clock: &dyn Clock,
    reporter: &dyn ReproReporter,
) -> Result<Registered, ControlError> {
    let config = model_config(project, options.model)?;
    let started_at = clock.now();
    let worktree = create_worktree(project, options.name, "HEAD")?;
    let made = in_worktree(
        &worktree.project,
        &config.retrain.params_file,
        options,
        reporter,
    )
    .and_then(|()| {
        register(
            &worktree.project,
            tracking,
            &register_options(options, started_at, clock),
        )
    });
    // The error of the work matters more than one of the tidying up.
    let removed = remove_worktree(project, options.name);
    let made = made?;
    removed?;
    Ok(made)
}

fn register_options<'a>(
    options: &CandidateOptions<'a>,
    started_at: Timestamp,
    clock: &dyn Clock,
) -> RegisterOptions<'a> {
    RegisterOptions {
        model: options.model,
        run_name: options.name,
        user: options.user,
        started_at,
        ended_at: clock.now(),
    }
}

fn in_worktree(
    project: &Project,
    params_file: &Utf8Path,
    options: &CandidateOptions<'_>,
    reporter: &dyn ReproReporter,
) -> Result<(), ControlError> {
    set_params(project, params_file, options.params)?;
    repro(project, &ReproOptions::default(), reporter)?;
    let made = commit(
        project,
        &CommitOptions {
            message: format!("Retrain {}: {}", options.model, options.reason),
            paths: CommitPaths::All,
            // Not the person's name: no person made this.
            identity: Some(Identity {
                name: format!("ketch {}", options.user),
                email: "ketch@localhost".to_owned(),
            }),
        },
    )?;
    let branch = format!("refs/heads/ketch/{}/{}", options.model, options.name);
    project.git().update_ref(&branch, &made)?;
    Ok(())
}
