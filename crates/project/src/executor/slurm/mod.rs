//! Batch jobs of Slurm.
//!
//! What is not to be believed, and what is done about it:
//!
//! - A node that failed may still run its job, and so may one that was cut off: each attempt works
//!   in a folder of its own ([`attempt`]), and only ketch moves the outputs of the one that counts
//!   into the work tree ([`slot`]).
//! - A controller that was killed may have forgotten a job, and give its id to another one, which it
//!   then takes for over when the first one ends: jobs are known by names that no other job has,
//!   ids are only shown, and a job that the controller calls over after it was away is begun again
//!   unless it says so itself.
//! - A controller that is down or busy does not answer, or too late: every call has an end
//!   ([`client`]) and is made again; all jobs are asked for at once ([`watch`]).
//! - A job that is over is soon forgotten: its own word about its end is a file ([`script`]).

mod attempt;
mod client;
mod script;
mod slot;
mod tree;
mod watch;

use std::thread::sleep;
use std::time::{Duration, Instant};

use attempt::{Attempt, Ending, Output};
use client::{CallError, Client, Job};
use slot::Slot;
use watch::{Sight, Watch};

use super::transcript::Transcript;
use super::{Executor, ExecutorError, Interrupt, Task};
use crate::{Project, ProjectError, SlurmConfig};

/// How many jobs there are at once where nobody says.
const USUAL_JOBS: usize = 16;
/// How often the files of an attempt are looked at, while they change and at the least.
const QUICK: Duration = Duration::from_millis(50);
const SLOW: Duration = Duration::from_secs(1);
/// How long the word of a job may take to be seen here after Slurm says that it is over: as long as
/// clients of NFS believe what they saw of a folder by default (`acdirmin`), and some more.
const SETTLING: Duration = Duration::from_secs(35);
/// How long a controller may not know a job that was submitted: it may be starting.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// How long outputs may take to be seen here after the word that all went well.
const OUTPUTS: Duration = Duration::from_secs(3);
/// Between two tries to submit, at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// States from which a job does not come back (`JOB STATE CODES` in squeue's manual).
const OVER: [&str; 11] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "SPECIAL_EXIT",
    "TIMEOUT",
];
/// Those for which the stage can do nothing.
const NOBODYS_FAULT: [&str; 4] = ["BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED"];

/// Those that a job gets from the end of another one that had its id.
const MISTAKEN: [&str; 3] = ["CANCELLED", "COMPLETED", "FAILED"];

/// Runs each stage as a batch job.
#[derive(Debug)]
pub(super) struct Slurm<'a> {
    project: &'a Project,
    config: SlurmConfig,
    interrupt: Interrupt,
    client: Client,
    watch: Watch,
}

/// How following an attempt came to an end.
enum Outcome {
    /// It said so itself.
    Ended(Ending),
    /// By no fault of the stage: it can be tried again.
    Lost(String),
    /// Slurm ended it.
    Stopped(Job),
    /// Somebody wishes to stop.
    Interrupted,
}

