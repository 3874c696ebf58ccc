//! The store: one connection that writes, a few that read.

use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::database::{self, Failure};
use crate::error::TrackingError;

/// Idle connections kept for the next readers.
const IDLE_READERS: usize = 4;

/// Experiments, runs and the model registry of one project.
///
/// All calls are synchronous, take `&self` and may come from many threads and many processes at
/// once. Each is one transaction: it happens wholly or not at all. Writers take turns; readers
/// wait for nobody and see one moment in time.
///
/// # What survives
///
/// Whatever a call has acknowledged survives the death of the process (`kill -9`). Against a power
/// cut there are two levels. Params, metrics and tags are written with `synchronous=NORMAL`: they
/// come by the thousand, and the last moments of them may be lost with the machine that was
/// training. Whatever is acted upon later (experiments, the start and end of a run, lineage, the
/// registry, aliases) is written with `synchronous=FULL`, which also makes everything logged
/// before it safe. So a finished run is on the disk with all its metrics.
#[derive(Debug)]
pub struct TrackingStore {
    path: Utf8PathBuf,
    readers: Mutex<Vec<Connection>>,
    /// `None` when opened for reading. After `readers`, so that it closes last: the last connection
    /// that may write folds the log into the file, which is then whole by itself.
    writer: Option<Mutex<Connection>>,
    /// Where the identifiers of new runs come from; random without one.
    pub(crate) seed: Option<u64>,
}

/// What an acknowledged write has to outlive; see [`TrackingStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlives {
    Process,
    PowerCut,
}

impl TrackingStore {
    /// Opens the database at `path` for reading and writing. Makes it (and its directory) if it is
    /// missing and brings an older schema up to date.
    ///
    /// # Errors
    ///
    /// When the file is not a `SQLite` database, is another program's, or has a schema newer than
    /// [`crate::SCHEMA_VERSION`]; it is then left as it is.
    pub fn open(path: &Utf8Path) -> Result<Self, TrackingError> {
        let writer = database::open_writer(path)?;
        let path = path.to_owned();
        Ok(Self {
            path,
            writer: Some(Mutex::new(writer)),
            readers: Mutex::default(),
            seed: None,
        })
    }

    /// The same store, in which the identifiers of new runs follow from a seed and the number of
    /// runs: for tests, whose output must be the same every time.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// Opens an existing database for reading; every write fails with
    /// [`TrackingError::ReadOnly`].
    ///
    /// # Errors
    ///
    /// As [`TrackingStore::open`], and when the file is missing or its schema is older.
    pub fn open_read_only(path: &Utf8Path) -> Result<Self, TrackingError> {
        let reader = database::open_reader(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: None,
            readers: Mutex::new(vec![reader]),
            seed: None,
        })
    }

    /// Where the database is.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Runs `work` on one moment of the database. `action` completes "cannot …".
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, TrackingError> {
        let idle = lock(&self.readers).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => database::open_reader(&self.path)?,
        };
        let outcome = (|| {
            let moment = reader.transaction()?;
            let value = work(&moment)?;
            moment.commit()?;
            Ok(value)
        })();
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        drop(readers);
        outcome.map_err(|failure: Failure| failure.at(&self.path, action))
    }

    /// Runs `work` as one change: all of it, or on an error none. `action` completes "cannot …".
    pub(crate) fn write<T>(
        &self,
        outlives: Outlives,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, TrackingError> {
        let Some(writer) = &self.writer else {
            return Err(TrackingError::ReadOnly {
                path: self.path.clone(),
                action,
            });
        };
        let mut writer = lock(writer);
        let outcome = (|| {
            let level = match outlives {
                Outlives::Process => "NORMAL",
                Outlives::PowerCut => "FULL",
            };
            writer.pragma_update(None, "synchronous", level)?;
            // The write lock is taken at the start, where waiting for another process is possible;
            // a change from reading to writing half-way would fail at once.
            let change = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&change)?;
            change.commit()?;
            Ok(value)
        })();
        drop(writer);
        outcome.map_err(|failure: Failure| failure.at(&self.path, action))
    }
}

/// A panic while the lock was held has rolled its transaction back; the connection is good.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(change: &Connection) -> Result<i64, Failure> {
        Ok(change.pragma_query_value(None, "synchronous", |row| row.get(0))?)
    }

    #[test]
    fn writes_are_as_durable_as_they_say() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("ketch.db");
        let store = TrackingStore::open(&path).unwrap();
        for _ in 0..2 {
            assert_eq!(
                store
                    .write(Outlives::PowerCut, "test", |change| level(change))
                    .unwrap(),
                2
            );
            assert_eq!(
                store
                    .write(Outlives::Process, "test", |change| level(change))
                    .unwrap(),
                1
            );
        }
    }

    #[test]
    fn a_panic_inside_a_change_undoes_it_and_the_store_lives_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("ketch.db");
        let store = TrackingStore::open(&path).unwrap();
        let insert = "INSERT INTO metric_keys (name) VALUES ('loss')";
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            store.write(Outlives::Process, "test", |change| -> Result<(), Failure> {
                change.execute(insert, [])?;
                panic!("on purpose");
            })
        }));
        assert!(panic.is_err());
        let keys = |c: &Connection| -> Result<i64, Failure> {
            Ok(c.query_row("SELECT count(*) FROM metric_keys", [], |row| row.get(0))?)
        };
        assert_eq!(store.read("test", keys).unwrap(), 0);
        store
            .write(Outlives::Process, "test", |c| Ok(c.execute(insert, [])?))
            .unwrap();
        assert_eq!(store.read("test", keys).unwrap(), 1);
    }

    #[test]
    fn many_readers_leave_few_idle_connections() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("ketch.db");
        let store = TrackingStore::open(&path).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| store.read("test", level).unwrap());
            }
        });
        assert!(lock(&store.readers).len() <= IDLE_READERS);
    }
}
