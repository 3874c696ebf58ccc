//! What waits, is at work, or failed.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ketch_store::write_atomically;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};

use super::super::override_params::changed_texts;
use super::super::run::{Beginning, Naming, run_apart};
use super::super::workspace::StagedWorkspace;
use super::super::{
    Experiment, ExperimentError, ExperimentReport, OnExistingName, ParameterOverride, known,
};
use crate::git::RefChange;
use crate::project::state_directory;
use crate::suggest::nearest;
use crate::{CommitId, Project, ProjectError, ReproOptions, ReproReporter};

const QUEUED: &str = "refs/ketch/queue";
const FAILED: &str = "refs/ketch/failed";
/// How long a process may take to go away once it was told to.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to put into the queue.
#[derive(Debug, Clone, Default)]
pub struct QueueOptions {
    /// Where there are several sets of parameters, a number follows. Made up if not given.
    pub name: Option<String>,
    pub existing: OnExistingName,
    /// What the commit of the experiment says.
    pub message: Option<String>,
    /// One experiment for each.
    pub parameters: Vec<Vec<ParameterOverride>>,
    /// Paths that Git does not track, relative to the root, to be there when it runs.
    pub copied: Vec<Utf8PathBuf>,
    /// How the pipeline is to be run, as whoever runs the task understands it.
    pub arguments: serde_json::Value,
    /// What names are made up from.
    pub seed: u64,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Running,
    Queued,
    Failed,
    Success,
}

/// An experiment that waits, is at work, or is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The commit it runs from.
    pub task: CommitId,
    pub name: String,
    pub baseline: CommitId,
    /// When it was queued, in seconds since 1970.
    pub created: i64,
    pub state: TaskState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The process that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    #[serde(skip)]
    request: Request,
}

/// How a task is to be run, in the message of its commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    /// What was queued first runs first.
    position: u64,
    replace: bool,
    message: Option<String>,
    copied: Vec<Utf8PathBuf>,
    arguments: serde_json::Value,
}

/// How a task came out, in `.ketch/queue/NAME.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Outcome {
    task: String,
    created: i64,
    /// The commit of the experiment, where it did well.
    experiment: Option<String>,
    error: Option<String>,
}

/// What running a task needs besides what the task says.
#[derive(Debug, Clone, Default)]
pub struct QueuedRun {
    pub repro: ReproOptions,
    /// What the name of the work tree is made from.
    pub seed: u64,
}

/// Which tasks to remove; what is at work is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskRemoval {
    /// By name, or by the first digits of their ids.
    Named(Vec<String>),
    /// All in one of these states.
    In(BTreeSet<TaskState>),
}

/// How a process is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signal {
    /// Stages are asked to end, and made to after five seconds.
    #[default]
    Terminate,
    /// At once.
    Kill,
}

/// Tasks that were stopped; they count as failed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KilledTasks {
    pub killed: Vec<Task>,
}

/// Puts an experiment into the queue for each set of parameters, from the work tree as it is now.
pub fn queue_experiments(
    project: &Project,
    options: &QueueOptions,
) -> Result<Vec<Task>, ProjectError> {
    let folder = folder(project)?;
    let _queueing = held(&folder.join("queueing.lock"), FlockOperation::LockExclusive)?;
    let waiting = queued(project)?;
    let failed = in_namespace(project, FAILED)?;
    let mut position = waiting.iter().map(|task| task.request.position).max();
    let staged = StagedWorkspace::of(project, &[])?;
    let mut made = Vec::new();
    for (turn, parameters) in options.parameters.iter().enumerate() {
        let wanted = options.name.as_ref().map(|name| {
            if options.parameters.len() == 1 {
                name.clone()
            } else {
                format!("{name}-{}", turn + 1)
            }
        });
        let seed = options.seed.wrapping_add(turn as u64);
        let naming = Naming::new(project, wanted.as_deref(), options.existing, seed)?;
        position = Some(position.map_or(0, |last| last + 1));
        let request = Request {
            position: position.unwrap_or_default(),
            replace: options.existing == OnExistingName::Replace,
            message: options.message.clone(),
            copied: options.copied.clone(),
            arguments: options.arguments.clone(),
        };
        for (file, text) in changed_texts(project, parameters)? {
            staged.replace(&file, &text)?;
        }
        let name = &naming.name;
        let said = serde_json::to_string(&request).map_err(io::Error::from)?;
        let message = format!("ketch: queued experiment {name}\n\n{said}");
        let commit = staged.commit(&message, &naming.baseline)?;
        let reference = format!("{QUEUED}/{name}");
        let change = match options.existing {
            OnExistingName::Replace => RefChange::Set(&reference, &commit),
            OnExistingName::Refuse => RefChange::Create(&reference, &commit),
        };
        let mut changes = vec![change];
        // What failed is tried again.
        let before = failed.iter().find(|task| task.name == *name);
        let failure = format!("{FAILED}/{name}");
        changes.extend(before.map(|task| RefChange::Delete(&failure, &task.task)));
        if !project.git().change_refs(&changes)? {
            return Err(ExperimentError::Exists { name: name.clone() }.into());
        }
        made.push(naming.name);
    }
    let tasks = queued(project)?.into_iter();
    Ok(tasks.filter(|task| made.contains(&task.name)).collect())
}