impl Executor for Slurm<'_> {
    fn run(&self, task: &Task<'_>) -> Result<(), ProjectError> {
        let slot = Slot::claim(task)?;
        let mut transcript = Transcript::begin(task)?;
        let commands = task.stage.spec.commands_to_run();
        let inputs = slot::inputs_hash(task, &script::asked(&self.config, task));
        let mut earlier = self.earlier(&slot, &inputs)?;
        let mut begun = 0;
        loop {
            let attempt = if let Some(attempt) = earlier.take() {
                transcript.note("the job of an earlier ketch is taken up");
                attempt
            } else {
                begun += 1;
                self.begin(task, &slot, &inputs, &mut transcript)?
            };
            let outcome = self.follow(task, &attempt, &commands, &mut transcript);
            self.watch.end(&attempt.job_name());
            match outcome? {
                Outcome::Ended(Ending { code: 0, .. }) => {
                    return publish(task, &slot, &attempt);
                }
                Outcome::Ended(Ending { code, command }) => {
                    slot.forget()?;
                    let command = commands.get(command).map_or("", String::as_str);
                    let status = format!("exited with {code}");
                    return Err(transcript.failure(command, status, Some(code)));
                }
                Outcome::Lost(reason) => {
                    // It may still be at work, or begin later.
                    attempt.abandon()?;
                    let _ = self.client.cancel(&attempt.job_name());
                    if begun >= self.config.attempts.get() {
                        slot.forget()?;
                        return Err(ExecutorError::Attempts {
                            stage: task.stage.shown(),
                            attempts: begun,
                            reason,
                        }
                        .into());
                    }
                    transcript.note(&format!("{reason}; it is begun again"));
                }
                Outcome::Stopped(job) => {
                    slot.forget()?;
                    return Err(ended_by_slurm(task, &attempt, &job, &mut transcript));
                }
                Outcome::Interrupted => {
                    self.discard(&slot, &attempt)?;
                    return Err(stopped(task));
                }
            }
        }
    }

    fn usual_jobs(&self) -> usize {
        USUAL_JOBS
    }

    fn is_stopped(&self) -> bool {
        self.interrupt.is_raised()
    }

    /// Cancels jobs of a ketch that was killed, which no stage of this run took up.
    fn close(&self) {
        for slot in Slot::deserted(self.project).unwrap_or_default() {
            // What cannot be cancelled now is found again by the next run.
            if let Ok(Some((attempt, _))) = slot.current() {
                let _ = self.discard(&slot, &attempt);
            }
        }
    }
}

impl<'a> Slurm<'a> {
    pub(super) fn new(project: &'a Project, config: SlurmConfig, interrupt: Interrupt) -> Self {
        Self {
            project,
            client: Client {
                timeout: Duration::from_secs(config.call_timeout.get().into()),
            },
            config,
            interrupt,
            watch: Watch::new(),
        }
    }

    /// The job of a ketch that was killed, if it does what is wanted now; else it is cancelled.
    fn earlier(&self, slot: &Slot, inputs: &str) -> Result<Option<Attempt>, ProjectError> {
        let Some((attempt, record)) = slot.current()? else {
            return Ok(None);
        };
        let failed = attempt.ending()?.is_some_and(|ending| ending.code != 0);
        // Without an id nobody knows whether it was submitted.
        if record.can_be_taken_up(inputs) && record.job.is_some() && !failed {
            self.watch.begin(&attempt.job_name());
            return Ok(Some(attempt));
        }
        self.discard(slot, &attempt)?;
        Ok(None)
    }

    /// Makes and submits an attempt.
    fn begin(
        &self,
        task: &Task<'_>,
        slot: &Slot,
        inputs: &str,
        transcript: &mut Transcript<'_>,
    ) -> Result<Attempt, ProjectError> {
        let attempt = slot.begin(task, inputs)?;
        let submitted = tree::build(task, &attempt).and_then(|directory| {
            fs_err::write(attempt.script(), script::text(task, &attempt, &directory))?;
            self.submit(task, &attempt, transcript)
        });
        match submitted {
            Ok(Some(job)) => {
                slot.submitted(&attempt, &job)?;
                self.watch.begin(&attempt.job_name());
                transcript.note(&format!("is job {job} of Slurm"));
                Ok(attempt)
            }
            Ok(None) => {
                self.discard(slot, &attempt)?;
                Err(stopped(task))
            }
            Err(error) => {
                // Should there be a job after all, it finds no folder to run in.
                let _ = self.client.cancel(&attempt.job_name());
                slot.clear()?;
                Err(error)
            }
        }
    }

