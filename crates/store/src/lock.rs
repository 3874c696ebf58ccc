//! DVC's repository lock: an advisory lock on `.dvc/tmp/lock`, with the holder's process id inside.

use std::io::{Read, Seek, Write};
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};
use rustix::fs::{FlockOperation, flock};

use crate::StoreError;
use crate::leftovers::Unfinished;

const ATTEMPTS: u32 = 6;
const WAIT: Duration = Duration::from_millis(500);

/// Held while a repository is being changed; released when dropped or when the process dies.
#[derive(Debug)]
pub struct RepoLock {
    file: File,
    path: Utf8PathBuf,
    /// Nothing for a lock on another file.
    unfinished: Option<Unfinished>,
}

impl RepoLock {
    /// Takes the lock of the repository whose `.dvc` directory this is.
    ///
    /// Tries six times over three seconds, as DVC does, then says who holds it.
    pub fn acquire(dvc_directory: &Utf8Path) -> Result<Self, StoreError> {
        let mut lock = Self::on(dvc_directory.join("tmp/lock"))?;
        lock.unfinished = Some(Unfinished::begin(dvc_directory)?);
        Ok(lock)
    }

    /// The same kind of lock on another file.
    pub(crate) fn on(path: Utf8PathBuf) -> Result<Self, StoreError> {
        fs_err::create_dir_all(crate::atomic::parent(&path))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        for attempt in 1..=ATTEMPTS {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    file.set_len(0)?;
                    file.rewind()?;
                    writeln!(file, " {}", std::process::id())?;
                    return Ok(Self {
                        file,
                        path,
                        unfinished: None,
                    });
                }
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                    if attempt < ATTEMPTS {
                        sleep(WAIT);
                    }
                }
                Err(errno) => {
                    let error = std::io::Error::from(errno);
                    return Err(crate::atomic::named(&path, "lock", &error).into());
                }
            }
        }
        let holder = holder(&mut file);
        Err(StoreError::Locked { path, holder })
    }

    /// Whether a process that had the lock before was killed, and may have left something behind.
    pub fn after_a_kill(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|mark| mark.found)
    }

    /// Where the lock file is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for RepoLock {
    fn drop(&mut self) {
        // While nobody else can look for it.
        self.unfinished = None;
        // A child that inherited the descriptor would otherwise keep the lock.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(64).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_holder_is_told_who_has_it() {
        let guard = tempfile::tempdir().unwrap();
        let dvc = Utf8Path::from_path(guard.path()).unwrap().join(".dvc");
        let first = RepoLock::acquire(&dvc).unwrap();
        let text = fs_err::read_to_string(first.path()).unwrap();
        assert_eq!(text, format!(" {}\n", std::process::id()));

        let error = RepoLock::acquire(&dvc).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        assert!(error.hint().is_some());

        drop(first);
        RepoLock::acquire(&dvc).unwrap();
        assert!(
            dvc.join("tmp/lock").exists(),
            "the file stays, as DVC expects"
        );
    }
}
