//! Whose file is it, which schema has it, can it be used?

use std::sync::Barrier;
use std::thread;

use ketch_tracking::{ErrorKind, SCHEMA_VERSION, TrackingError, TrackingStore};
use rusqlite::Connection;

use crate::support::{Place, metric, new_run, shown, start};

#[test]
fn a_new_database_makes_its_directory_and_is_there_next_time() {
    let place = Place::new();
    let path = place.path("deep/er/ketch.db");
    let run = start(&TrackingStore::open(&path).unwrap());
    assert_eq!(
        TrackingStore::open(&path).unwrap().run(&run.id).unwrap(),
        run
    );
    assert_eq!(
        TrackingStore::open_read_only(&path)
            .unwrap()
            .run(&run.id)
            .unwrap(),
        run
    );
}

#[test]
fn a_closed_store_is_one_whole_file() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store);
    assert_eq!(store.run(&run.id).unwrap(), run);
    drop(store);
    let copy = place.path("copy.db");
    fs_err::copy(place.database(), &copy).unwrap();
    assert_eq!(
        TrackingStore::open_read_only(&copy)
            .unwrap()
            .run(&run.id)
            .unwrap(),
        run
    );
}

#[test]
fn an_empty_file_becomes_a_database() {
    let place = Place::new();
    fs_err::write(place.database(), "").unwrap();
    start(&place.open());
}

#[test]
fn other_files_are_refused_and_left_alone() {
    let place = Place::new();
    for content in ["hello", &"not a database at all ".repeat(500)] {
        fs_err::write(place.database(), content).unwrap();
        let error = TrackingStore::open(&place.database()).unwrap_err();
        assert!(
            matches!(error, TrackingError::NotADatabase { .. }),
            "{error}"
        );
        assert_eq!(fs_err::read_to_string(place.database()).unwrap(), content);
    }
    insta::assert_snapshot!(shown(&TrackingStore::open(&place.database()).unwrap_err(), &place), @"
    `[ROOT]/ketch.db` is not a SQLite database
    kind: INTERNAL_ERROR
    hint: check the path; if this was ketch's database, restore it from a backup
    ");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let place = Place::new();
    let other = Connection::open(place.database()).unwrap();
    other
        .execute_batch("CREATE TABLE runs (run_uuid TEXT)")
        .unwrap();
    drop(other);
    let before = fs_err::read(place.database()).unwrap();
    let error = TrackingStore::open(&place.database()).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    `[ROOT]/ketch.db` is a SQLite database of another program
    kind: INTERNAL_ERROR
    hint: point ketch at its own database or at a new file
    ");
    assert!(TrackingStore::open_read_only(&place.database()).is_err());
    assert_eq!(fs_err::read(place.database()).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    let newer = Connection::open(place.database()).unwrap();
    newer.pragma_update(None, "user_version", 999).unwrap();
    drop(newer);
    for open in [TrackingStore::open, TrackingStore::open_read_only] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(&open(&place.database()).unwrap_err(), &place), @"
            `[ROOT]/ketch.db` has schema version 999, newer than this ketch knows: 1
            kind: INTERNAL_ERROR
            hint: update ketch
            ");
        }
    }
    let version: i64 = Connection::open(place.database())
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 999);
}

#[test]
fn reading_makes_and_migrates_nothing() {
    let place = Place::new();
    let error = TrackingStore::open_read_only(&place.database()).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    no tracking database at `[ROOT]/ketch.db`
    kind: INTERNAL_ERROR
    hint: it appears with the first run; check that the path is right
    ");
    assert!(!place.database().exists());

    fs_err::write(place.database(), "").unwrap();
    let error = TrackingStore::open_read_only(&place.database()).unwrap_err();
    assert!(
        matches!(
            error,
            TrackingError::OlderSchema {
                found: 0,
                known: SCHEMA_VERSION,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_store_opened_for_reading_writes_nothing() {
    let place = Place::new();
    let run = start(&place.open());
    let store = TrackingStore::open_read_only(&place.database()).unwrap();
    let error = store
        .log_metrics(&run.id, &[metric("loss", 1.0, 1, 0)])
        .unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    cannot log metrics: `[ROOT]/ketch.db` is open for reading only
    kind: INTERNAL_ERROR
    hint: check the permissions of the file and of its directory
    ");
    assert!(store.create_run(&new_run(run.experiment)).is_err());
}

#[test]
fn a_directory_is_not_a_database() {
    let place = Place::new();
    fs_err::create_dir(place.database()).unwrap();
    let error = TrackingStore::open(&place.database()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.hint().is_some(), "{error}");
}

#[test]
fn a_cut_or_overwritten_file_is_an_error_and_never_a_panic() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store);
    let points: Vec<_> = (0..2_000)
        .map(|step| metric("loss", 0.5, step, step))
        .collect();
    store.log_metrics(&run.id, &points).unwrap();
    drop(store);
    let whole = fs_err::read(place.database()).unwrap();
    let mut failed = 0;
    for part in 1..40 {
        let cut = whole.len() * part / 40;
        let mut overwritten = whole.clone();
        overwritten[cut..]
            .iter_mut()
            .take(700)
            .for_each(|byte| *byte = 0xA5);
        for content in [&whole[..cut], &overwritten] {
            fs_err::write(place.database(), content).unwrap();
            for leftover in ["ketch.db-wal", "ketch.db-shm"] {
                let _ = fs_err::remove_file(place.path(leftover));
            }
            let outcome = TrackingStore::open(&place.database()).and_then(|store| {
                store.runs(run.experiment)?;
                store.metric_history(&run.id, "loss")?;
                store.log_metrics(&run.id, &points)
            });
            if let Err(error) = outcome {
                failed += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(failed > 20, "only {failed} of 78 damages were seen");
}

#[test]
fn rows_that_we_cannot_have_written_are_damage() {
    for damage in [
        "UPDATE runs SET run_id = 'zzz'",
        "UPDATE runs SET user = CAST(x'ff00fe' AS TEXT)",
        "UPDATE tags SET value = CAST(x'ff00fe' AS TEXT)",
        "PRAGMA foreign_keys = OFF; UPDATE runs SET experiment = -1",
    ] {
        let place = Place::new();
        let run = start(&place.open());
        Connection::open(place.database())
            .unwrap()
            .execute_batch(damage)
            .unwrap();
        let store = TrackingStore::open_read_only(&place.database()).unwrap();
        let damaged = [store.run(&run.id).err(), store.runs(run.experiment).err()]
            .into_iter()
            .flatten()
            .any(|error| matches!(error, TrackingError::Damaged { .. }));
        assert!(damaged, "{damage}");
    }
}

#[test]
fn many_threads_may_make_the_same_database_at_once() {
    for _ in 0..10 {
        let place = Place::new();
        let ready = Barrier::new(6);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    ready.wait();
                    let store = place.open();
                    store.get_or_create_experiment("rain", 1).unwrap();
                });
            }
        });
        assert_eq!(place.open().experiments().unwrap().len(), 1);
    }
}
