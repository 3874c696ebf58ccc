//! What the loop noticed, decided and did: the entries of the audit log.

use jiff::Timestamp;
use ketch_serving::Counts;
use serde::{Deserialize, Serialize};

/// One entry of a model's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the journal, from 1.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who: `loop`, or the person who asked.
    pub actor: String,
    /// How far the model's data had come.
    pub position: Position,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// How far a model's data had come when something happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Rows answered.
    pub served: u64,
    /// Rows answered whose label had arrived.
    pub labelled: u64,
    /// The latest answered row's place in time, by the caller's measure.
    pub observed_at: Option<f64>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A version began to serve by default without a rollout: the first one.
    Released {
        /// The version.
        version: u32,
        /// Why.
        reason: String,
    },
    /// Served inputs differ from the reference. A notice, not an alarm: the model may be right
    /// all the same.
    DriftNoticed {
        /// The columns that newly differ.
        columns: Vec<ColumnDrift>,
    },
    /// Served inputs are like the reference again.
    DriftSubsided {
        /// The columns.
        columns: Vec<String>,
    },
    /// The model got worse: the alarm.
    IncidentOpened {
        /// The incident's number, from 1.
        incident: u64,
        /// What noticed it.
        detector: String,
        /// Mean loss before the change.
        loss_before: f64,
        /// Mean loss after it.
        loss_after: f64,
        /// Labelled rows before the change, counted from the model's first.
        changed_after: u64,
        /// The first changed row's place in time.
        changed_at: Option<f64>,
        /// Columns whose inputs differ from the reference as well.
        drifted_columns: Vec<String>,
    },
    /// The model is good again, by a version released since.
    IncidentResolved {
        /// The incident's number.
        incident: u64,
        /// The version that resolved it.
        version: u32,
    },
    /// The loop has tried what it can; a person must look.
    Escalated {
        /// The incident's number.
        incident: u64,
        /// What was tried.
        reason: String,
    },
    /// A retrain began.
    RetrainStarted {
        /// The retrain's number, from 1.
        retrain: u64,
        /// Why.
        trigger: Trigger,
        /// First and last place in time (the last excluded) of the rows to learn from.
        window: Option<(f64, f64)>,
        /// Labelled rows since the change.
        rows: u64,
        /// Rows of these kept for the gate.
        holdout: u64,
    },
    /// A retrain gave no candidate.
    RetrainFailed {
        /// The retrain's number.
        retrain: u64,
        /// Why.
        reason: String,
    },
    /// A retrain gave a candidate.
    RetrainFinished {
        /// The retrain's number.
        retrain: u64,
        /// The candidate's version.
        version: u32,
        /// The run that made it.
        run: String,
        /// The commit that holds code, parameters and data hashes.
        commit: String,
        /// How long it took.
        seconds: f64,
    },
    /// A candidate was compared with the champion on the same rows.
    GateChecked {
        /// The candidate.
        version: u32,
        /// Whether it may be released.
        passed: bool,
        /// Rows compared.
        rows: u64,
        /// ROC AUC of the candidate.
        candidate: Option<f64>,
        /// ROC AUC of the champion.
        champion: Option<f64>,
        /// Lower and upper bound of the difference.
        difference: Option<(f64, f64)>,
        /// Each rule with what was found.
        reasons: Vec<String>,
    },
    /// A person released a candidate that the gate had refused.
    GateOverridden {
        /// The candidate.
        version: u32,
        /// What the person gave as the reason.
        reason: String,
    },
    /// A canary release began.
    RolloutStarted {
        /// The rollout's name; also the salt of its traffic split.
        rollout: String,
        /// The version that is tried.
        candidate: u32,
        /// The version that served before and gets the traffic back if it goes wrong.
        champion: u32,
        /// Percent of the traffic.
        weight: u8,
        /// Whether a person forced it past the gate.
        forced: bool,
    },
    /// The canary gets more traffic.
    RolloutAdvanced {
        /// The rollout's name.
        rollout: String,
        /// Percent of the traffic.
        weight: u8,
        /// Labelled answers so far.
        counts: Counts,
    },
    /// The candidate is the champion.
    Promoted {
        /// The rollout's name.
        rollout: String,
        /// The new champion.
        version: u32,
        /// The champion before.
        previous: u32,
        /// Labelled answers in the rollout.
        counts: Counts,
        /// E-value against "twice as bad as the champion before".
        safe: f64,
    },
    /// The champion before has all the traffic again.
    RolledBack {
        /// The rollout's name.
        rollout: String,
        /// The candidate that was taken out.
        version: u32,
        /// The version that serves again.
        champion: u32,
        /// Why.
        reason: String,
        /// Labelled answers in the rollout.
        counts: Counts,
        /// E-value against "no worse than the margin allows".
        worse: f64,
    },
}