/// Every task: what is at work first, then what waits in its order, what failed, and what did well
/// and was not removed since. Takes no lock.
pub fn queue_tasks(project: &Project) -> Result<Vec<Task>, ProjectError> {
    tasks_with(project, &known(project, None)?)
}

/// [`queue_tasks`], where the experiments are known.
pub(in super::super) fn tasks_with(
    project: &Project,
    experiments: &[Experiment],
) -> Result<Vec<Task>, ProjectError> {
    let mut tasks = queued(project)?;
    tasks.extend(in_namespace(project, FAILED)?.into_iter().map(|mut task| {
        task.state = TaskState::Failed;
        let outcome = outcome(project, &task.name);
        task.error = outcome.and_then(|outcome| outcome.error);
        task
    }));
    let taken: BTreeSet<String> = tasks.iter().map(|task| task.name.clone()).collect();
    for experiment in experiments {
        if taken.contains(&experiment.name) {
            continue;
        }
        let Some(outcome) = outcome(project, &experiment.name) else {
            continue;
        };
        if outcome.experiment.as_deref() != Some(experiment.commit.as_str()) {
            continue;
        }
        tasks.extend(CommitId::from_hex(&outcome.task).map(|task| Task {
            task,
            name: experiment.name.clone(),
            baseline: experiment.baseline.clone(),
            created: outcome.created,
            state: TaskState::Success,
            error: None,
            process: None,
            request: Request::default(),
        }));
    }
    tasks.sort_by_key(|task| (task.state, task.request.position, task.created));
    Ok(tasks)
}

/// How a waiting task is to be run, as it was queued.
pub fn task_arguments(project: &Project, name: &str) -> Result<serde_json::Value, ProjectError> {
    let tasks = queued(project)?;
    let task = find(tasks, name)?;
    Ok(task.request.arguments)
}

/// Runs a waiting task in a work tree of its own, and keeps the result as an experiment.
///
/// # Errors
///
/// When it is at work elsewhere, or the pipeline fails: then it counts as failed.
pub fn run_task(
    project: &Project,
    name: &str,
    run: &QueuedRun,
    reporter: &dyn ReproReporter,
) -> Result<ExperimentReport, ProjectError> {
    let mut lock = begin(project, name)?;
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())?;
    // What is found while the lock is held nobody else runs.
    let task = find(queued(project)?, name)?;
    let existing = if task.request.replace {
        OnExistingName::Replace
    } else {
        OnExistingName::Refuse
    };
    let reference = format!("{QUEUED}/{}", task.name);
    let naming = Naming::of_task(
        task.baseline.clone(),
        task.name.clone(),
        existing,
        (reference, task.task.clone()),
    );
    let beginning = Beginning {
        start: &task.task,
        copied: &task.request.copied,
        overrides: &[],
        seed: run.seed,
    };
    let message = task.request.message.as_deref();
    match run_apart(project, &naming, &beginning, &run.repro, message, reporter) {
        Ok(report) => {
            if let Some(experiment) = &report.experiment {
                note(project, &task, Some(experiment), None)?;
            }
            Ok(report)
        }
        Err(error) => {
            fail(project, &task, &error.to_string())?;
            Err(error)
        }
    }
}

