//! The prediction log: never blocks an answer, never grows without bound, counts what it drops.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use serde::Serialize;

use super::{
    record::{self, FeatureColumn, PredictionRecord},
    table_log::{TableLog, read_folder},
};
use crate::error::ServingError;

/// Longest time a record waits in memory before it is written, and the time between attempts
/// while writing fails.
const FLUSH_AFTER: Duration = Duration::from_millis(200);

/// Records written together.
const BATCH: usize = 1_024;

/// Messages that may wait; the bound that matters is the one in bytes.
const QUEUE: usize = 65_536;

/// Bounds of the log.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Bytes of records that may wait for the writer; more are dropped and counted.
    pub maximum_queue_bytes: usize,
    /// Rows of a Parquet part.
    pub roll_rows: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            maximum_queue_bytes: 64 << 20,
            roll_rows: 4_096,
        }
    }
}

/// What the log has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogStatistics {
    /// Records written.
    pub written: u64,
    /// Records dropped because the queue was full, or could not be written before the end. While
    /// writing fails, records wait in the queue for the disk to be well again.
    pub dropped: u64,
}

/// Whether the log has taken a record.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It will be written; [`PredictionLog::flush`] waits for it.
    Queued,
    /// It was dropped and counted: the queue is full.
    Dropped,
}

/// Appends every prediction to Parquet from a thread of its own.
#[derive(Debug)]
pub struct PredictionLog {
    sender: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    maximum_queue_bytes: usize,
}

#[derive(Debug, Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    last_error: Mutex<Option<String>>,
}

enum Message {
    Record(Box<PredictionRecord>),
    Flush(SyncSender<Result<(), ServingError>>),
}

impl PredictionLog {
    /// Opens the log in a folder and returns the records that are already there, oldest first.
    pub fn open(
        folder: &Utf8Path,
        features: &[FeatureColumn],
        options: LogOptions,
    ) -> Result<(Self, Vec<PredictionRecord>), ServingError> {
        let read = |source| ServingError::Log {
            log: "prediction",
            action: "read",
            source,
        };
        let schema = record::schema(features).map_err(read)?;
        let (log, tables) = TableLog::open("prediction", folder, &schema, options.roll_rows)?;
        let mut records = Vec::new();
        for table in &tables {
            records.extend(record::from_table(table).map_err(read)?);
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            log,
            features: features.to_vec(),
            shared: Arc::clone(&shared),
            batch: Vec::new(),
        };
        let writer = std::thread::Builder::new()
            .name("prediction-log".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| ServingError::LogFolder {
                log: "prediction",
                source,
            })?;
        let log = Self {
            sender: Some(sender),
            writer: Some(writer),
            shared,
            maximum_queue_bytes: options.maximum_queue_bytes,
        };
        Ok((log, records))
    }

    /// Hands a record to the writer, or drops and counts it. Never waits.
    pub fn record(&self, record: PredictionRecord) -> Recorded {
        let bytes = record.bytes();
        let queued = self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let sent = queued <= self.maximum_queue_bytes
            && self.sender.as_ref().is_some_and(|sender| {
                match sender.try_send(Message::Record(Box::new(record))) {
                    Ok(()) => true,
                    Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
                }
            });
        if sent {
            Recorded::Queued
        } else {
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            Recorded::Dropped
        }
    }

    /// Waits until everything recorded before this call is written.
    ///
    /// # Errors
    /// When it cannot be written now; it stays in the queue.
    pub fn flush(&self) -> Result<(), ServingError> {
        let (done, wait) = sync_channel(1);
        let sender = self.sender.as_ref().ok_or(ServingError::LogStopped)?;
        sender
            .send(Message::Flush(done))
            .map_err(|_| ServingError::LogStopped)?;
        wait.recv().map_err(|_| ServingError::LogStopped)?
    }

    /// Counters.
    pub fn statistics(&self) -> LogStatistics {
        LogStatistics {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    /// Why writing failed last, if it did.
    pub fn last_error(&self) -> Option<String> {
        self.shared
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for PredictionLog {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            // The writer rolls what it has; a panic in it has nobody left to tell.
            let _ = writer.join();
        }
    }
}

struct Writer {
    log: TableLog,
    features: Vec<FeatureColumn>,
    shared: Arc<Shared>,
    batch: Vec<PredictionRecord>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        // When the oldest waiting record must be written, or written again.
        let mut due: Option<Instant> = None;
        loop {
            let wait = due.map_or(FLUSH_AFTER, |due| {
                due.saturating_duration_since(Instant::now())
            });
            let mut full = false;
            match receiver.recv_timeout(wait) {
                Ok(Message::Record(record)) => {
                    self.batch.push(*record);
                    due.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
                    // A longer batch has failed before and waits for its next attempt.
                    full = self.batch.len() == BATCH;
                }
                Ok(Message::Flush(done)) => {
                    let result = self.write();
                    // The one who asked may have gone.
                    let _ = done.send(result);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_noted();
                    let lost = self.batch.len() as u64;
                    self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
                    let rolled = self.log.roll();
                    self.note(rolled);
                    return;
                }
            }
            if full || due.is_some_and(|due| due <= Instant::now()) {
                self.write_noted();
                due = None;
            }
            if self.batch.is_empty() {
                due = None;
            } else {
                due.get_or_insert_with(|| Instant::now() + FLUSH_AFTER);
            }
        }
    }

    fn write_noted(&mut self) {
        let result = self.write();
        self.note(result);
    }

    /// Writes what waits. What cannot be written goes on waiting, and counts for the queue's bound.
    fn write(&mut self) -> Result<(), ServingError> {
        while !self.batch.is_empty() {
            let count = self.batch.len().min(BATCH);
            let records = &self.batch[..count];
            let table =
                record::to_table(&self.features, records).map_err(|source| ServingError::Log {
                    log: "prediction",
                    action: "written",
                    source,
                })?;
            self.log.append(table)?;
            let bytes = records.iter().map(PredictionRecord::bytes).sum();
            self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared
                .written
                .fetch_add(count as u64, Ordering::Relaxed);
            self.batch.drain(..count);
            let rolled = self.log.roll_when_due();
            self.note(rolled);
        }
        Ok(())
    }

    fn note(&self, result: Result<(), ServingError>) {
        if let Err(error) = result {
            let mut last = self
                .shared
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = Some(match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            });
        }
    }
}

/// Every logged prediction in a folder, oldest first, with its feature columns; also while a
/// server appends to it.
pub fn read_predictions(
    folder: &Utf8Path,
) -> Result<(Vec<FeatureColumn>, Vec<PredictionRecord>), ServingError> {
    let mut records = Vec::new();
    let mut features = Vec::new();
    for table in read_folder("prediction", folder)? {
        features = record::feature_columns(&table);
        records.extend(
            record::from_table(&table).map_err(|source| ServingError::Log {
                log: "prediction",
                action: "read",
                source,
            })?,
        );
    }
    Ok((features, records))
}