/// A column whose served values differ from the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The column.
    pub column: String,
    /// The distance, between 0 and 1.
    pub statistic: f64,
    /// Its p-value after Benjamini–Hochberg over the columns.
    pub q_value: f64,
}

/// Why a retrain began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An incident.
    Incident(u64),
    /// The rows since the last change have doubled since the champion was trained.
    Consolidation,
}

impl EventKind {
    /// The event's name, as in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Released { .. } => "released",
            Self::DriftNoticed { .. } => "drift_noticed",
            Self::DriftSubsided { .. } => "drift_subsided",
            Self::IncidentOpened { .. } => "incident_opened",
            Self::IncidentResolved { .. } => "incident_resolved",
            Self::Escalated { .. } => "escalated",
            Self::RetrainStarted { .. } => "retrain_started",
            Self::RetrainFailed { .. } => "retrain_failed",
            Self::RetrainFinished { .. } => "retrain_finished",
            Self::GateChecked { .. } => "gate_checked",
            Self::GateOverridden { .. } => "gate_overridden",
            Self::RolloutStarted { .. } => "rollout_started",
            Self::RolloutAdvanced { .. } => "rollout_advanced",
            Self::Promoted { .. } => "promoted",
            Self::RolledBack { .. } => "rolled_back",
        }
    }

    /// One sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Released { version, reason } => format!("version {version} serves: {reason}"),
            Self::DriftNoticed { columns } => {
                let shown: Vec<_> = columns
                    .iter()
                    .map(|drift| format!("{} (distance {:.2})", drift.column, drift.statistic))
                    .collect();
                format!("inputs differ from the reference: {}", shown.join(", "))
            }
            Self::DriftSubsided { columns } => {
                format!(
                    "inputs are like the reference again: {}",
                    columns.join(", ")
                )
            }
            Self::IncidentOpened {
                incident,
                detector,
                loss_before,
                loss_after,
                changed_at,
                drifted_columns,
                ..
            } => {
                let since = changed_at
                    .map(|at| format!(" since {at}"))
                    .unwrap_or_default();
                let columns = if drifted_columns.is_empty() {
                    String::new()
                } else {
                    format!("; inputs that differ too: {}", drifted_columns.join(", "))
                };
                format!(
                    "incident {incident}: {detector} sees the loss rise from {loss_before:.3} to \
                     {loss_after:.3}{since}{columns}"
                )
            }
            Self::IncidentResolved { incident, version } => {
                format!("incident {incident} resolved by version {version}")
            }
            Self::Escalated { incident, reason } => {
                format!("incident {incident} needs a person: {reason}")
            }
            Self::RetrainStarted {
                retrain,
                trigger,
                window,
                rows,
                holdout,
            } => {
                let why = match trigger {
                    Trigger::Incident(incident) => format!("incident {incident}"),
                    Trigger::Consolidation => "twice the rows since the change".to_owned(),
                };
                let window = window
                    .map(|(first, last)| format!(", learning from {first} up to {last}"))
                    .unwrap_or_default();
                format!(
                    "retrain {retrain} because of {why}: {rows} rows since the change, {holdout} \
                     kept for the gate{window}"
                )
            }
            Self::RetrainFailed { retrain, reason } => {
                format!("retrain {retrain} failed: {reason}")
            }
            Self::RetrainFinished {
                retrain,
                version,
                commit,
                seconds,
                ..
            } => format!(
                "retrain {retrain} gave version {version} in {seconds:.1} s, commit {}",
                commit.get(..10).unwrap_or(commit)
            ),
            Self::GateChecked {
                version,
                passed,
                reasons,
                ..
            } => format!(
                "gate {} version {version}: {}",
                if *passed { "passes" } else { "refuses" },
                reasons.join("; ")
            ),
            Self::GateOverridden { version, reason } => {
                format!("version {version} forced past the gate: “{reason}”")
            }
            Self::RolloutStarted {
                rollout,
                candidate,
                champion,
                weight,
                ..
            } => format!(
                "{rollout}: version {candidate} gets {weight} % of the traffic beside version \
                 {champion}"
            ),
            Self::RolloutAdvanced {
                rollout,
                weight,
                counts,
            } => {
                format!("{rollout}: {weight} % of the traffic ({})", rates(counts))
            }
            Self::Promoted {
                rollout,
                version,
                previous,
                counts,
                ..
            } => format!(
                "{rollout}: version {version} is the champion, after version {previous} ({})",
                rates(counts)
            ),
            Self::RolledBack {
                rollout,
                version,
                champion,
                reason,
                ..
            } => format!(
                "{rollout}: rolled back from version {version} to version {champion}: {reason}"
            ),
        }
    }
}

/// "wrong answers: canary 7 of 30, champion 101 of 270".
pub(crate) fn rates(counts: &Counts) -> String {
    format!(
        "wrong answers: canary {} of {}, champion {} of {}",
        counts.canary_bad, counts.canary, counts.champion_bad, counts.champion
    )
}
