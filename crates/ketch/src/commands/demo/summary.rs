//! What came of it, in numbers that are read from the logs and the journal.

use camino::Utf8PathBuf;
use ketch_control::{EventKind, ModelPaths, Snapshot};
use ketch_monitoring::performance::roc_auc;
use ketch_serving::{LabelledPrediction, Variant, read_labelled};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{
    client::{Client, request_id},
    error::DemoError,
    narrator::StepTime,
    story::{DRIFT_DAY, Length, Story},
    weather::Weather,
};
use crate::{exit::CommandError, printer::Printer};

/// Days in one request when the first version is asked again.
const BATCH: u64 = 500;

/// The demo's last word.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    event: &'static str,
    length: Length,
    directory: Utf8PathBuf,
    url: String,
    /// Days answered.
    days: u64,
    /// ROC AUC of what was served before the drift.
    auc_before_drift: Option<f64>,
    /// ROC AUC of the first version from the drift to the end, had nobody retrained.
    auc_static_after_drift: Option<f64>,
    /// ROC AUC of what was served over the last `looked_back` days.
    auc_recovered: Option<f64>,
    looked_back: u64,
    drift_row: u64,
    /// The day on which the first incident after the drift was opened.
    incident_row: Option<u64>,
    /// Where the loop believes that the change began.
    change_row: Option<u64>,
    /// Incidents before the drift.
    false_alarms_before_drift: usize,
    /// Columns noticed to differ from the reference before the drift: notices, not alarms.
    drift_notices_before_drift: usize,
    incidents: usize,
    retrains: usize,
    gate_refusals: usize,
    promotions: usize,
    champion: Option<u32>,
    /// Whether the villain's version was taken back by itself.
    rolled_back: bool,
    rollback_reason: Option<String>,
    /// Labelled canary answers that the rollback needed.
    rollback_labels: Option<u64>,
    log_dropped: u64,
    unwatched: u64,
    /// Steps 2 to 8 of the story; the Python set-up is not counted.
    seconds: f64,
    setup_seconds: f64,
    steps: Vec<StepTime>,
    /// A request to ask `ketch why` about.
    request: String,
}

