//! Many files out of Git's object store through one `git` process.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::ImportError;
use crate::{Git, ProjectError};

/// Largest file about data that is read, in bytes.
const LARGEST_TEXT: u64 = 256 << 20;

/// `git cat-file --batch`: one question, one answer, and so on.
pub(super) struct BlobReader {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl BlobReader {
    pub(super) fn open(git: &Git) -> Result<Self, ProjectError> {
        let mut child = git
            .command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| ProjectError::GitUnavailable { source })?;
        let questions = child.stdin.take();
        let Some(answers) = child.stdout.take() else {
            return Err(broken(std::io::Error::other("no pipe")).into());
        };
        Ok(Self {
            child,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// Writes the file's bytes into `sink`. After an error of `sink` nothing more can be read.
    pub(super) fn copy(&mut self, id: &str, sink: &mut dyn Write) -> Result<u64, ProjectError> {
        let size = self.ask(id)?;
        let mut left = (&mut self.answers).take(size);
        let copied = std::io::copy(&mut left, sink)?;
        if copied != size {
            return Err(broken(std::io::ErrorKind::UnexpectedEof.into()).into());
        }
        let mut end = [0];
        self.answers.read_exact(&mut end).map_err(broken)?;
        Ok(size)
    }

    /// A file of text.
    pub(super) fn text(&mut self, id: &str, size: Option<u64>) -> Result<String, ProjectError> {
        let invalid = || broken(std::io::Error::other(format!("blob {id} is no text")));
        if size.is_some_and(|size| size > LARGEST_TEXT) {
            return Err(invalid().into());
        }
        let mut bytes = Vec::new();
        self.copy(id, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| invalid().into())
    }

    /// Returns the size of the blob whose bytes come next.
    fn ask(&mut self, id: &str) -> Result<u64, ProjectError> {
        let Some(questions) = &mut self.questions else {
            return Err(broken(std::io::ErrorKind::BrokenPipe.into()).into());
        };
        writeln!(questions, "{id}")
            .and_then(|()| questions.flush())
            .map_err(broken)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(broken)?;
        let words: Vec<&str> = answer.split_whitespace().collect();
        match words[..] {
            [_, "blob", size] => size
                .parse()
                .map_err(|_| broken(std::io::Error::other(answer.clone())).into()),
            _ => Err(broken(std::io::Error::other(format!("`git cat-file`: {answer}"))).into()),
        }
    }
}

impl Drop for BlobReader {
    fn drop(&mut self) {
        // The end of the questions ends it, unless it is in the middle of an answer.
        self.questions = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn broken(source: std::io::Error) -> ImportError {
    ImportError::Pipe { source }
}
