//! What is seen of work that takes a while.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use indicatif::{ProgressBar, ProgressStyle};
use ketch_project::{Change, ProjectError, ReproReporter, StageOutcome, StageResult};
use ketch_store::Reporter;
use owo_colors::OwoColorize as _;

use crate::personality::confirmed;
use crate::printer::Printer;

/// How long a directory must take for a bar to be worth its flicker.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar over the files of a directory that is hashed or copied, once it takes a while. Nothing
/// where bars are hidden.
pub(crate) struct FileProgress {
    printer: Printer,
    batch: Mutex<Batch>,
}

/// Files that were announced together.
struct Batch {
    total: u64,
    done: u64,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl FileProgress {
    pub(crate) fn new(printer: &Printer) -> Self {
        let batch = Batch {
            total: 0,
            done: 0,
            since: Instant::now(),
            bar: None,
        };
        Self {
            printer: printer.clone(),
            batch: Mutex::new(batch),
        }
    }

    fn bar(&self, total: u64) -> ProgressBar {
        let bar = self.printer.bars().add(ProgressBar::new(total));
        // A template that is wrong would be seen in every use; the default bar serves then.
        match ProgressStyle::with_template("{bar:24} {human_pos}/{human_len} files  {wide_msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

impl Reporter for FileProgress {
    fn start(&self, files: u64) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.total == 0 {
            batch.since = Instant::now();
        }
        batch.total += files;
        if let Some(bar) = &batch.bar {
            bar.set_length(batch.total);
        }
    }

    fn file(&self, path: &Utf8Path, _bytes: u64) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        // A file by itself is not announced, and not worth a bar.
        if batch.total == 0 {
            return;
        }
        batch.done += 1;
        if batch.done >= batch.total {
            batch.finish();
            return;
        }
        if batch.bar.is_none() && batch.since.elapsed() > PATIENCE {
            batch.bar = Some(self.bar(batch.total));
        }
        if let Some(bar) = &batch.bar {
            bar.set_position(batch.done);
            bar.set_message(path.to_string());
        }
    }
}

impl Batch {
    fn finish(&mut self) {
        self.total = 0;
        self.done = 0;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.batch
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .finish();
    }
}

/// Tells why each stage runs, passes on what it writes, and how it ended.
pub(crate) struct StageProgress {
    printer: Printer,
    files: FileProgress,
    started: Mutex<BTreeMap<String, Instant>>,
    /// Whether somebody is asked before a stage runs.
    asks: bool,
}

impl StageProgress {
    pub(crate) fn new(printer: &Printer) -> Self {
        Self {
            printer: printer.clone(),
            files: FileProgress::new(printer),
            started: Mutex::default(),
            asks: false,
        }
    }

    /// The same, asking before each stage that runs.
    pub(crate) fn asking(mut self, asks: bool) -> Self {
        self.asks = asks;
        self
    }
}

impl ReproReporter for StageProgress {
    fn may_run(&self, stage: &str) -> bool {
        let question = format!("Run stage `{stage}`?");
        // Who cannot answer did not agree.
        !self.asks || confirmed(&question).unwrap_or(false)
    }

    fn stage_failed(&self, stage: &str, error: &ProjectError) {
        self.printer
            .warning(format_args!("{} failed: {error}", stage.bold()));
    }

    fn stage_started(&self, stage: &str, changes: &[Change]) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.insert(stage.to_owned(), Instant::now());
        drop(started);
        self.printer
            .note(format_args!("{} runs: {}", stage.bold(), reasons(changes)));
    }

    fn stage_line(&self, stage: &str, line: &str) {
        self.printer.note(format_args!(
            "{} {line}",
            format_args!("{stage} |").dimmed()
        ));
    }

    fn stage_note(&self, stage: &str, note: &str) {
        self.printer.note(format_args!("{}: {note}", stage.bold()));
    }

    fn stage_finished(&self, result: &StageResult) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = started
            .remove(&result.stage)
            .map(|start| start.elapsed().as_secs_f64());
        drop(started);
        let stage = result.stage.bold();
        match (result.outcome, seconds) {
            (StageOutcome::Ran, Some(seconds)) => self
                .printer
                .note(format_args!("{stage} is done after {seconds:.1} s")),
            // A dry run's report says more than this could.
            (StageOutcome::WouldRun, _) => {}
            (StageOutcome::Restored, _) => self.printer.note(format_args!(
                "{stage} was run like this before, its outputs are restored: {}",
                reasons(&result.changes)
            )),
            (outcome, _) => self
                .printer
                .note(format_args!("{stage} {}", outcome_text(outcome))),
        }
    }

    fn files(&self) -> &dyn Reporter {
        &self.files
    }
}

/// An outcome as the end of a sentence that begins with the stage.
pub(crate) fn outcome_text(outcome: StageOutcome) -> &'static str {
    match outcome {
        StageOutcome::Unchanged => "is unchanged",
        StageOutcome::CheckedOut => "is unchanged, its missing outputs are restored",
        StageOutcome::Restored => "was run like this before, its outputs are restored",
        StageOutcome::Ran => "is done",
        StageOutcome::WouldRun => "would run",
        StageOutcome::Failed => "failed",
        StageOutcome::Skipped => "is skipped: a stage that it needs failed",
    }
}

/// Changes on one line.
pub(crate) fn reasons(changes: &[Change]) -> String {
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    shown.join("; ")
}
