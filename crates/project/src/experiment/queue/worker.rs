//! The process that runs what waits, a few at a time, each in a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ketch_store::write_atomically;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::super::ExperimentError;
use super::tasks::{
    KilledTasks, Signal, Task, TaskState, fail, folder, held, kill_tasks, queue_tasks, queued,
};
use crate::{Project, ProjectError};

/// How often the worker looks at what it runs.
const POLL: Duration = Duration::from_millis(50);
/// How often it looks for new tasks while some are at work.
const LOOK: Duration = Duration::from_millis(500);
/// How long a new worker waits for one that is about to leave.
const HANDOVER: Duration = Duration::from_secs(2);

/// How to start this program again.
#[derive(Debug, Clone)]
pub struct OwnProgram {
    pub path: OsString,
    /// The name it is called by.
    pub called: OsString,
    /// What comes before the name of a task.
    pub arguments: Vec<OsString>,
}

/// How to work off the queue.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How many experiments run at once.
    pub jobs: NonZeroUsize,
    /// Runs one task.
    pub program: OwnProgram,
}

/// Receives what becomes of the tasks.
pub trait QueueReporter {
    fn task_started(&self, _task: &Task) {}
    /// It is over; the error says why it failed.
    fn task_ended(&self, _task: &Task, _error: Option<&str>) {}
}

/// How a worker was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StartedWorker {
    pub jobs: NonZeroUsize,
    /// Whether one was at work already; it has the new number of jobs now.
    pub was_at_work: bool,
}

/// How a worker was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoppedWorker {
    /// Whether there was one.
    pub was_at_work: bool,
    pub killed: Vec<Task>,
}

/// What is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workers {
    /// How many experiments may run at once; none where no worker is there.
    pub jobs: Option<NonZeroUsize>,
    pub running: usize,
}

/// What a worker is told, in `.ketch/queue/worker.json`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Orders {
    jobs: NonZeroUsize,
    stop: bool,
}

/// Starts a worker in the background, which leaves when nothing waits; one that is there already is
/// given the number of jobs. `program` is how to call [`work_off_queue`].
pub fn start_worker(
    project: &Project,
    program: &OwnProgram,
    jobs: NonZeroUsize,
) -> Result<StartedWorker, ProjectError> {
    let was_at_work = is_at_work(project)?;
    order(project, Orders { jobs, stop: false })?;
    let log = fs_err::File::create(folder(project)?.join("worker.log"))?;
    // It stays behind when this process ends; one that is not needed leaves at once.
    let spawned = command(project, program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.into_file())
        .spawn();
    spawned.map_err(|source| not_started(project, source))?;
    Ok(StartedWorker { jobs, was_at_work })
}

/// Tells the worker to leave when what it runs is over; with a signal that is ended, too.
pub fn stop_worker(project: &Project, kill: Option<Signal>) -> Result<StoppedWorker, ProjectError> {
    let was_at_work = is_at_work(project)?;
    if was_at_work {
        let jobs = orders(project).map_or(NonZeroUsize::MIN, |orders| orders.jobs);
        order(project, Orders { jobs, stop: true })?;
    }
    let killed = match kill {
        Some(signal) => kill_tasks(project, &[], signal)?,
        None => KilledTasks { killed: Vec::new() },
    };
    Ok(StoppedWorker {
        was_at_work,
        killed: killed.killed,
    })
}

/// Whether a worker is there, and how many tasks run, whoever runs them.
pub fn queue_workers(project: &Project) -> Result<Workers, ProjectError> {
    let tasks = queue_tasks(project)?;
    let running = tasks.iter().filter(|task| task.state == TaskState::Running);
    let jobs = if is_at_work(project)? {
        Some(orders(project).map_or(NonZeroUsize::MIN, |orders| orders.jobs))
    } else {
        None
    };
    Ok(Workers {
        jobs,
        running: running.count(),
    })
}