/// Removes tasks and what is known of them; experiments stay. Those at work are left alone, and
/// refused where they are named.
pub fn remove_tasks(project: &Project, choice: &TaskRemoval) -> Result<Vec<Task>, ProjectError> {
    let mut chosen = chosen(project, choice)?;
    if let TaskRemoval::Named(_) = choice
        && let Some(task) = chosen.iter().find(|task| task.state == TaskState::Running)
    {
        let name = task.name.clone();
        return Err(ExperimentError::AtWork { name }.into());
    }
    chosen.retain(|task| task.state != TaskState::Running);
    for task in &chosen {
        let reference = match task.state {
            TaskState::Queued | TaskState::Running => Some(QUEUED),
            TaskState::Failed => Some(FAILED),
            TaskState::Success => None,
        };
        if let Some(namespace) = reference {
            let reference = format!("{namespace}/{}", task.name);
            project
                .git()
                .change_refs(&[RefChange::Delete(&reference, &task.task)])?;
        }
        for ending in ["json", "log"] {
            let file = folder(project)?.join(format!("{}.{ending}", task.name));
            match fs_err::remove_file(file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(chosen)
}

/// Ends tasks that are at work; they count as failed. All of them if none is named.
pub fn kill_tasks(
    project: &Project,
    names: &[String],
    signal: Signal,
) -> Result<KilledTasks, ProjectError> {
    let tasks = if names.is_empty() {
        let all = queued(project)?.into_iter();
        all.filter(|task| task.state == TaskState::Running)
            .collect()
    } else {
        chosen(project, &TaskRemoval::Named(names.to_vec()))?
    };
    if let Some(task) = tasks.iter().find(|task| task.state != TaskState::Running) {
        let name = task.name.clone();
        return Err(ExperimentError::NotAtWork { name }.into());
    }
    for task in &tasks {
        let process = task.process.and_then(|id| Pid::from_raw(id.cast_signed()));
        let Some(process) = process else { continue };
        let signal = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        match kill_process(process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    for task in &tasks {
        let begun = Instant::now();
        while occupation(project, &task.name)? != Occupation::Waits {
            if begun.elapsed() > PATIENCE {
                let name = task.name.clone();
                return Err(ExperimentError::StillAtWork { name }.into());
            }
            sleep(Duration::from_millis(20));
        }
        fail(project, task, "it was killed")?;
    }
    Ok(KilledTasks { killed: tasks })
}

/// Where the output of a task is, and the task, if it is known.
pub fn task_log(project: &Project, name: &str) -> Result<(Task, Utf8PathBuf), ProjectError> {
    let task = find(queue_tasks(project)?, name)?;
    let log = log_of(project, &task);
    Ok((task, log))
}

pub(in super::super) fn log_of(project: &Project, task: &Task) -> Utf8PathBuf {
    place(project).join(format!("{}.log", task.name))
}

/// Removes the files of tasks that are no more, and says how many.
pub(in super::super) fn clear_files(project: &Project) -> Result<usize, ProjectError> {
    let tasks = queue_tasks(project)?;
    let mut cleared = 0;
    for entry in folder(project)?.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = ["worker.", "queueing."]
            .iter()
            .any(|own| name.starts_with(own));
        let of_task = [".json", ".log", ".lock"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending));
        let Some(task) = of_task.filter(|_| !is_ours) else {
            continue;
        };
        if !tasks.iter().any(|one| one.name == task) {
            fs_err::remove_file(entry.path())?;
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// Names that tasks have which are not experiments yet.
pub(in super::super) fn waiting_names(project: &Project) -> Result<BTreeSet<String>, ProjectError> {
    let git = project.git();
    let listed = git.run(&["for-each-ref", "--format=%(refname:lstrip=3)", QUEUED])?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Those that wait or are at work, in their order.
pub(super) fn queued(project: &Project) -> Result<Vec<Task>, ProjectError> {
    let mut tasks = in_namespace(project, QUEUED)?;
    for task in &mut tasks {
        if let Occupation::Runs { process } = occupation(project, &task.name)? {
            task.state = TaskState::Running;
            task.process = process;
        }
    }
    tasks.sort_by_key(|task| task.request.position);
    Ok(tasks)
}

/// Counts a task as failed, unless it did well or was removed meanwhile.
pub(super) fn fail(project: &Project, task: &Task, why: &str) -> Result<(), ProjectError> {
    let (queued, failed) = (
        format!("{QUEUED}/{}", task.name),
        format!("{FAILED}/{}", task.name),
    );
    let moved = project.git().change_refs(&[
        RefChange::Set(&failed, &task.task),
        RefChange::Delete(&queued, &task.task),
    ])?;
    if moved {
        note(project, task, None, Some(why))?;
    }
    Ok(())
}

/// Where logs, locks and outcomes are, made if need be.
pub(super) fn folder(project: &Project) -> Result<Utf8PathBuf, ProjectError> {
    state_directory(project.main_root())?;
    let folder = place(project);
    fs_err::create_dir_all(&folder)?;
    Ok(folder)
}

fn place(project: &Project) -> Utf8PathBuf {
    project.main_root().join(".ketch/queue")
}

/// The lock on a task, which is there while it is at work.
fn begin(project: &Project, name: &str) -> Result<fs_err::File, ProjectError> {
    /// Who only looks whether a task is at work holds its lock for a moment.
    const TURNS: usize = 40;
    let path = folder(project)?.join(format!("{name}.lock"));
    for _ in 0..TURNS {
        match held(&path, FlockOperation::NonBlockingLockExclusive) {
            Err(ProjectError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            held => return held,
        }
        sleep(Duration::from_millis(25));
    }
    let name = name.to_owned();
    Err(ExperimentError::AtWork { name }.into())
}

/// A file that is locked, made if need be.
pub(super) fn held(
    path: &Utf8PathBuf,
    operation: FlockOperation,
) -> Result<fs_err::File, ProjectError> {
    let file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    flock(&file, operation).map_err(io::Error::from)?;
    Ok(file)
}

fn in_namespace(project: &Project, namespace: &str) -> Result<Vec<Task>, ProjectError> {
    let format = "--format=%(objectname)%00%(parent)%00%(committerdate:unix)%00%(refname:lstrip=3)%00%(contents:body)%00";
    let listed = project.git().run(&["for-each-ref", format, namespace])?;
    let fields: Vec<&str> = listed.split('\0').map(str::trim).collect();
    let tasks = fields.chunks_exact(5).filter_map(|fields| {
        let &[task, baseline, created, name, said] = fields else {
            return None;
        };
        Some(Task {
            task: CommitId::from_hex(task)?,
            name: name.to_owned(),
            baseline: CommitId::from_hex(baseline)?,
            created: created.parse().ok()?,
            state: TaskState::Queued,
            error: None,
            process: None,
            // Somebody else's reference is no task.
            request: serde_json::from_str(said).ok()?,
        })
    });
    Ok(tasks.collect())
}

/// What is done with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupation {
    Waits,
    /// By this process, where that is known.
    Runs {
        process: Option<u32>,
    },
}

fn occupation(project: &Project, name: &str) -> Result<Occupation, ProjectError> {
    let path = place(project).join(format!("{name}.lock"));
    let file = match fs_err::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Occupation::Waits),
        Err(error) => return Err(error.into()),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Occupation::Waits),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let text = fs_err::read_to_string(&path)?;
            let process = text.trim().parse().ok();
            Ok(Occupation::Runs { process })
        }
        Err(error) => Err(io::Error::from(error).into()),
    }
}

fn chosen(project: &Project, choice: &TaskRemoval) -> Result<Vec<Task>, ProjectError> {
    let tasks = queue_tasks(project)?;
    match choice {
        TaskRemoval::Named(names) => names.iter().map(|name| find(tasks.clone(), name)).collect(),
        TaskRemoval::In(states) => Ok(tasks
            .into_iter()
            .filter(|task| states.contains(&task.state))
            .collect()),
    }
}

/// By name, or by the first digits of the id.
fn find(tasks: Vec<Task>, name: &str) -> Result<Task, ProjectError> {
    let suggestion = nearest(name, tasks.iter().map(|task| task.name.as_str())).map(str::to_owned);
    let is_id = |task: &Task| name.len() >= 4 && task.task.as_str().starts_with(name);
    let by_name = tasks.iter().position(|task| task.name == name);
    let place = by_name.or_else(|| tasks.iter().position(is_id));
    let found = place.and_then(|place| tasks.into_iter().nth(place));
    found.ok_or_else(|| {
        let name = name.to_owned();
        ExperimentError::UnknownTask { name, suggestion }.into()
    })
}

fn note(
    project: &Project,
    task: &Task,
    experiment: Option<&Experiment>,
    error: Option<&str>,
) -> Result<(), ProjectError> {
    let outcome = Outcome {
        task: task.task.to_string(),
        created: task.created,
        experiment: experiment.map(|experiment| experiment.commit.to_string()),
        error: error.map(str::to_owned),
    };
    let name = experiment.map_or(&task.name, |experiment| &experiment.name);
    let text = serde_json::to_vec(&outcome).map_err(io::Error::from)?;
    write_atomically(&folder(project)?.join(format!("{name}.json")), &text)?;
    Ok(())
}

/// Nothing where there is none, or one that cannot be read: it only says more.
fn outcome(project: &Project, name: &str) -> Option<Outcome> {
    let path = place(project).join(format!("{name}.json"));
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}
