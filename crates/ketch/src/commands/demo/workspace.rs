//! The demo's folder: an ordinary Git repository made from the example project.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    process::Command,
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{self as fs, File, OpenOptions};
use ketch_dvc::yaml::Value;
use ketch_project::{
    CommitOptions, CommitPaths, Existing, InitOptions, Project, commit, init, set_params,
};
use ketch_store::write_atomically;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{
    error::DemoError,
    example::FILES,
    story::{Length, Story},
};
use crate::exit::CommandError;

/// Held by the one process that works in a demo's folder.
const LOCK: &str = "demo.lock";

/// The version of what a demo remembers.
const FORMAT: u32 = 1;

/// What a demo remembers of itself, from its first moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct DemoState {
    format: u32,
    length: Length,
}

/// A folder that this process alone works in, as long as this lives.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) length: Length,
    _lock: File,
}

/// Whether Git is there at all: nothing should be made and downloaded in vain.
pub(super) fn find_git() -> Result<(), DemoError> {
    run_git(Command::new("git").arg("--version"), "--version")
}

/// Takes an empty or new folder, or one where a demo began.
pub(super) fn claim(
    directory: &Utf8Path,
    resume: bool,
    length: Length,
) -> Result<Claim, DemoError> {
    let path = directory.join(".ketch/demo.json");
    if resume {
        if !path.exists() {
            return Err(DemoError::NothingToResume {
                directory: directory.to_owned(),
            });
        }
        let lock = lock(directory)?;
        let length = read_state(path)?.length;
        return Ok(Claim {
            length,
            _lock: lock,
        });
    }
    let taken = || DemoError::NotEmpty {
        directory: directory.to_owned(),
    };
    let folder = |source| DemoError::Folder {
        directory: directory.to_owned(),
        source,
    };
    if !is_free(directory).map_err(folder)? {
        return Err(taken());
    }
    fs::create_dir_all(directory.join(".ketch")).map_err(folder)?;
    let lock = lock(directory)?;
    // Another one may have begun, and ended, since the look above.
    if path.exists() {
        return Err(taken());
    }
    fs::write(directory.join(".ketch/.gitignore"), "*\n")?;
    let state = DemoState {
        format: FORMAT,
        length,
    };
    let text = serde_json::to_vec(&state).map_err(|source| DemoError::State {
        path: path.clone(),
        source,
    })?;
    write_atomically(&path, &text)?;
    Ok(Claim {
        length,
        _lock: lock,
    })
}

/// Whether there is nothing that a demo could destroy: no folder, an empty one, or one that a demo
/// was killed in before it had even begun.
fn is_free(directory: &Utf8Path) -> std::io::Result<bool> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(_) if !directory.is_dir() => return Ok(false),
        Ok(_) => {}
    }
    for entry in fs::read_dir(directory)? {
        if entry?.file_name() != ".ketch" {
            return Ok(false);
        }
    }
    let state = directory.join(".ketch");
    if !state.is_dir() {
        return Ok(!state.exists());
    }
    for entry in fs::read_dir(state)? {
        let name = entry?.file_name();
        if name != ".gitignore" && name != LOCK {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read_state(path: Utf8PathBuf) -> Result<DemoState, DemoError> {
    let state: DemoState = match serde_json::from_slice(&fs::read(&path)?) {
        Ok(state) => state,
        Err(source) => return Err(DemoError::State { path, source }),
    };
    if state.format == FORMAT {
        return Ok(state);
    }
    Err(DemoError::Format {
        path,
        format: state.format,
        known: FORMAT,
    })
}

/// Keeps a second demo out of the folder, until this process ends, however it ends.
fn lock(directory: &Utf8Path) -> Result<File, DemoError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(".ketch").join(LOCK))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            // Who it is helps, but is not worth another error.
            let _ = file.take(32).read_to_string(&mut text);
            let pid: Option<u32> = text.trim().parse().ok();
            Err(DemoError::Busy {
                directory: directory.to_owned(),
                holder: pid.map_or("unknown".to_owned(), |pid| format!("process {pid}")),
            })
        }
        Err(errno) => Err(DemoError::Io(errno.into())),
    }
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
            ("prepare.first_day".to_owned(), day(story.learnt.0)),
            ("prepare.last_day".to_owned(), day(story.learnt.1)),
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
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(arguments);
    run_git(&mut command, arguments.first().copied().unwrap_or_default())
}

fn run_git(command: &mut Command, shown: &str) -> Result<(), DemoError> {
    let output = command
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|source| match source.kind() {
            ErrorKind::NotFound => DemoError::NoGit,
            _ => DemoError::Program {
                program: "git".to_owned(),
                source,
            },
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Git {
        command: shown.to_owned(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}
