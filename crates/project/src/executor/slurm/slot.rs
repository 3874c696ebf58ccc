//! The place where the attempts at one stage are: `.ketch/slurm/STAGE/`. A lock says that a ketch
//! is alive that cares for it; `current.json` says which attempt counts.

use std::fmt::Write;
use std::io;

use camino::Utf8PathBuf;
use ketch_dvc::LockFile;
use ketch_store::write_atomically;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::{ExecutorError, Task};
use super::attempt::Attempt;
use crate::paths::{self, read_if_there};
use crate::{Project, ProjectError};

const RECORD: &str = "current.json";
/// Characters of a stage's address in the names of its folder and jobs.
const SHOWN: usize = 40;
/// Random characters in a token.
const RANDOM: usize = 12;

/// The attempts at one stage, which nobody else cares for while this is there.
pub(super) struct Slot {
    folder: Utf8PathBuf,
    _lock: fs_err::File,
}

/// Which attempt counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The token of the attempt.
    attempt: String,
    /// What it was begun with.
    inputs: String,
    /// The id that Slurm gave its job; for people, since another job may have it by now.
    pub(super) job: Option<String>,
    /// Whether its outputs are on their way into the work tree: then they are not all in one place.
    publishing: bool,
}

impl Slot {
    /// Nobody may claim it twice.
    pub(super) fn claim(task: &Task<'_>) -> Result<Self, ProjectError> {
        let address = &task.stage.address;
        let name = format!("{}-{}", slug(address), short_hash(address));
        let folder = attempts_folder(task.project)?.join(name);
        match Self::lock(folder)? {
            Some(slot) => Ok(slot),
            None => Err(ExecutorError::Busy {
                stage: task.stage.shown(),
            }
            .into()),
        }
    }

    /// All that nobody cares for and that has an attempt that counts: a ketch was killed, and no
    /// stage of this run took it up.
    pub(super) fn deserted(project: &Project) -> Result<Vec<Self>, ProjectError> {
        let mut found = Vec::new();
        let folder = attempts_folder(project)?;
        if !folder.is_dir() {
            return Ok(found);
        }
        for entry in folder.read_dir_utf8()? {
            let folder = entry?.into_path();
            if folder.join(RECORD).is_file()
                && let Some(slot) = Self::lock(folder)?
            {
                found.push(slot);
            }
        }
        Ok(found)
    }

    fn lock(folder: Utf8PathBuf) -> Result<Option<Self>, ProjectError> {
        fs_err::create_dir_all(&folder)?;
        let lock = fs_err::File::create(folder.join("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self {
                folder,
                _lock: lock,
            })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// The attempt that counts, if there is one.
    pub(super) fn current(&self) -> Result<Option<(Attempt, Record)>, ProjectError> {
        let Some(text) = read_if_there(&self.folder.join(RECORD))? else {
            return Ok(None);
        };
        // Only ketch writes it; what cannot be read counts for nothing.
        let Ok(record) = serde_json::from_str::<Record>(&text) else {
            return Ok(None);
        };
        let attempt = Attempt::in_folder(self.folder.join(&record.attempt));
        let is_there = attempt.folder().parent() == Some(&*self.folder) && attempt.tree().is_dir();
        Ok(is_there.then_some((attempt, record)))
    }

    /// Makes the folder of a new attempt, which is the one that counts from now on; those before it
    /// are gone.
    pub(super) fn begin(&self, task: &Task<'_>, inputs: &str) -> Result<Attempt, ProjectError> {
        self.clear()?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}-", slug(&task.stage.address)))
            .rand_bytes(RANDOM)
            // As the user's mask has it: Slurm's own user may have to look in.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(&self.folder)?;
        let folder =
            Utf8PathBuf::from_path_buf(folder.keep()).map_err(|path| ProjectError::NotUtf8 {
                path: path.display().to_string(),
            })?;
        let attempt = Attempt::in_folder(folder);
        fs_err::create_dir(attempt.tree())?;
        self.write(&Record {
            attempt: attempt.token().to_owned(),
            inputs: inputs.to_owned(),
            job: None,
            publishing: false,
        })?;
        Ok(attempt)
    }

    /// Writes down which job it is.
    pub(super) fn submitted(&self, attempt: &Attempt, job: &str) -> Result<(), ProjectError> {
        match self.current()? {
            Some((current, record)) if current == *attempt => self.write(&Record {
                job: Some(job.to_owned()),
                ..record
            }),
            _ => Ok(()),
        }
    }

