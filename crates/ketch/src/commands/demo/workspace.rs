//! The demo's folder: an ordinary Git repository made from the example project.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ketch_dvc::yaml::Value;
use ketch_project::{
    CommitOptions, CommitPaths, Existing, InitOptions, Project, commit, init, set_params,
};
use ketch_store::write_atomically;
use serde::{Deserialize, Serialize};

use super::{
    error::DemoError,
    example::FILES,
    story::{Length, Story},
};
use crate::exit::CommandError;

/// What a demo remembers of itself, from its first moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct DemoState {
    format: u32,
    pub(super) length: Length,
}

/// Takes an empty or new folder, or one where a demo began.
pub(super) fn claim(
    directory: &Utf8Path,
    resume: bool,
    length: Length,
) -> Result<DemoState, DemoError> {
    let path = directory.join(".ketch/demo.json");
    if resume {
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DemoError::NothingToResume {
                    directory: directory.to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        return serde_json::from_slice(&text).map_err(|source| DemoError::State { path, source });
    }
    if directory.exists() && (directory.is_file() || fs::read_dir(directory)?.next().is_some()) {
        return Err(DemoError::NotEmpty {
            directory: directory.to_owned(),
        });
    }
    let state = DemoState { format: 1, length };
    fs::create_dir_all(directory.join(".ketch"))?;
    fs::write(directory.join(".ketch/.gitignore"), "*\n")?;
    let text = serde_json::to_vec(&state).map_err(|source| DemoError::State {
        path: path.clone(),
        source,
    })?;
    write_atomically(&path, &text)?;
    Ok(state)
}

/// Makes the repository, as far as it is not made already, and returns the project.
pub(super) fn make_project(
    directory: &Utf8Path,
    environment: &Utf8Path,
    story: Story,
) -> Result<Project, CommandError> {
    if !directory.join(".git").exists() {
        git(directory, &["init", "--quiet", "--initial-branch=main"])?;
    }
    // A killed Git leaves its lock; nobody else works in the demo's repository.
    let stale = directory.join(".git/index.lock");
    if stale.exists() {
        fs::remove_file(stale).map_err(DemoError::from)?;
    }
    if git(directory, &["config", "user.email"]).is_err() {
        git(directory, &["config", "user.name", "ketch demo"])?;
        git(directory, &["config", "user.email", "demo@localhost"])?;
    }
    link_environment(directory, environment)?;
    let first_commit = git(directory, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_err();
    if first_commit {
        for (path, text) in FILES {
            let path = directory.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(DemoError::from)?;
            }
            write_atomically(&path, text.as_bytes()).map_err(DemoError::from)?;
        }
        let options = InitOptions {
            root: directory.to_owned(),
            existing: Existing::Reset,
        };
        let (project, _) = init(&options)?;
        let day = |day: u64| Value::Int(i64::try_from(day).unwrap_or(i64::MAX));
        let window = [
            ("prepare.first_day".to_owned(), day(story.first_day)),
            ("prepare.last_day".to_owned(), day(story.today)),
        ];
        set_params(&project, Utf8Path::new("params.yaml"), &window)?;
        git(directory, &["add", "--all"])?;
        git(
            directory,
            &["commit", "--quiet", "--message=Begin with the rain example"],
        )?;
    }
    Ok(Project::open(directory)?)
}

/// Commits what the pipeline made.
pub(super) fn commit_results(project: &Project, message: &str) -> Result<String, CommandError> {
    let options = CommitOptions {
        message: message.to_owned(),
        paths: CommitPaths::All,
        identity: None,
    };
    Ok(commit(project, &options)?.to_string())
}

fn link_environment(directory: &Utf8Path, environment: &Utf8Path) -> Result<(), DemoError> {
    let link: Utf8PathBuf = directory.join(".venv");
    if link.symlink_metadata().is_ok() {
        if link.read_link_utf8().ok().as_deref() == Some(environment) {
            return Ok(());
        }
        fs::remove_file(&link)?;
    }
    fs_err::os::unix::fs::symlink(environment, &link)?;
    Ok(())
}

fn git(directory: &Utf8Path, arguments: &[&str]) -> Result<(), DemoError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => DemoError::NoGit,
            _ => DemoError::Program {
                program: "git".to_owned(),
                source,
            },
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Git {
        command: arguments.first().copied().unwrap_or_default().to_owned(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
