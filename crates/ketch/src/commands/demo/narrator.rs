//! Tells the story as it happens: lines for people, one JSON object a line for programs.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use ketch_control::{ControlError, Event, EventKind, LIFECYCLE, LoopReporter, QualityPoint};
use ketch_project::{Change, ReproReporter, StageOutcome, StageResult};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::json;

use crate::printer::Printer;

/// Days between two lines on how it goes.
const PROGRESS_DAYS: u64 = 1_000;

/// Heights of the little curve.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A part of the demo with the time it took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StepTime {
    pub(super) step: &'static str,
    pub(super) seconds: f64,
}

pub(super) struct Narrator {
    printer: Printer,
    started: Instant,
    bar: ProgressBar,
    inner: Mutex<Inner>,
    downloads: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    part: &'static str,
    step: Option<(&'static str, Instant)>,
    times: Vec<StepTime>,
}

impl Narrator {
    pub(super) fn new(printer: &Printer) -> Self {
        let bar = printer.bars().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            printer: printer.clone(),
            started: Instant::now(),
            bar,
            inner: Mutex::new(Inner::default()),
            downloads: AtomicUsize::new(0),
        }
    }

    /// Begins a part of the demo, and ends the one before.
    pub(super) fn step(&self, step: &'static str, part: &'static str, told: &str) {
        self.end_step();
        {
            let mut inner = self.inner();
            inner.step = Some((step, Instant::now()));
            inner.part = part;
        }
        self.printer
            .json_line(&json!({ "event": "step_started", "step": step, "says": told }));
        self.say(&told.bold().to_string());
    }

    /// Ends the part in progress and returns the times of all.
    pub(super) fn end_step(&self) -> Vec<StepTime> {
        let ended = {
            let mut inner = self.inner();
            let ended = inner.step.take().map(|(step, since)| StepTime {
                step,
                seconds: since.elapsed().as_secs_f64(),
            });
            inner.times.extend(ended.clone());
            ended
        };
        if let Some(StepTime { step, seconds }) = &ended {
            self.printer
                .json_line(&json!({ "event": "step_finished", "step": step, "seconds": seconds }));
        }
        self.inner().times.clone()
    }

    /// Adds a line to the part in progress.
    pub(super) fn detail(&self, text: &str) {
        self.printer
            .json_line(&json!({ "event": "detail", "says": text }));
        self.say(text);
    }

    /// A package is being fetched.
    pub(super) fn download(&self, line: &str) {
        let count = self.downloads.fetch_add(1, Ordering::Relaxed) + 1;
        let name = line.split_whitespace().nth(1).unwrap_or(line);
        let name = name.rsplit('/').next().unwrap_or(name);
        let size = line
            .split_once('(')
            .map_or("", |(_, size)| size.trim_end_matches(')'));
        self.bar
            .set_message(format!("package {count}: {name} {size}"));
        self.printer
            .json_line(&json!({ "event": "package", "number": count, "name": name, "size": size }));
        if self.bar.is_hidden() {
            self.say(&format!("package {count}: {name} {size}"));
        }
    }

    /// How the replay goes.
    pub(super) fn progress(&self, day: u64, end: u64, quality: &[QualityPoint]) {
        let now = quality.last().and_then(|point| point.roc_auc);
        let shown = now.map_or_else(|| "–".to_owned(), |auc| format!("{auc:.3}"));
        self.bar.set_message(format!(
            "{}   day {day} of {end}   quality {shown}  {}",
            self.circle(),
            curve(quality)
        ));
        if day.is_multiple_of(PROGRESS_DAYS) {
            self.printer
                .json_line(&json!({ "event": "progress", "day": day, "roc_auc": now }));
            self.say(&format!("day {day:>5}   quality {shown}"));
        }
    }