    /// The fence: `publish` is called only for the attempt that counts, and once.
    pub(super) fn publish(
        &self,
        attempt: &Attempt,
        publish: impl FnOnce() -> Result<(), ProjectError>,
    ) -> Result<bool, ProjectError> {
        match self.current()? {
            Some((current, record)) if current == *attempt && !record.publishing => {
                self.write(&Record {
                    publishing: true,
                    ..record
                })?;
            }
            _ => return Ok(false),
        }
        publish()?;
        self.forget()?;
        Ok(true)
    }

    /// No attempt counts any more.
    pub(super) fn forget(&self) -> Result<(), ProjectError> {
        paths::remove(&self.folder.join(RECORD))
    }

    /// Removes what can be removed of all attempts; one that still writes leaves something, which
    /// goes the next time.
    pub(super) fn clear(&self) -> Result<(), ProjectError> {
        self.forget()?;
        for entry in self.folder.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_name() != "lock" {
                let _ = paths::remove(entry.path());
            }
        }
        Ok(())
    }

    fn write(&self, record: &Record) -> Result<(), ProjectError> {
        let text = serde_json::to_vec(record).map_err(io::Error::from)?;
        Ok(write_atomically(&self.folder.join(RECORD), &text)?)
    }
}

impl Record {
    /// Whether it was begun with the same and its outputs are all in its folder.
    pub(super) fn can_be_taken_up(&self, inputs: &str) -> bool {
        self.inputs == inputs && !self.publishing
    }
}

/// A hash of all that decides what a stage makes and how it is asked for.
pub(super) fn inputs_hash(task: &Task<'_>, asked: &[String]) -> String {
    let mut lock = LockFile::empty();
    lock.set_stage(&task.stage.name, task.inputs.clone());
    let mut hash = Sha256::new();
    hash.update(lock.to_text());
    for (name, value) in task.variables {
        hash.update(format!("\0{name}={value}"));
    }
    for argument in asked {
        hash.update(format!("\0{argument}"));
    }
    hex(&hash.finalize())
}

fn attempts_folder(project: &Project) -> Result<Utf8PathBuf, ProjectError> {
    Ok(project.state_dir()?.join("slurm"))
}

/// The text as part of a file's and a job's name.
fn slug(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_.@".contains(character);
    text.chars()
        .map(|character| if plain(character) { character } else { '-' })
        .take(SHOWN)
        .collect()
}

fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text)).chars().take(8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A `String` takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn slot(folder: &Utf8Path) -> Slot {
        Slot::lock(folder.to_owned()).unwrap().unwrap()
    }

    fn attempt(slot: &Slot, token: &str) -> Attempt {
        let attempt = Attempt::in_folder(slot.folder.join(token));
        fs_err::create_dir_all(attempt.tree()).unwrap();
        slot.write(&Record {
            attempt: token.to_owned(),
            inputs: "inputs".to_owned(),
            job: None,
            publishing: false,
        })
        .unwrap();
        attempt
    }

    #[test]
    fn only_the_attempt_that_counts_is_published_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let slot = slot(Utf8Path::from_path(directory.path()).unwrap());
        let first = attempt(&slot, "first");
        let second = attempt(&slot, "second");
        let refused = |attempt: &Attempt| {
            let published = slot.publish(attempt, || panic!("it must not be published"));
            !published.unwrap()
        };
        assert!(refused(&first));
        assert!(slot.publish(&second, || Ok(())).unwrap());
        assert!(refused(&second));
    }

    #[test]
    fn what_was_published_halfway_is_not_taken_up() {
        let directory = tempfile::tempdir().unwrap();
        let slot = slot(Utf8Path::from_path(directory.path()).unwrap());
        let only = attempt(&slot, "only");
        assert!(slot.current().unwrap().unwrap().1.can_be_taken_up("inputs"));
        assert!(!slot.current().unwrap().unwrap().1.can_be_taken_up("others"));
        let fails = || Err(ProjectError::NoScope);
        slot.publish(&only, fails).unwrap_err();
        assert!(!slot.current().unwrap().unwrap().1.can_be_taken_up("inputs"));
    }

    #[test]
    fn a_damaged_record_counts_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let slot = slot(Utf8Path::from_path(directory.path()).unwrap());
        let _ = attempt(&slot, "only");
        for text in [
            "",
            "{",
            "[]",
            r#"{"attempt":"../..","inputs":"","job":null,"publishing":false}"#,
        ] {
            fs_err::write(slot.folder.join(RECORD), text).unwrap();
            assert_eq!(slot.current().unwrap(), None, "{text}");
        }
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(slug("sub/dvc.yaml:fit@a=1,b"), "sub-dvc.yaml-fit@a-1-b");
        assert_eq!(slug(&"x".repeat(100)).len(), SHOWN);
    }
}