    /// Submits however long it takes, but for an interrupt. Where no answer came, the job may have
    /// been taken all the same: then it is found by its name. Should it be taken twice after all,
    /// only the first to start runs.
    fn submit(
        &self,
        task: &Task<'_>,
        attempt: &Attempt,
        transcript: &mut Transcript<'_>,
    ) -> Result<Option<String>, ProjectError> {
        let arguments = script::arguments(&self.config, task, attempt);
        let names = [attempt.job_name()];
        let mut pause = Duration::from_secs(1);
        let mut told = false;
        while !self.interrupt.is_raised() {
            let unanswered = match self.client.submit(&arguments) {
                Ok(job) => return Ok(Some(job)),
                Err(CallError::Lasting(ExecutorError::Call { message, .. })) => {
                    return Err(ExecutorError::Refused {
                        stage: task.stage.shown(),
                        message,
                    }
                    .into());
                }
                Err(CallError::Lasting(error)) => return Err(error.into()),
                Err(CallError::Passing(message)) => message,
            };
            self.watch.found_silent();
            if !told {
                told = true;
                transcript.note(&format!("Slurm does not take jobs, waiting: {unanswered}"));
            }
            loop {
                self.wait(pause);
                pause = (pause * 2).min(PATIENCE);
                if self.interrupt.is_raised() {
                    break;
                }
                match self.client.jobs(&names) {
                    Ok(jobs) => match jobs.into_iter().next() {
                        Some(job) => return Ok(Some(job.id)),
                        None => break,
                    },
                    Err(CallError::Passing(_)) => {}
                    Err(CallError::Lasting(error)) => return Err(error.into()),
                }
            }
        }
        Ok(None)
    }

    /// Passes on what an attempt writes until it is over, or nobody waits for it any more.
    fn follow(
        &self,
        task: &Task<'_>,
        attempt: &Attempt,
        commands: &[String],
        transcript: &mut Transcript<'_>,
    ) -> Result<Outcome, ProjectError> {
        let name = attempt.job_name();
        let mut output = Output::of(attempt, commands);
        let mut pause = QUICK;
        let mut told = Told::default();
        // Since when Slurm says that it is over, or does not know it.
        let mut gone: Option<Instant> = None;
        loop {
            if self.interrupt.is_raised() {
                return Ok(Outcome::Interrupted);
            }
            // Before the output, of which all is there then.
            let ending = attempt.ending()?;
            let moved = output.pass_on(transcript)?;
            if let Some(ending) = ending {
                output.finish(transcript);
                if ending.code == 0 {
                    wait_for_outputs(task, attempt);
                }
                return Ok(Outcome::Ended(ending));
            }
            let (sight, silence) = self.watch.look(&self.client, &name)?;
            told.silence(silence.as_deref(), transcript);
            match sight {
                Some(sight)
                    if sight.absent >= 2
                        && gone.get_or_insert_with(Instant::now).elapsed() > FORGOTTEN =>
                {
                    output.finish(transcript);
                    return Ok(self.forgotten(&name));
                }
                Some(Sight { jobs, absent: 0 }) => match over(&jobs) {
                    Some(job) if NOBODYS_FAULT.contains(&job.state.as_str()) => {
                        output.finish(transcript);
                        return Ok(Outcome::Lost(lost(job)));
                    }
                    Some(job) => {
                        let since = gone.get_or_insert_with(Instant::now);
                        let waits = ["COMPLETED", "FAILED"].contains(&job.state.as_str());
                        if !waits || since.elapsed() > SETTLING {
                            output.finish(transcript);
                            return Ok(self.without_a_word(job.clone()));
                        }
                    }
                    None => {
                        gone = None;
                        told.waiting(&jobs, transcript);
                    }
                },
                _ => {}
            }
            pause = if moved {
                QUICK
            } else {
                (pause * 5 / 4).min(SLOW)
            };
            sleep(pause);
        }
    }

    /// The controller does not know the job any more: it ended long ago, or was forgotten.
    fn forgotten(&self, name: &str) -> Outcome {
        // Not all keep accounts.
        let accounted = self.client.accounted(name).ok().flatten();
        match accounted {
            Some(job) if NOBODYS_FAULT.contains(&job.state.as_str()) => Outcome::Lost(lost(&job)),
            Some(job) if OVER.contains(&job.state.as_str()) => self.without_a_word(job),
            _ => Outcome::Lost("Slurm's controller forgot the job".to_owned()),
        }
    }

