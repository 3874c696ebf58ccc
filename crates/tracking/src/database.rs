//! Opening the file: whose is it, which schema has it, and bringing it up to date.

use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::TrackingError;

/// The schema that this build reads and writes: the number of its migrations.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// Each step in order. A released one is never changed: a new one is added.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_initial.sql")];

/// Marks a `SQLite` file as ketch's ("ketc" in ASCII).
const APPLICATION_ID: i32 = 0x6b65_7463;

/// How long a call waits for another process that is writing. A write takes milliseconds; whoever
/// holds the lock for this long hangs or sits on a stalled disk.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// What a closure that talks to the database may fail with. `?` works on both; the place that
/// knows the path and the action makes the error whole.
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Tracking(TrackingError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<TrackingError> for Failure {
    fn from(error: TrackingError) -> Self {
        Self::Tracking(error)
    }
}

impl Failure {
    pub(crate) fn at(self, path: &Utf8Path, action: &'static str) -> TrackingError {
        let source = match self {
            Self::Tracking(error) => return error,
            Self::Sql(source) => source,
        };
        let path = path.to_owned();
        if is_conversion(&source) {
            return TrackingError::Damaged {
                path,
                action,
                source,
            };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => TrackingError::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => TrackingError::Damaged {
                path,
                action,
                source,
            },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                TrackingError::Busy { path, action }
            }
            Some(ErrorCode::ReadOnly) => TrackingError::ReadOnly { path, action },
            _ => TrackingError::Database {
                path,
                action,
                source,
            },
        }
    }
}

/// A stored value that is not what only we could have written there.
fn is_conversion(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// Opens for writing: makes the file, or brings its schema up to date.
pub(crate) fn open_writer(path: &Utf8Path) -> Result<Connection, TrackingError> {
    let action = "open the tracking database";
    if let Some(directory) = path.parent() {
        fs_err::create_dir_all(directory).map_err(|source| TrackingError::Directory {
            path: path.to_owned(),
            source,
        })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection =
        connect(path, flags).map_err(|error| Failure::Sql(error).at(path, action))?;
    if connection.is_readonly("main").unwrap_or(false) {
        return Err(TrackingError::ReadOnly {
            path: path.to_owned(),
            action,
        });
    }
    // Before anything is written: is this file ours, and do we know its schema?
    check(&mut connection, path).map_err(|failure| failure.at(path, action))?;
    switch_to_write_ahead_log(&connection, path).map_err(|failure| failure.at(path, action))?;
    migrate(&mut connection, path, MIGRATIONS)
        .map_err(|failure| failure.at(path, "migrate the tracking database"))?;
    Ok(connection)
}

/// Opens for reading a file that has exactly our schema.
pub(crate) fn open_reader(path: &Utf8Path) -> Result<Connection, TrackingError> {
    let action = "open the tracking database";
    if !path.exists() {
        return Err(TrackingError::NoDatabase {
            path: path.to_owned(),
        });
    }
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| Failure::Sql(error).at(path, action))?;
    let found = check(&mut connection, path).map_err(|failure| failure.at(path, action))?;
    if found < SCHEMA_VERSION {
        let path = path.to_owned();
        return Err(TrackingError::OlderSchema {
            path,
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(connection)
}

fn connect(path: &Utf8Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // A relative name such as `:memory:` means something else to SQLite, unless it has a directory.
    let path = if path.is_relative() {
        Utf8Path::new(".").join(path)
    } else {
        Utf8PathBuf::from(path)
    };
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The schema version of a file that is empty or ours.
fn check(connection: &mut Connection, path: &Utf8Path) -> Result<u32, Failure> {
    // One transaction: another process may be making the database this very moment.
    let snapshot = connection.transaction()?;
    let application: i32 = snapshot.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let objects: i64 =
        snapshot.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let version = version(&snapshot)?;
    snapshot.commit()?;
    let path = path.to_owned();
    let ours = application == APPLICATION_ID || (application == 0 && objects == 0);
    if !ours || version < 0 {
        return Err(TrackingError::ForeignDatabase { path }.into());
    }
    if version > i64::from(SCHEMA_VERSION) {
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(TrackingError::NewerSchema {
            path,
            found,
            known: SCHEMA_VERSION,
        }
        .into());
    }
    Ok(u32::try_from(version).unwrap_or(0))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Readers then never wait for a writer, nor a writer for readers. The mode stays in the file.
fn switch_to_write_ahead_log(connection: &Connection, path: &Utf8Path) -> Result<(), Failure> {
    // SQLite does not wait by itself here: two processes that both make the database would each
    // hold what the other needs.
    let give_up = Instant::now() + BUSY_TIMEOUT;
    loop {
        let outcome = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match outcome {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(TrackingError::NoWriteAheadLog {
                    path: path.to_owned(),
                    mode,
                }
                .into());
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < give_up =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Runs the steps that the file has not seen, all or none.
fn migrate(
    connection: &mut Connection,
    path: &Utf8Path,
    migrations: &[&str],
) -> Result<(), Failure> {
    let known = migrations.len() as i64;
    if version(connection)? == known {
        return Ok(());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The write lock first, then look again: another process may have migrated meanwhile.
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&step)?;
    if found > known {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        let path = path.to_owned();
        return Err(TrackingError::NewerSchema {
            path,
            found,
            known: known as u32,
        }
        .into());
    }
    for migration in migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
        step.execute_batch(migration)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID)?;
    step.pragma_update(None, "user_version", known)?;
    step.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> i64 {
        connection
            .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn a_migration_runs_what_is_missing_and_only_that() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Utf8Path::new("x");
        let one = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
        let two = "ALTER TABLE a ADD COLUMN y;";
        migrate(&mut connection, path, &[one]).ok().unwrap();
        migrate(&mut connection, path, &[one, two]).ok().unwrap();
        migrate(&mut connection, path, &[one, two]).ok().unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
        let rows: i64 = connection
            .query_row("SELECT count(*) FROM a WHERE y IS NULL", [], |r| r.get(0))
            .unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Utf8Path::new("x");
        let steps = [
            "CREATE TABLE a (x);",
            "CREATE TABLE b (x); CREATE TABLE b (x);",
        ];
        assert!(migrate(&mut connection, path, &steps).is_err());
        assert_eq!((version(&connection).unwrap(), tables(&connection)), (0, 0));
    }
}
