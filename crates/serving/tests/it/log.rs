//! The prediction log keeps what it says it keeps, and never blocks.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use ketch_serving::{LogOptions, PredictionLog, PredictionRecord, Recorded, read_predictions};
use proptest::prelude::*;

use crate::support::{Room, infer, names, record, record_columns, request, serving};

fn options(roll_rows: usize) -> LogOptions {
    LogOptions {
        roll_rows,
        ..LogOptions::default()
    }
}

fn records(numbers: std::ops::Range<u32>) -> Vec<PredictionRecord> {
    numbers.map(record).collect()
}

fn write(log: &PredictionLog, numbers: std::ops::Range<u32>) {
    for record in records(numbers) {
        assert_eq!(log.record(record), Recorded::Queued);
    }
    log.flush().unwrap();
}

fn open(room: &Room, roll_rows: usize) -> (PredictionLog, Vec<PredictionRecord>) {
    PredictionLog::open(&room.predictions(), &record_columns(), options(roll_rows)).unwrap()
}

#[test]
fn what_is_written_is_read_again_across_parts_and_restarts() {
    let room = Room::new();
    let (log, before) = open(&room, 100);
    assert_eq!(before, []);
    write(&log, 0..250);
    write(&log, 250..330);
    assert_eq!(
        names(&room.predictions()),
        ["part-000000000000.parquet", "part-000000000250.segment"],
        "a batch is in one part"
    );
    let (columns, read) = read_predictions(&room.predictions()).unwrap();
    assert_eq!((columns, read), (record_columns(), records(0..330)));
    assert_eq!(
        (log.statistics().written, log.statistics().dropped),
        (330, 0)
    );
    drop(log);
    assert_eq!(
        names(&room.predictions())[1],
        "part-000000000250.parquet",
        "a clean end leaves no segment"
    );
    let (log, before) = open(&room, 100);
    assert_eq!(before, records(0..330));
    write(&log, 330..400);
    drop(log);
    assert_eq!(
        read_predictions(&room.predictions()).unwrap().1,
        records(0..400)
    );
}

#[test]
fn no_folder_is_an_empty_log() {
    let room = Room::new();
    let (columns, read) = read_predictions(&room.path.join("none")).unwrap();
    assert!(columns.is_empty() && read.is_empty());
}

#[test]
fn everything_flushed_outlives_an_unclean_end() {
    let room = Room::new();
    let (log, _) = open(&room, 60);
    for (begin, end) in [(0, 20), (20, 40), (40, 80), (80, 90)] {
        write(&log, begin..end);
        let after = room.crashed();
        assert_eq!(
            read_predictions(&after.predictions()).unwrap().1.last(),
            Some(&record(end - 1))
        );
        let (again, found) = open(&after, 60);
        assert_eq!(
            found.len(),
            read_predictions(&room.predictions()).unwrap().1.len()
        );
        assert!(
            names(&after.predictions())
                .iter()
                .all(|name| name.ends_with(".parquet"))
        );
        write(&again, 500..510);
        drop(again);
        let (_, found_again) = open(&after, 60);
        assert_eq!(found_again[..found.len()], found);
        assert_eq!(found_again[found.len()..], records(500..510));
    }
}

#[test]
fn a_record_does_not_wait_for_the_next_ones() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    // A little traffic all the time must not keep the first record in memory.
    let started = Instant::now();
    let mut number = 0;
    while log.statistics().written == 0 {
        assert_eq!(log.record(record(number)), Recorded::Queued);
        number += 1;
        std::thread::sleep(Duration::from_millis(20));
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{number} records wait in memory"
        );
    }
}

#[test]
fn a_crash_between_the_parquet_file_and_the_segments_end_counts_nothing_twice() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    write(&log, 0..50);
    let segment = room.predictions().join("part-000000000000.segment");
    let bytes = fs_err::read(&segment).unwrap();
    drop(log);
    fs_err::write(&segment, bytes).unwrap();
    assert_eq!(names(&room.predictions()).len(), 2);

    assert_eq!(
        read_predictions(&room.predictions()).unwrap().1,
        records(0..50)
    );
    let (log, found) = open(&room, 1_000);
    assert_eq!(found, records(0..50));
    assert!(!segment.exists(), "the Parquet file is whole");
    write(&log, 50..60);
    drop(log);
    assert_eq!(
        read_predictions(&room.predictions()).unwrap().1,
        records(0..60)
    );
}

#[test]
fn a_segment_torn_anywhere_keeps_its_whole_records() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    write(&log, 0..5);
    let segment = room.predictions().join("part-000000000000.segment");
    let first = fs_err::metadata(&segment).unwrap().len() as usize;
    write(&log, 5..9);
    let whole = fs_err::read(&segment).unwrap();
    let check = |bytes: &[u8], expected: std::ops::Range<u32>| {
        let copy = Room::new();
        fs_err::create_dir_all(copy.predictions()).unwrap();
        fs_err::write(copy.predictions().join("part-000000000000.segment"), bytes).unwrap();
        let read = read_predictions(&copy.predictions()).unwrap().1;
        assert_eq!(read, records(expected.clone()), "{} bytes", bytes.len());
        let (log, found) = open(&copy, 1_000);
        assert_eq!(found, read);
        // It goes on behind what is left.
        write(&log, expected.end..expected.end + 1);
        drop(log);
        let read = read_predictions(&copy.predictions()).unwrap().1;
        assert_eq!(read.len() as u32, expected.end + 1);
    };
    for length in [0, 3, 8, 30, first - 1] {
        check(&whole[..length], 0..0);
    }
    for length in [first, first + 1, first + 9, whole.len() - 1] {
        check(&whole[..length], 0..5);
    }
    check(&whole, 0..9);
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 0x55;
    check(&damaged, 0..5);
}

