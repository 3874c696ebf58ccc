//! Slurm by its command line, which has kept its shape for many years: `sbatch`, `squeue`,
//! `sacct`, `scancel`. Every call has an end, since with a dead controller they wait for minutes.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::ExecutorError;

/// How often to look whether a call has ended.
const POLL: Duration = Duration::from_millis(5);

/// What Slurm's programs say when the controller is down or busy (`slurm_strerror` in its source).
const PASSING: [&str; 12] = [
    "unable to contact slurm controller",
    "socket timed out",
    "temporarily unable",
    "resource temporarily unavailable",
    "zero bytes were transmitted",
    "connection refused",
    "connection timed out",
    "connect failure",
    "standby mode",
    "transport endpoint is not connected",
    "unexpected message received",
    "communications connection failure",
];

/// Slurm's programs.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) timeout: Duration,
}

/// A job as Slurm sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) name: String,
    /// `PENDING`, `RUNNING`, `NODE_FAIL`…
    pub(super) state: String,
    /// When it was submitted; another one with the same id has another name or another time.
    pub(super) submitted: String,
    pub(super) nodes: String,
    pub(super) reason: String,
}

/// Why a call did not do what it was for.
#[derive(Debug)]
pub(super) enum CallError {
    /// It will be otherwise in a while.
    Passing(String),
    /// It will not.
    Lasting(ExecutorError),
}

impl Client {
    /// Hands in a script; the id of its job.
    pub(super) fn submit(&self, arguments: &[String]) -> Result<String, CallError> {
        let told = self.call("sbatch", arguments)?;
        // With several clusters the name of one follows.
        let id = told.lines().last().and_then(|line| line.split(';').next());
        match id.map(str::trim) {
            Some(id) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(id.to_owned())
            }
            _ => Err(CallError::Lasting(ExecutorError::Call {
                program: "sbatch",
                message: format!("it told no job id, but `{}`", told.trim()),
            })),
        }
    }

    /// All jobs of these names that the controller knows, also those that are over.
    pub(super) fn jobs(&self, names: &[String]) -> Result<Vec<Job>, CallError> {
        let names = format!("--name={}", names.join(","));
        let told = self.call(
            "squeue",
            &[
                "--noheader",
                "--states=all",
                &names,
                "--format=%i|%j|%T|%V|%N|%r",
            ],
        )?;
        Ok(told.lines().filter_map(queue_line).collect())
    }

    /// How a job of this name ended, if Slurm keeps accounts.
    pub(super) fn accounted(&self, name: &str) -> Result<Option<Job>, CallError> {
        let told = self.call(
            "sacct",
            &[
                "--noheader",
                "--parsable2",
                "--allocations",
                &format!("--name={name}"),
                // Else only today's.
                "--starttime=now-30days",
                "--format=JobID,JobName,State,Submit,NodeList",
            ],
        )?;
        Ok(told.lines().filter_map(account_line).next_back())
    }

    /// Ends all jobs of this name. By name, since an id may be somebody else's by now.
    pub(super) fn cancel(&self, name: &str) -> Result<(), CallError> {
        self.call("scancel", &[format!("--name={name}")]).map(drop)
    }

    /// The standard output of a call.
    fn call<A: AsRef<OsStr>>(
        &self,
        program: &'static str,
        arguments: &[A],
    ) -> Result<String, CallError> {
        let missing = |source| CallError::Lasting(ExecutorError::NoSlurm { program, source });
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C is for ketch, which has to be able to cancel jobs then.
            .process_group(0)
            .spawn()
            .map_err(missing)?;
        let output = read_beside(child.stdout.take());
        let errors = read_beside(child.stderr.take());
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().map_err(missing)? {
                Some(status) => break status,
                None if begun.elapsed() > self.timeout => {
                    end(&mut child);
                    let seconds = self.timeout.as_secs();
                    let message = format!("`{program}` did not answer in {seconds} s");
                    return Err(CallError::Passing(message));
                }
                None => sleep(POLL),
            }
        };
        let (output, errors) = (output(), errors());
        if status.success() {
            return Ok(output);
        }
        let message = errors.trim().to_owned();
        let lower = message.to_lowercase();
        if PASSING.iter().any(|passing| lower.contains(passing)) {
            return Err(CallError::Passing(message));
        }
        let message = if message.is_empty() {
            status.to_string()
        } else {
            message
        };
        Err(CallError::Lasting(ExecutorError::Call { program, message }))
    }
}

/// Reads in a thread, so that a full pipe stops nobody; what it gives waits for the end.
fn read_beside(source: Option<impl Read + Send + 'static>) -> impl FnOnce() -> String {
    let (sender, receiver) = channel();
    spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            let _: io::Result<usize> = source.read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    move || receiver.recv().unwrap_or_default()
}

fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.wait();
}

fn queue_line(line: &str) -> Option<Job> {
    let mut fields = line.splitn(6, '|').map(|field| field.trim().to_owned());
    Some(Job {
        id: fields.next()?,
        name: fields.next()?,
        state: fields.next()?,
        submitted: fields.next()?,
        nodes: fields.next()?,
        reason: fields.next()?,
    })
}

fn account_line(line: &str) -> Option<Job> {
    let mut fields = line.splitn(5, '|').map(|field| field.trim().to_owned());
    Some(Job {
        id: fields.next()?,
        name: fields.next()?,
        // `CANCELLED by 1000`
        state: fields.next()?.split(' ').next()?.to_owned(),
        submitted: fields.next()?,
        nodes: fields.next()?,
        reason: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_squeue_and_sacct_are_read() {
        let job = queue_line("7|ketch-train-x|RUNNING|2026-11-24T04:07:13|n[1-2]|None").unwrap();
        assert_eq!(
            (job.id.as_str(), job.state.as_str(), job.nodes.as_str()),
            ("7", "RUNNING", "n[1-2]")
        );
        let odd = queue_line("7|x|PENDING|N/A||Nodes|required|down").unwrap();
        assert_eq!(odd.reason, "Nodes|required|down");
        assert_eq!(queue_line("slurm_load_jobs error"), None);
        let job = account_line("7|x|CANCELLED by 0|2026-11-24T04:07:13|n1").unwrap();
        assert_eq!(job.state, "CANCELLED");
    }

    #[test]
    fn a_call_without_an_answer_has_an_end() {
        let client = Client {
            timeout: Duration::from_millis(50),
        };
        let error = client.call("sleep", &["60"]).unwrap_err();
        assert!(matches!(error, CallError::Passing(_)), "{error:?}");
        let error = client.call("no-such-program", &["x"]).unwrap_err();
        let CallError::Lasting(error) = error else {
            panic!("{error:?}");
        };
        assert!(error.hint().unwrap().contains("slurm-client"));
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let client = Client {
            timeout: Duration::from_mins(1),
        };
        let fail = |text: &str| {
            let command = format!("echo '{text}' >&2; exit 1");
            client.call("sh", &["-c", &command]).unwrap_err()
        };
        let busy = "squeue: error: Unable to contact slurm controller (connect failure)";
        assert!(matches!(fail(busy), CallError::Passing(_)));
        let wrong = "sbatch: error: invalid partition specified: nope";
        assert!(matches!(fail(wrong), CallError::Lasting(_)));
    }
}
