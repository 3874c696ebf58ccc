//! DVC's list of paths in use, `.dvc/tmp/rwlock`: what keeps two runs of a stage apart while the
//! repository lock is free.
//!
//! JSON, `{"write": {PATH: {"pid", "cmd"}}, "read": {PATH: [{"pid", "cmd"}]}}`, edited under a lock
//! on `rwlock.lock`. A path is in use if it, something in it or something around it is listed by a
//! process that lives.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::{Durability, RepoLock, StoreError, write_atomically_with};

/// Paths that are in use until this is dropped.
#[derive(Debug)]
pub struct PathLock {
    directory: Utf8PathBuf,
    holder: Holder,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    cmd: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    write: BTreeMap<Utf8PathBuf, Holder>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    read: BTreeMap<Utf8PathBuf, Vec<Holder>>,
}

/// What this very process holds. In a container every start may have the same process id, so an
/// entry with our id that is not in here was left behind by somebody before us.
static HELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// The bytes of a list of nothing, `{}`.
const EMPTY: u64 = 2;
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl PathLock {
    /// Lists paths (absolute) as read and as written, unless somebody is at work on them.
    ///
    /// `command` is what others are told. Entries of dead processes are dropped on the way.
    pub fn acquire(
        dvc_directory: &Utf8Path,
        command: &str,
        read: &[Utf8PathBuf],
        write: &[Utf8PathBuf],
    ) -> Result<Self, StoreError> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let holder = Holder {
            pid: std::process::id(),
            cmd: format!("{command} #{number}"),
        };
        let lock = Self {
            directory: dvc_directory.join("tmp"),
            holder: holder.clone(),
        };
        // Known as alive before anybody can see the entries; a failure takes both back.
        held().insert(holder.cmd.clone());
        edit(&lock.directory, |list, path| {
            list.drop_dead();
            list.refuse_overlaps(path, read, write)?;
            for path in read {
                list.read
                    .entry(path.clone())
                    .or_default()
                    .push(holder.clone());
            }
            for path in write {
                list.write.insert(path.clone(), holder.clone());
            }
            Ok(())
        })?;
        Ok(lock)
    }
}

impl PathLock {
    /// Fails if somebody is at work on paths that are to be read or written, as
    /// [`acquire`](Self::acquire) does, and lists nothing.
    ///
    /// That is enough for who holds the lock of the repository until it is done: nobody begins
    /// meanwhile.
    pub fn refuse_in_use(
        dvc_directory: &Utf8Path,
        read: &[Utf8PathBuf],
        write: &[Utf8PathBuf],
    ) -> Result<(), StoreError> {
        let directory = dvc_directory.join("tmp");
        let path = directory.join("rwlock");
        // Who lists something holds the lock of the repository, so an empty list stays empty.
        if fs_err::metadata(&path).is_ok_and(|found| found.len() <= EMPTY) {
            return Ok(());
        }
        let _guard = RepoLock::on(directory.join("rwlock.lock"))?;
        let mut list = load(&path)?;
        list.drop_dead();
        list.refuse_overlaps(&path, read, write)
    }
}

impl Drop for PathLock {
    fn drop(&mut self) {
        // Should this fail, the entries go with the process.
        let _ = edit(&self.directory, |list, _| {
            list.retain(|holder| *holder != self.holder);
            Ok(())
        });
        held().remove(&self.holder.cmd);
    }
}

impl List {
    fn retain(&mut self, keep: impl Fn(&Holder) -> bool) {
        self.write.retain(|_, holder| keep(holder));
        for holders in self.read.values_mut() {
            holders.retain(&keep);
        }
        self.read.retain(|_, holders| !holders.is_empty());
    }

    fn drop_dead(&mut self) {
        let held = held();
        self.retain(|holder| {
            if holder.pid == std::process::id() {
                held.contains(&holder.cmd)
            } else {
                lives(holder.pid)
            }
        });
    }

    /// A reader suffers no writer, a writer nobody.
    fn refuse_overlaps(
        &self,
        list: &Utf8Path,
        read: &[Utf8PathBuf],
        write: &[Utf8PathBuf],
    ) -> Result<(), StoreError> {
        let writers = self.write.iter();
        let readers = self
            .read
            .iter()
            .flat_map(|(path, holders)| holders.iter().map(move |one| (path, one)));
        let refused = writers
            .filter(|(path, _)| read.iter().chain(write).any(|wanted| overlap(wanted, path)))
            .chain(readers.filter(|(path, _)| write.iter().any(|wanted| overlap(wanted, path))))
            .next();
        match refused {
            None => Ok(()),
            Some((path, holder)) => Err(StoreError::Busy {
                path: path.clone(),
                process: holder.pid,
                command: holder.cmd.clone(),
                list: list.to_owned(),
            }),
        }
    }
}