#[test]
fn a_segment_of_other_features_is_taken_in_after_a_crash() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    write(&log, 0..5);
    let after = room.crashed();
    let fewer = &record_columns()[..1];
    let (log, found) = PredictionLog::open(&after.predictions(), fewer, options(1_000)).unwrap();
    assert_eq!(found, records(0..5));
    assert_eq!(log.record(record(5)), Recorded::Queued);
    drop(log);
    let read = read_predictions(&after.predictions()).unwrap().1;
    assert_eq!((read.len(), read[5].features.len()), (6, 1));
}

#[test]
fn files_that_are_not_ours_are_left_alone_and_damaged_parts_are_told() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    write(&log, 0..5);
    drop(log);
    fs_err::write(room.predictions().join("README"), "x").unwrap();
    fs_err::write(room.predictions().join(".ketch-1.tmp"), "x").unwrap();
    assert_eq!(read_predictions(&room.predictions()).unwrap().1.len(), 5);
    let part = room.predictions().join("part-000000000000.parquet");
    let whole = fs_err::read(&part).unwrap();
    fs_err::write(&part, &whole[..whole.len() / 2]).unwrap();
    for error in [
        read_predictions(&room.predictions()).unwrap_err(),
        PredictionLog::open(&room.predictions(), &record_columns(), options(1_000)).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the prediction log cannot be read");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("part-000000000000.parquet"), "{cause}");
    }
}

#[test]
fn a_full_queue_drops_and_counts_and_never_blocks() {
    let room = Room::new();
    let tiny = LogOptions {
        maximum_queue_bytes: 16,
        ..LogOptions::default()
    };
    let (endpoint, _) = serving(&room.path, tiny);
    for number in 0..200 {
        infer(&endpoint, &format!("r{number}"), request(&[vec![0.0; 20]])).unwrap();
    }
    endpoint.sync().unwrap();
    let statistics = endpoint.log_statistics();
    assert_eq!((statistics.written, statistics.dropped), (0, 200));
    assert_eq!(read_predictions(&room.predictions()).unwrap().1, []);
}

#[test]
fn every_record_is_either_written_or_counted_as_dropped() {
    let room = Room::new();
    let small = LogOptions {
        maximum_queue_bytes: 20_000,
        roll_rows: 500,
    };
    let (log, _) = PredictionLog::open(&room.predictions(), &record_columns(), small).unwrap();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4_u32 {
            let (log, taken) = (&log, &taken);
            scope.spawn(move || {
                for number in 0..2_000 {
                    if log.record(record(writer * 10_000 + number)) == Recorded::Queued {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    log.flush().unwrap();
    let statistics = log.statistics();
    assert_eq!(statistics.written + statistics.dropped, 8_000);
    assert_eq!(statistics.written, taken.into_inner() as u64);
    assert!(statistics.dropped > 0, "the queue holds a few hundred");
    drop(log);
    let read = read_predictions(&room.predictions()).unwrap().1;
    assert_eq!(read.len() as u64, statistics.written);
}

#[test]
fn while_writing_fails_records_wait_and_the_disk_may_come_back() {
    let room = Room::new();
    let (log, _) = open(&room, 1_000);
    fs_err::remove_dir_all(room.predictions()).unwrap();
    for record in records(0..10) {
        assert_eq!(log.record(record), Recorded::Queued);
    }
    for _ in 0..2 {
        let error = log.flush().unwrap_err();
        assert_eq!(error.to_string(), "the prediction log cannot be written");
    }
    assert_eq!((log.statistics().written, log.statistics().dropped), (0, 0));
    fs_err::create_dir_all(room.predictions()).unwrap();
    write(&log, 10..12);
    assert_eq!(
        read_predictions(&room.predictions()).unwrap().1,
        records(0..12)
    );
}

#[test]
fn a_reader_beside_a_writer_sees_a_beginning_of_the_log() {
    let room = Room::new();
    let (log, _) = open(&room, 40);
    let done = AtomicBool::new(false);
    let flushed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (log, done, flushed) = (&log, &done, &flushed);
        scope.spawn(move || {
            for round in 0..60 {
                write(log, round * 15..(round + 1) * 15);
                flushed.store((round as usize + 1) * 15, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut reads = 0;
        while !done.load(Ordering::SeqCst) || reads == 0 {
            let at_least = flushed.load(Ordering::SeqCst);
            let read = read_predictions(&room.predictions()).unwrap().1;
            assert!(read.len() >= at_least, "{} of {at_least}", read.len());
            assert_eq!(read, records(0..read.len() as u32));
            reads += 1;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_into_flushes_and_restarts_reads_the_same(
        steps in prop::collection::vec((1_u32..40, any::<bool>()), 1..8),
        roll_rows in 1_usize..60,
    ) {
        let room = Room::new();
        let mut log = Some(open(&room, roll_rows).0);
        let mut next = 0;
        for (count, restart) in steps {
            write(log.as_ref().unwrap(), next..next + count);
            next += count;
            if restart {
                drop(log.take());
                let (again, found) = open(&room, roll_rows);
                prop_assert_eq!(found, records(0..next));
                log = Some(again);
            }
        }
        prop_assert_eq!(read_predictions(&room.predictions()).unwrap().1, records(0..next));
    }
}