/// Runs what waits until nothing does, and what was added meanwhile, each task by a call of the
/// program with its output in `.ketch/queue/NAME.log`. A task whose process dies counts as failed.
///
/// # Errors
///
/// When another worker is there and stays; a task that fails is none.
pub fn work_off_queue(
    project: &Project,
    options: &WorkerOptions,
    reporter: &dyn QueueReporter,
) -> Result<(), ProjectError> {
    let _only = become_worker(project)?;
    order(
        project,
        Orders {
            jobs: options.jobs,
            stop: false,
        },
    )?;
    let mut at_work: BTreeMap<String, (Task, Child)> = BTreeMap::new();
    let mut looked: Option<Instant> = None;
    loop {
        let ended = reap(project, &mut at_work, reporter)?;
        let orders = orders(project).unwrap_or(Orders {
            jobs: options.jobs,
            stop: false,
        });
        let is_time = ended || looked.is_none_or(|last| last.elapsed() > LOOK);
        if !orders.stop && at_work.len() < orders.jobs.get() && is_time {
            looked = Some(Instant::now());
            let waiting = queued(project)?.into_iter();
            let waiting = waiting.filter(|task| {
                task.state == TaskState::Queued && !at_work.contains_key(&task.name)
            });
            let waiting: Vec<Task> = waiting.take(orders.jobs.get() - at_work.len()).collect();
            for task in waiting {
                let child = run_apart(project, &options.program, &task)?;
                reporter.task_started(&task);
                at_work.insert(task.name.clone(), (task, child));
            }
        }
        if at_work.is_empty() && (orders.stop || is_time) {
            return Ok(());
        }
        sleep(POLL);
    }
}

/// Looks what ended, and says whether something did.
fn reap(
    project: &Project,
    at_work: &mut BTreeMap<String, (Task, Child)>,
    reporter: &dyn QueueReporter,
) -> Result<bool, ProjectError> {
    let mut ended = Vec::new();
    for (name, (_, child)) in at_work.iter_mut() {
        if let Some(status) = child.try_wait()? {
            ended.push((name.clone(), status));
        }
    }
    for (name, status) in &ended {
        let Some((task, _)) = at_work.remove(name) else {
            continue;
        };
        if status.success() {
            reporter.task_ended(&task, None);
            continue;
        }
        // One that could, said itself why; this is for one that could not.
        fail(project, &task, &described(*status))?;
        let tasks = queue_tasks(project)?;
        let known = tasks.into_iter().find(|one| one.task == task.task);
        let error = known.and_then(|task| task.error);
        reporter.task_ended(&task, Some(error.as_deref().unwrap_or("it failed")));
    }
    Ok(!ended.is_empty())
}

fn run_apart(project: &Project, program: &OwnProgram, task: &Task) -> Result<Child, ProjectError> {
    let log = fs_err::File::create(folder(project)?.join(format!("{}.log", task.name)))?;
    let log = log.into_file();
    let spawned = command(project, program)
        .arg(&task.name)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    spawned.map_err(|source| not_started(project, source))
}

fn command(project: &Project, program: &OwnProgram) -> Command {
    let mut command = Command::new(&program.path);
    command
        .arg0(&program.called)
        .args(&program.arguments)
        .current_dir(project.root());
    command
}

fn not_started(project: &Project, source: io::Error) -> ProjectError {
    ExperimentError::WorkerNotStarted {
        folder: project.root().to_owned(),
        source,
    }
    .into()
}

fn described(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("its process was ended by signal {signal}"),
        None => format!("its process ended with {}", status.code().unwrap_or(-1)),
    }
}

/// Held by the worker: there is one at a time.
fn become_worker(project: &Project) -> Result<fs_err::File, ProjectError> {
    let path = folder(project)?.join("worker.lock");
    let begun = Instant::now();
    loop {
        match held(&path, FlockOperation::NonBlockingLockExclusive) {
            Err(ProjectError::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            held => return held,
        }
        if begun.elapsed() > HANDOVER {
            return Err(ExperimentError::WorkerAtWork.into());
        }
        sleep(POLL);
    }
}

fn is_at_work(project: &Project) -> Result<bool, ProjectError> {
    let path = folder(project)?.join("worker.lock");
    match held(&path, FlockOperation::NonBlockingLockShared) {
        Ok(_) => Ok(false),
        Err(ProjectError::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

fn order(project: &Project, orders: Orders) -> Result<(), ProjectError> {
    let text = serde_json::to_vec(&orders).map_err(io::Error::from)?;
    write_atomically(&folder(project)?.join("worker.json"), &text)?;
    Ok(())
}

fn orders(project: &Project) -> Option<Orders> {
    let path = folder(project).ok()?.join("worker.json");
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}
