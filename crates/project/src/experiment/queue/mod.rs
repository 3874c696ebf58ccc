//! Experiments that wait for their turn.
//!
//! A task is a commit of the work tree with its parameters set, under `refs/ketch/queue/NAME`; how
//! it is to be run is in the message. It is at work while somebody holds the lock on
//! `.ketch/queue/NAME.lock`. When it did well an experiment takes its place in one step, when it
//! failed `refs/ketch/failed/NAME` does. So what a crash interrupts is in the queue as before.

mod tasks;
mod worker;

pub use tasks::{
    KilledTasks, QueueOptions, QueuedRun, Signal, Task, TaskRemoval, TaskState, kill_tasks,
    queue_experiments, queue_tasks, remove_tasks, run_task, task_arguments, task_log,
};
pub(super) use tasks::{clear_files, log_of, tasks_with, waiting_names};
pub use worker::{
    OwnProgram, QueueReporter, StartedWorker, StoppedWorker, WorkerOptions, Workers, queue_workers,
    start_worker, stop_worker, work_off_queue,
};