    /// A job that is over and did not say so itself.
    fn without_a_word(&self, job: Job) -> Outcome {
        if MISTAKEN.contains(&job.state.as_str()) && self.watch.was_silent() {
            Outcome::Lost(lost(&job))
        } else {
            Outcome::Stopped(job)
        }
    }

    /// Cancels an attempt of which nothing is wanted.
    fn discard(&self, slot: &Slot, attempt: &Attempt) -> Result<(), ProjectError> {
        attempt.abandon()?;
        match self.client.cancel(&attempt.job_name()) {
            Ok(()) => slot.clear(),
            // The record stays, so that the next run cancels it.
            Err(CallError::Passing(message)) => Err(ExecutorError::Call {
                program: "scancel",
                message,
            }
            .into()),
            Err(CallError::Lasting(error)) => Err(error.into()),
        }
    }

    fn wait(&self, time: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < time && !self.interrupt.is_raised() {
            sleep(QUICK);
        }
    }
}

/// What somebody who waits was told.
#[derive(Default)]
struct Told {
    is_silent: bool,
    reason: String,
}

impl Told {
    fn silence(&mut self, silence: Option<&str>, transcript: &mut Transcript<'_>) {
        match silence {
            Some(reason) if !self.is_silent => {
                transcript.note(&format!("Slurm does not answer, waiting: {reason}"));
            }
            None if self.is_silent => transcript.note("Slurm answers again"),
            _ => {}
        }
        self.is_silent = silence.is_some();
    }

    /// Why it does not begin: what asks for too much waits for ever.
    fn waiting(&mut self, jobs: &[Job], transcript: &mut Transcript<'_>) {
        let usual = ["None", "Priority", ""];
        let pending = jobs.iter().find(|job| job.state == "PENDING");
        if let Some(job) = pending
            && !usual.contains(&job.reason.as_str())
            && job.reason != self.reason
        {
            self.reason.clone_from(&job.reason);
            transcript.note(&format!("job {} waits: {}", job.id, job.reason));
        }
    }
}

/// The job, if none of its name is there that is not over.
fn over(jobs: &[Job]) -> Option<&Job> {
    let is_over = |job: &&Job| OVER.contains(&job.state.as_str());
    if jobs.iter().all(|job| is_over(&job)) {
        jobs.first()
    } else {
        None
    }
}

fn lost(job: &Job) -> String {
    let Job {
        id, state, nodes, ..
    } = job;
    let nodes = if nodes.is_empty() { "no node" } else { nodes };
    format!("job {id} on {nodes} was lost ({state})")
}

fn stopped(task: &Task<'_>) -> ProjectError {
    ExecutorError::Stopped {
        stage: task.stage.shown(),
    }
    .into()
}

fn publish(task: &Task<'_>, slot: &Slot, attempt: &Attempt) -> Result<(), ProjectError> {
    if !slot.publish(attempt, || tree::publish(task, attempt))? {
        return Err(ExecutorError::Superseded {
            stage: task.stage.shown(),
        }
        .into());
    }
    slot.clear()
}

fn ended_by_slurm(
    task: &Task<'_>,
    attempt: &Attempt,
    job: &Job,
    transcript: &mut Transcript<'_>,
) -> ProjectError {
    let words = fs_err::read_to_string(attempt.words()).unwrap_or_default();
    for line in words.lines() {
        transcript.line(line);
    }
    let state = match job.reason.as_str() {
        "" | "None" => job.state.clone(),
        reason => format!("{}, {reason}", job.state),
    };
    let stage = task.stage.shown();
    if words.is_empty() && ["COMPLETED", "FAILED"].contains(&job.state.as_str()) {
        let folder = attempt.folder().to_owned();
        return ExecutorError::Silent {
            stage,
            state,
            folder,
        }
        .into();
    }
    let log = task.log.to_owned();
    ExecutorError::Ended { stage, state, log }.into()
}

fn wait_for_outputs(task: &Task<'_>, attempt: &Attempt) {
    let begun = Instant::now();
    while !tree::is_complete(task, attempt) && begun.elapsed() < OUTPUTS {
        sleep(QUICK);
    }
}