impl Summary {
    pub(super) fn gather(sources: &Sources<'_>, snapshot: &Snapshot) -> Result<Self, CommandError> {
        let Sources {
            story,
            client,
            weather,
            paths,
            length,
            directory,
            url,
        } = *sources;
        let labelled = read_labelled(&paths.predictions, &paths.labels)?;
        let served: Vec<(f64, &LabelledPrediction)> = labelled
            .iter()
            .filter(|row| row.prediction.variant != Variant::Pinned)
            .filter_map(|row| Some((row.prediction.observed_at?, row)))
            .collect();
        let auc = |first: u64, last: u64| {
            let (scores, labels): (Vec<_>, Vec<_>) = served
                .iter()
                .filter(|(day, _)| (first as f64..last as f64).contains(day))
                .filter_map(|(_, row)| Some((row.prediction.score?, row.label == 1.0)))
                .unzip();
            roc_auc(&scores, &labels).ok()
        };
        let events = &snapshot.events;
        let before_drift = |at: Option<f64>| at.is_some_and(|day| day < DRIFT_DAY as f64);
        let count = |wanted: &dyn Fn(&EventKind) -> bool| {
            events.iter().filter(|event| wanted(&event.kind)).count()
        };
        let incidents: Vec<_> = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::IncidentOpened { .. }))
            .collect();
        let first = incidents
            .iter()
            .find(|event| !before_drift(event.position.observed_at));
        let rollback = events.iter().rev().find_map(|event| match &event.kind {
            EventKind::RolledBack { reason, counts, .. } => Some((reason.clone(), counts.canary)),
            _ => None,
        });
        Ok(Self {
            event: "summary",
            length,
            directory: directory.clone(),
            url: url.to_owned(),
            days: snapshot.served,
            auc_before_drift: auc(story.today, DRIFT_DAY),
            auc_static_after_drift: untouched_auc(client, weather, story)?,
            auc_recovered: auc(story.end - story.looked_back, story.end),
            looked_back: story.looked_back,
            drift_row: DRIFT_DAY,
            incident_row: first
                .and_then(|event| event.position.observed_at)
                .map(|day| day as u64),
            change_row: first.and_then(|event| match event.kind {
                EventKind::IncidentOpened { changed_at, .. } => changed_at.map(|day| day as u64),
                _ => None,
            }),
            false_alarms_before_drift: incidents
                .iter()
                .filter(|event| before_drift(event.position.observed_at))
                .count(),
            drift_notices_before_drift: events
                .iter()
                .filter(|event| before_drift(event.position.observed_at))
                .map(|event| match &event.kind {
                    EventKind::DriftNoticed { columns } => columns.len(),
                    _ => 0,
                })
                .sum(),
            incidents: incidents.len(),
            retrains: count(&|kind| matches!(kind, EventKind::RetrainFinished { .. })),
            gate_refusals: count(&|kind| {
                matches!(kind, EventKind::GateChecked { passed: false, .. })
            }),
            promotions: count(&|kind| matches!(kind, EventKind::Promoted { .. })),
            champion: snapshot.state.champion,
            rolled_back: rollback.is_some(),
            rollback_labels: rollback.as_ref().map(|(_, labels)| *labels),
            rollback_reason: rollback.map(|(reason, _)| reason),
            log_dropped: snapshot.log.dropped,
            unwatched: snapshot.unwatched,
            seconds: 0.0,
            setup_seconds: 0.0,
            request: request_id(story.end - 1),
            steps: Vec::new(),
        })
    }

    /// Adds how long each part took.
    pub(super) fn set_steps(&mut self, steps: Vec<StepTime>) {
        let (setup, story): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.step == "python");
        let total = |steps: &[&StepTime]| steps.iter().map(|step| step.seconds).sum();
        self.seconds = total(&story);
        self.setup_seconds = total(&setup);
        self.steps = steps;
    }

    /// What the story promises and the numbers do not keep.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut promise = |kept: bool, text: String| {
            if !kept {
                broken.push(text);
            }
        };
        promise(
            self.incident_row
                .is_some_and(|day| day < self.drift_row + 500),
            "no incident within 500 days of the drift".to_owned(),
        );
        promise(
            self.false_alarms_before_drift == 0,
            format!(
                "{} false alarms before the drift",
                self.false_alarms_before_drift
            ),
        );
        promise(
            self.auc_recovered.is_some_and(|auc| auc > 0.75),
            format!(
                "the quality did not come back above 0.75: {}",
                shown(self.auc_recovered)
            ),
        );
        promise(
            self.rolled_back,
            "the villain's version was not rolled back".to_owned(),
        );
        broken
    }

    /// The numbers and what to try next, for people.
    pub(super) fn print(&self, printer: &Printer) {
        let incident = self.incident_row.map_or_else(
            || "none".to_owned(),
            |day| {
                format!(
                    "day {day}, {} days after the drift began",
                    day - self.drift_row.min(day)
                )
            },
        );
        let rows = [
            ("quality before the drift", shown(self.auc_before_drift)),
            (
                "the first model after it, untouched",
                shown(self.auc_static_after_drift),
            ),
            (
                "what was served, last days",
                format!(
                    "{} over {} days",
                    shown(self.auc_recovered),
                    self.looked_back
                ),
            ),
            ("incident", incident),
            (
                "alarms before the drift",
                format!(
                    "{} in {} days",
                    self.false_alarms_before_drift,
                    self.drift_row - (self.drift_row.min(self.days_begin()))
                ),
            ),
            (
                "retrains, promoted, refused",
                format!(
                    "{}, {}, {}",
                    self.retrains, self.promotions, self.gate_refusals
                ),
            ),
            (
                "the villain",
                self.rollback_reason
                    .clone()
                    .unwrap_or_else(|| "was not caught".to_owned()),
            ),
            (
                "time",
                format!(
                    "{:.0} s, and {:.0} s for Python",
                    self.seconds, self.setup_seconds
                ),
            ),
        ];
        printer.line("");
        for (name, value) in rows {
            printer.line(format!("  {name:<36} {}", value.bold()));
        }
        printer.line("");
        printer.line(format!("The page: {}", self.url.cyan()));
        printer.line(format!("Try next, in `{}`:", self.directory));
        for command in [
            format!("ketch why {}", self.request),
            "ketch model list rain".to_owned(),
            "ketch status".to_owned(),
            "git log --all --oneline --graph".to_owned(),
            "ketch up".to_owned(),
        ] {
            printer.line(format!("  {command}"));
        }
    }

    fn days_begin(&self) -> u64 {
        Story::new(self.length).today
    }
}

/// Where the numbers come from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) story: Story,
    pub(super) client: &'a Client,
    pub(super) weather: &'a Weather,
    pub(super) paths: &'a ModelPaths,
    pub(super) length: Length,
    pub(super) directory: &'a Utf8PathBuf,
    pub(super) url: &'a str,
}

/// Asks the first version, which still is in memory, about every day since the drift.
fn untouched_auc(
    client: &Client,
    weather: &Weather,
    story: Story,
) -> Result<Option<f64>, DemoError> {
    let (mut scores, mut labels) = (Vec::new(), Vec::new());
    let mut first = DRIFT_DAY;
    while first < story.end {
        let last = (first + BATCH).min(story.end);
        scores.extend(client.score(weather, 1, first, last)?);
        labels.extend((first..last).map(|day| weather.label(day) == 1.0));
        first = last;
    }
    Ok(roc_auc(&scores, &labels).ok())
}

fn shown(auc: Option<f64>) -> String {
    auc.map_or_else(|| "unknown".to_owned(), |auc| format!("ROC AUC {auc:.3}"))
}