/// What is listed; nothing where there is no list.
fn load(path: &Utf8Path) -> Result<List, StoreError> {
    match fs_err::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| StoreError::LockList {
            path: path.to_owned(),
            source,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(List::default()),
        Err(error) => Err(error.into()),
    }
}

fn edit(
    directory: &Utf8Path,
    change: impl FnOnce(&mut List, &Utf8Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let path = directory.join("rwlock");
    let _guard = RepoLock::on(directory.join("rwlock.lock"))?;
    let mut list = load(&path)?;
    change(&mut list, &path)?;
    let bytes = serde_json::to_vec(&list).map_err(|source| StoreError::LockList {
        path: path.clone(),
        source,
    })?;
    Ok(write_atomically_with(&path, &bytes, Durability::Buffered)?)
}

fn held() -> MutexGuard<'static, BTreeSet<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is such a process on this machine.
pub(crate) fn lives(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // Somebody else's process may not be asked, but it is there.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn overlap(left: &Utf8Path, right: &Utf8Path) -> bool {
    left.starts_with(right) || right.starts_with(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(list: &[&str]) -> Vec<Utf8PathBuf> {
        list.iter().map(Utf8PathBuf::from).collect()
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let guard = tempfile::tempdir().unwrap();
        let dvc = Utf8Path::from_path(guard.path()).unwrap();
        PathLock::refuse_in_use(dvc, &paths(&["/p/in"]), &paths(&["/p/out"])).unwrap();
        let first = PathLock::acquire(dvc, "one", &paths(&["/p/in"]), &paths(&["/p/out"])).unwrap();
        let second =
            PathLock::acquire(dvc, "two", &paths(&["/p/in"]), &paths(&["/p/other"])).unwrap();
        for (read, write) in [
            (&[][..], &["/p/out/x"][..]),
            (&["/p/out"], &[]),
            (&[], &["/p/in"]),
            (&["/p"], &[]),
        ] {
            let error = PathLock::acquire(dvc, "x", &paths(read), &paths(write)).unwrap_err();
            assert!(matches!(error, StoreError::Busy { .. }), "{error}");
            assert!(error.hint().unwrap().contains("rwlock"));
        }
        PathLock::acquire(dvc, "x", &[], &paths(&["/p/output"])).unwrap();
        drop(first);
        PathLock::acquire(dvc, "x", &paths(&["/p/out"]), &[]).unwrap();
        drop(second);
        assert_eq!(
            fs_err::read_to_string(dvc.join("tmp/rwlock")).unwrap(),
            "{}"
        );
    }

    #[test]
    fn entries_of_the_dead_are_dropped() {
        let guard = tempfile::tempdir().unwrap();
        let dvc = Utf8Path::from_path(guard.path()).unwrap();
        fs_err::create_dir_all(dvc.join("tmp")).unwrap();
        let ours = std::process::id();
        let left = format!(
            "{{\"write\": {{\"/p/a\": {{\"pid\": 2147483646, \"cmd\": \"dvc repro\"}}, \"/p/b\": {{\"pid\": {ours}, \"cmd\": \"ketch #0\"}}}}, \"read\": {{}}}}"
        );
        fs_err::write(dvc.join("tmp/rwlock"), left).unwrap();
        PathLock::acquire(dvc, "x", &[], &paths(&["/p/a", "/p/b"])).unwrap();

        let alive = "{\"write\": {\"/p/a\": {\"pid\": 1, \"cmd\": \"dvc repro\"}}}";
        fs_err::write(dvc.join("tmp/rwlock"), alive).unwrap();
        let refused = PathLock::refuse_in_use(dvc, &paths(&["/p/a/b"]), &[]).unwrap_err();
        assert!(matches!(refused, StoreError::Busy { .. }), "{refused}");
        PathLock::refuse_in_use(dvc, &paths(&["/p/b"]), &paths(&["/p/c"])).unwrap();
        let error = PathLock::acquire(dvc, "x", &[], &paths(&["/p/a"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/p/a` is in use by process 1: `dvc repro`"
        );

        fs_err::write(dvc.join("tmp/rwlock"), "{broken").unwrap();
        let error = PathLock::acquire(dvc, "x", &[], &[]).unwrap_err();
        assert!(matches!(error, StoreError::LockList { .. }), "{error}");
    }
}
