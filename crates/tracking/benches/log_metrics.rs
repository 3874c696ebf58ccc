//! Points per second that one process logs into a database on disk.
//!
//! `cargo bench -p ketch-tracking`

use std::collections::BTreeMap;
use std::time::Instant;

use camino::Utf8Path;
use ketch_tracking::{Metric, NewRun, TrackingStore};

#[expect(
    clippy::print_stdout,
    reason = "a benchmark reports on standard output"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --all-targets` also starts this program; it measures only when asked to.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = Utf8Path::from_path(directory.path())
        .ok_or("not UTF-8")?
        .join("ketch.db");
    let store = TrackingStore::open(&path)?;
    let experiment = store.get_or_create_experiment("bench", 1)?.id;
    for (size, batches) in [(1, 5_000), (10, 2_000), (1_000, 100)] {
        let new = NewRun {
            experiment,
            name: format!("batches of {size}"),
            user: "bench".into(),
            started_at_ms: 1,
            tags: BTreeMap::new(),
        };
        let run = store.create_run(&new)?.id;
        let begin = Instant::now();
        for batch in 0..batches {
            let points: Vec<Metric> = (0..size)
                .map(|n| Metric {
                    key: format!("metric/{}", n % 10),
                    value: 1.0 / (1.0 + f64::from(batch)),
                    timestamp_ms: i64::from(batch),
                    step: i64::from(batch * size + n),
                })
                .collect();
            store.log_metrics(&run, &points)?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let (points, calls) = (
            f64::from(batches * size) / seconds,
            f64::from(batches) / seconds,
        );
        println!("batches of {size:>4}: {points:>9.0} points/s {calls:>8.0} calls/s");
    }
    Ok(())
}