    /// Seconds since the narrator began.
    pub(super) fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, text: &str) {
        let part = self.inner().part;
        let seconds = self.elapsed();
        self.printer.line(format!(
            "{} {} {text}",
            format!("{seconds:6.1}s").dimmed(),
            format!("{part:<10}").cyan()
        ));
        self.bar.set_message(self.circle());
    }

    fn circle(&self) -> String {
        let part = self.inner().part;
        LIFECYCLE
            .iter()
            .map(|stage| {
                if *stage == part {
                    format!("[{stage}]")
                } else {
                    (*stage).to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join(" → ")
    }

    /// Says which part of the circle is at work from now on.
    pub(super) fn part(&self, part: &'static str) {
        self.inner().part = part;
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loop's event as a line of JSON.
#[derive(Serialize)]
struct EventLine<'a> {
    model: &'a str,
    says: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

impl LoopReporter for Narrator {
    fn event(&self, model: &str, event: &Event) {
        let before = self.inner().part;
        self.part(match &event.kind {
            EventKind::RetrainStarted { .. }
            | EventKind::RetrainFailed { .. }
            | EventKind::RetrainFinished { .. } => "retrain",
            EventKind::GateChecked { .. } | EventKind::GateOverridden { .. } => "evaluate",
            EventKind::Released { .. }
            | EventKind::RolloutStarted { .. }
            | EventKind::RolloutAdvanced { .. }
            | EventKind::Promoted { .. }
            | EventKind::RolledBack { .. } => "deploy",
            _ => "monitor",
        });
        let sentence = event.kind.sentence();
        self.printer.json_line(&EventLine {
            model,
            says: &sentence,
            event,
        });
        let place = event
            .position
            .observed_at
            .map_or(String::new(), |day| format!("day {day:>5}   "));
        let sentence = match &event.kind {
            EventKind::IncidentOpened { .. } | EventKind::Escalated { .. } => {
                sentence.red().to_string()
            }
            EventKind::Promoted { .. } | EventKind::IncidentResolved { .. } => {
                sentence.green().to_string()
            }
            EventKind::RolledBack { .. } | EventKind::GateOverridden { .. } => {
                sentence.magenta().to_string()
            }
            _ => sentence,
        };
        self.say(&format!("{place}{sentence}"));
        self.part(before);
    }

    fn failed(&self, model: &str, error: &ControlError) {
        self.printer
            .json_line(&json!({ "event": "failed", "model": model, "error": error.to_string() }));
        self.printer.warning(format!("{model}: {error}"));
    }
}

impl ReproReporter for Narrator {
    fn stage_started(&self, stage: &str, _changes: &[Change]) {
        let part = match stage {
            "prepare" => "preprocess",
            other => LIFECYCLE
                .iter()
                .find(|name| **name == other)
                .copied()
                .unwrap_or("train"),
        };
        self.part(part);
        self.bar.set_message(self.circle());
        self.printer
            .json_line(&json!({ "event": "stage_started", "stage": stage }));
    }

    fn stage_line(&self, stage: &str, line: &str) {
        if line.starts_with("ERROR: ") {
            self.detail(line);
        }
        // The stages' own sentences begin with their names; pip's chatter does not.
        if let Some(told) = line
            .strip_prefix(stage)
            .and_then(|rest| rest.strip_prefix(": "))
        {
            self.detail(told);
        }
    }

    fn stage_finished(&self, result: &StageResult) {
        self.printer.json_line(&json!({
            "event": "stage_finished",
            "stage": result.stage,
            "outcome": result.outcome,
        }));
        if result.outcome != StageOutcome::Ran {
            self.detail(&format!("{}: nothing to do", result.stage));
        }
    }
}

/// The last points of the quality curve between 0.3 and 0.9.
fn curve(quality: &[QualityPoint]) -> String {
    let last = quality.len().saturating_sub(24);
    quality[last..]
        .iter()
        .filter_map(|point| point.roc_auc)
        .map(|auc| {
            let height = ((auc - 0.3) / 0.6 * (BARS.len() - 1) as f64).round();
            BARS[(height.max(0.0) as usize).min(BARS.len() - 1)]
        })
        .collect()
}
