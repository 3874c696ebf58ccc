//! One attempt at a stage: a folder that no other attempt writes into.

use camino::{Utf8Path, Utf8PathBuf};

use super::super::transcript::Transcript;
use crate::ProjectError;
use crate::paths::read_if_there;

/// One attempt at a stage. Its folder, called by a token that no other attempt has, holds
///
/// - `tree/`: what the stage needs of the work tree, where its commands run and write;
/// - `job.sh`, and `slurm.out`, what Slurm has to say of it;
/// - `output-N`: what each command wrote;
/// - `started/`, made by the first start; `abandoned`, made when nobody waits for it any more;
/// - `rc`: how it ended, by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    folder: Utf8PathBuf,
}

/// How an attempt ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: i32,
    /// Of the command that failed, from 0; how many there are if none did.
    pub(super) command: usize,
}

impl Attempt {
    pub(super) fn in_folder(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub(super) fn token(&self) -> &str {
        self.folder.file_name().unwrap_or_default()
    }

    /// What its job is called, like no other.
    pub(super) fn job_name(&self) -> String {
        format!("ketch-{}", self.token())
    }

    pub(super) fn tree(&self) -> Utf8PathBuf {
        self.folder.join("tree")
    }

    pub(super) fn script(&self) -> Utf8PathBuf {
        self.folder.join("job.sh")
    }

    pub(super) fn words(&self) -> Utf8PathBuf {
        self.folder.join("slurm.out")
    }

    /// Nobody waits for it any more; should it begin later, it ends at once.
    pub(super) fn abandon(&self) -> Result<(), ProjectError> {
        fs_err::write(self.folder.join("abandoned"), "")?;
        Ok(())
    }

    /// How it ended, if it did by itself.
    pub(super) fn ending(&self) -> Result<Option<Ending>, ProjectError> {
        let Some(text) = read_if_there(&self.folder.join("rc"))? else {
            return Ok(None);
        };
        Ok(ending(&text, self.token()))
    }
}

fn ending(text: &str, token: &str) -> Option<Ending> {
    let mut fields = text.trim_end().split(' ');
    if fields.next() != Some(token) {
        return None;
    }
    Some(Ending {
        code: fields.next()?.parse().ok()?,
        command: fields.next()?.parse().ok()?,
    })
}

/// Follows what the commands of an attempt write, one after another.
pub(super) struct Output<'a> {
    attempt: &'a Attempt,
    commands: &'a [String],
    current: usize,
    reading: Option<Reading>,
}

struct Reading {
    file: fs_err::File,
    lines: super::super::lines::Lines,
}

impl<'a> Output<'a> {
    pub(super) fn of(attempt: &'a Attempt, commands: &'a [String]) -> Self {
        Self {
            attempt,
            commands,
            current: 0,
            reading: None,
        }
    }

    /// Passes on what is new; whether there was anything.
    pub(super) fn pass_on(&mut self, to: &mut Transcript<'_>) -> Result<bool, ProjectError> {
        let mut any = false;
        while let Some(command) = self.commands.get(self.current) {
            if self.reading.is_none() {
                let Some(file) = self.open(self.current)? else {
                    break;
                };
                to.command(command)?;
                self.reading = Some(Reading {
                    file,
                    lines: super::super::lines::Lines::default(),
                });
            }
            // Looked for before the last of this one is read.
            let is_over = self.file(self.current + 1).exists();
            if let Some(reading) = &mut self.reading {
                any |= reading.drain(to)?;
            }
            if !is_over {
                break;
            }
            self.finish(to);
            self.current += 1;
            any = true;
        }
        Ok(any)
    }

    /// The last line, if it has no end.
    pub(super) fn finish(&mut self, to: &mut Transcript<'_>) {
        if let Some(last) = self
            .reading
            .take()
            .and_then(|reading| reading.lines.finish())
        {
            to.line(&last);
        }
    }

    fn open(&self, number: usize) -> Result<Option<fs_err::File>, ProjectError> {
        match fs_err::File::open(self.file(number)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn file(&self, number: usize) -> Utf8PathBuf {
        self.attempt.folder.join(format!("output-{number}"))
    }
}

impl Reading {
    fn drain(&mut self, to: &mut Transcript<'_>) -> Result<bool, ProjectError> {
        use std::io::Read;
        let mut buffer = [0; 8192];
        let mut any = false;
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(any);
            }
            any = true;
            let bytes = buffer.get(..read).unwrap_or_default();
            self.lines.push(bytes, |line| to.line(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_counts_only_with_its_token() {
        let done = Ending {
            code: 0,
            command: 2,
        };
        assert_eq!(ending("train-x 0 2\n", "train-x"), Some(done));
        assert_eq!(ending("train-y 0 2\n", "train-x"), None);
        for broken in ["", "train-x", "train-x 0", "train-x zero 1"] {
            assert_eq!(ending(broken, "train-x"), None, "{broken:?}");
        }
    }
}
