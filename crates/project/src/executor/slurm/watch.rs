//! What Slurm says of all jobs of a run, asked once for all of them and not too often.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::ExecutorError;
use super::client::{CallError, Client, Job};

/// How long after something changed the controller is asked, and how long at most if nothing does.
const EAGER: Duration = Duration::from_secs(1);
const CALM: Duration = Duration::from_secs(15);

/// The jobs of a run.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// By name; none before the controller was asked for the first time.
    jobs: BTreeMap<String, Option<Sight>>,
    due: Instant,
    interval: Duration,
    /// Whether somebody is asking right now.
    asking: bool,
    /// Why the controller does not answer.
    silence: Option<String>,
    /// Whether it ever did not.
    was_silent: bool,
}

/// What is known of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// Usually one; two where a submission was answered too late.
    pub(super) jobs: Vec<Job>,
    /// How often in a row the controller did not know it.
    pub(super) absent: u32,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            seen: Mutex::new(Seen {
                jobs: BTreeMap::new(),
                due: Instant::now(),
                interval: EAGER,
                asking: false,
                silence: None,
                was_silent: false,
            }),
        }
    }

    /// Asks for this job from now on.
    pub(super) fn begin(&self, name: &str) {
        let mut seen = self.lock();
        seen.jobs.insert(name.to_owned(), None);
        seen.interval = EAGER;
        seen.due = seen.due.min(Instant::now() + EAGER);
    }

    pub(super) fn end(&self, name: &str) {
        self.lock().jobs.remove(name);
    }

    /// What was last heard of a job; asks where it is time to. The text says why nothing is heard.
    pub(super) fn look(
        &self,
        client: &Client,
        name: &str,
    ) -> Result<(Option<Sight>, Option<String>), ExecutorError> {
        let mut seen = self.lock();
        if !seen.asking && Instant::now() >= seen.due {
            seen.asking = true;
            let names: Vec<String> = seen.jobs.keys().cloned().collect();
            drop(seen);
            let answer = client.jobs(&names);
            seen = self.lock();
            seen.asking = false;
            let lasting = seen.hear(&names, answer);
            seen.due = Instant::now() + seen.interval;
            lasting?;
        }
        let sight = seen.jobs.get(name).cloned().flatten();
        Ok((sight, seen.silence.clone()))
    }

    /// Somebody else found the controller silent.
    pub(super) fn found_silent(&self) {
        self.lock().was_silent = true;
    }

    /// Whether the controller was away. If it was started anew, it may have given the id of a job
    /// that it forgot to another one, and take the end of the first for the end of the second.
    pub(super) fn was_silent(&self) -> bool {
        self.lock().was_silent
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn hear(
        &mut self,
        names: &[String],
        answer: Result<Vec<Job>, CallError>,
    ) -> Result<(), ExecutorError> {
        let found = match answer {
            Ok(found) => found,
            Err(CallError::Passing(message)) => {
                self.silence = Some(message);
                self.was_silent = true;
                self.interval = (self.interval * 2).min(CALM);
                return Ok(());
            }
            Err(CallError::Lasting(error)) => return Err(error),
        };
        self.silence = None;
        let mut changed = false;
        for name in names {
            // It may have ended meanwhile.
            let Some(sight) = self.jobs.get_mut(name) else {
                continue;
            };
            let jobs: Vec<Job> = found
                .iter()
                .filter(|job| job.name == *name)
                .cloned()
                .collect();
            let before = sight.take().unwrap_or_default();
            let absent = if jobs.is_empty() {
                before.absent + 1
            } else {
                0
            };
            changed |= jobs != before.jobs || absent > 0;
            *sight = Some(Sight { jobs, absent });
        }
        self.interval = if changed {
            EAGER
        } else {
            (self.interval * 3 / 2).min(CALM)
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, name: &str) -> Job {
        Job {
            id: id.to_owned(),
            name: name.to_owned(),
            state: "RUNNING".to_owned(),
            submitted: String::new(),
            nodes: String::new(),
            reason: String::new(),
        }
    }

    fn names() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[test]
    fn an_id_that_now_has_another_name_is_not_ours() {
        let watch = Watch::new();
        watch.begin("a");
        watch.begin("b");
        let mut seen = watch.lock();
        seen.hear(&names(), Ok(vec![job("1", "a"), job("2", "b")]))
            .unwrap();
        seen.hear(&names(), Ok(vec![job("1", "b")])).unwrap();
        assert_eq!(seen.jobs["a"].as_ref().unwrap().absent, 1);
        assert_eq!(seen.jobs["b"].as_ref().unwrap().jobs, [job("1", "b")]);
    }

    #[test]
    fn silence_says_nothing_of_a_job_and_is_asked_into_ever_less_often() {
        let watch = Watch::new();
        watch.begin("a");
        let mut seen = watch.lock();
        for _ in 0..10 {
            let silent = CallError::Passing("busy".to_owned());
            seen.hear(&names(), Err(silent)).unwrap();
        }
        assert_eq!(seen.jobs["a"], None);
        assert_eq!(seen.interval, CALM);
        assert_eq!(seen.silence.as_deref(), Some("busy"));
    }
}
