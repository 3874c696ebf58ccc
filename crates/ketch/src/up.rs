//! A project's models, served and watched: what `ketch up` and the demo have in common.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};
use ketch_control::{
    LoopOptions, LoopReporter, ModelHandle, ModelPaths, read_journal, start_model, tracking_path,
};
use ketch_project::Project;
use ketch_server::{RunningServer, ServerOptions, bind, read_or_make_token};
use ketch_store::write_atomically;
use ketch_tracking::{Alias, ModelName};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::exit::CommandError;
use crate::settings::Settings;
use crate::workspace::read_tracking;

/// A project that is served.
pub(crate) struct Running {
    pub(crate) server: RunningServer,
    /// By name; those that have a champion.
    pub(crate) models: BTreeMap<String, Arc<ModelHandle>>,
    /// Models of `ketch.toml` that no version serves for.
    pub(crate) without_champion: Vec<String>,
    /// What changes need.
    pub(crate) token: String,
    state: Utf8PathBuf,
    _lock: UpLock,
}

/// What `.ketch/server.json` says while a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
}

/// Starts the loop of each model that has a champion, and the server in front of them.
///
/// Only one process may do this in a project at a time. Port 0 takes any that is free.
pub(crate) fn start_project(
    project: Project,
    port: u16,
    reporter: Arc<dyn LoopReporter>,
    settings: &Settings,
) -> Result<Running, CommandError> {
    let state = project.state_dir()?;
    let lock = UpLock::acquire(&state)?;
    // Before anything is loaded: a port that is taken should be told at once.
    let listener = bind(port)?;
    let (served, without_champion) = with_champion(&project, settings)?;
    if served.is_empty() {
        return Err(nothing_to_serve(&without_champion));
    }
    let token = read_or_make_token(&token_path(&state))?;
    let start = {
        let (tracking, clock) = (tracking_path(&state), Arc::clone(&settings.clock));
        move |model: String| -> Result<ModelHandle, CommandError> {
            Ok(start_model(LoopOptions {
                project: Project::open(project.root())?,
                model,
                tracking: tracking.clone(),
                seed: settings.seed,
                clock: Arc::clone(&clock),
                reporter: Arc::clone(&reporter),
            })?)
        }
    };
    let mut running = Models::default();
    for name in served {
        let handle = Arc::new(start(name.clone())?);
        running.0.insert(name, handle);
    }
    let server = ketch_server::start(
        listener,
        ServerOptions {
            models: running.0.clone(),
            tracking: tracking_path(&state),
            token: token.clone(),
            clock: Arc::clone(&settings.clock),
            version: env!("CARGO_PKG_VERSION"),
        },
    )?;
    let file = ServerFile {
        address: server.address(),
        pid: std::process::id(),
    };
    let text =
        serde_json::to_string(&file).map_err(|error| CommandError::system(error.to_string()))?;
    write_atomically(&server_path(&state), format!("{text}\n").as_bytes())?;
    Ok(Running {
        server,
        models: std::mem::take(&mut running.0),
        without_champion,
        token,
        state,
        _lock: lock,
    })
}

impl Running {
    /// Answers what was asked, lets the loops finish what they are doing, and closes the logs.
    pub(crate) fn stop(self) -> Result<(), CommandError> {
        let Self {
            server,
            models,
            without_champion: _,
            token: _,
            state,
            _lock,
        } = self;
        // Nobody should come any more.
        let removed = fs_err::remove_file(server_path(&state));
        let stopped = server.stop();
        let mut first_failure = None;
        for handle in models.values() {
            if let Err(error) = handle.stop() {
                first_failure.get_or_insert(error);
            }
        }
        if let Some(error) = first_failure {
            return Err(error.into());
        }
        stopped?;
        removed?;
        Ok(())
    }
}

/// Loops that are stopped when starting the rest fails.
#[derive(Default)]
struct Models(BTreeMap<String, Arc<ModelHandle>>);

impl Drop for Models {
    fn drop(&mut self) {
        for handle in self.0.values() {
            // The error that led here matters more.
            let _ = handle.stop();
        }
    }
}

/// Where the server of a project answers; none where none was started. After a crash nobody may
/// listen there.
pub(crate) fn read_address(state: &Utf8Path) -> Result<Option<SocketAddr>, CommandError> {
    let path = server_path(state);
    match fs_err::read_to_string(&path) {
        Ok(text) => {
            let file: ServerFile = serde_json::from_str(&text).map_err(|error| {
                CommandError::user(format!("`{path}` is damaged: {error}"))
                    .hint("start the server again: `ketch up`")
            })?;
            Ok(Some(file.address))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where the token is that changes need.
pub(crate) fn token_path(state: &Utf8Path) -> Utf8PathBuf {
    state.join("token")
}

fn server_path(state: &Utf8Path) -> Utf8PathBuf {
    state.join("server.json")
}

/// The models of `ketch.toml` that are or were served, and the others.
fn with_champion(
    project: &Project,
    settings: &Settings,
) -> Result<(Vec<String>, Vec<String>), CommandError> {
    let state = project.state_dir()?;
    let tracking = read_tracking(project, settings)?;
    let champion: Alias = "champion".parse()?;
    let mut served = Vec::new();
    let mut others = Vec::new();
    for name in project.config().model.keys() {
        let registered: ModelName = name.parse()?;
        let has_alias = tracking.as_ref().is_some_and(|tracking| {
            tracking
                .model_version_by_alias(&registered, &champion)
                .is_ok()
        });
        // The journal decides once there is one.
        if has_alias || !read_journal(&ModelPaths::new(&state, name).journal)?.is_empty() {
            served.push(name.clone());
        } else {
            others.push(name.clone());
        }
    }
    Ok((served, others))
}

fn nothing_to_serve(models: &[String]) -> CommandError {
    match models.first() {
        None => CommandError::user("ketch.toml has no model to serve")
            .hint("add a table `[model.NAME]` with artifact, reference, label and metric"),
        Some(name) => CommandError::user(format!(
            "no model of ketch.toml has a champion: {}",
            models.join(", ")
        ))
        .hint(format!(
            "register a version: `ketch model register {name} --alias champion`"
        )),
    }
}

/// Held by the one process that serves a project; gone when it dies.
struct UpLock {
    file: File,
}

impl UpLock {
    fn acquire(state: &Utf8Path) -> Result<Self, CommandError> {
        let path = state.join("up.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Self { file })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(already_up(&mut file, state)),
            Err(errno) => Err(CommandError::from(std::io::Error::from(errno))
                .context(format!("cannot lock `{path}`"))),
        }
    }
}

impl Drop for UpLock {
    fn drop(&mut self) {
        // A child that inherited the descriptor would otherwise keep the lock.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn already_up(file: &mut File, state: &Utf8Path) -> CommandError {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(64).read_to_string(&mut text));
    let holder = match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    let error = CommandError::user(format!("{holder} serves this project already"));
    match read_address(state) {
        Ok(Some(address)) => error.hint(format!("it answers at http://{address}")),
        _ => error,
    }
}
