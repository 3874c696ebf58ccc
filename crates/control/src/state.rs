//! Where a model is in its life: a pure fold over its journal.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::event::{Event, EventKind, Trigger};

/// Where a model is in its life.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ModelState {
    /// The version that serves by default.
    pub champion: Option<u32>,
    /// Labelled rows when it began to.
    pub champion_since: u64,
    /// The rollout in progress.
    pub rollout: Option<RolloutState>,
    /// The incident that is open.
    pub incident: Option<Incident>,
    /// Where the relation that holds now began, and when to learn from it next.
    pub retrain: Option<RetrainPlan>,
    /// The retrain in progress, or cut short by a crash.
    pub retraining: Option<Retraining>,
    /// A version that may be released and is not yet.
    pub pending_release: Option<PendingRelease>,
    /// Columns whose served values differ from the reference.
    pub drifted_columns: BTreeSet<String>,
    /// Incidents so far.
    pub incidents: u64,
    /// Retrains so far.
    pub retrains: u64,
    /// Rollouts so far.
    pub rollouts: u64,
}

/// A rollout in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolloutState {
    /// Its name.
    pub name: String,
    /// The version that is tried.
    pub candidate: u32,
    /// The version that gets the traffic back if it goes wrong.
    pub champion: u32,
    /// Percent of the traffic.
    pub weight: u8,
    /// Whether a person forced it past the gate.
    pub forced: bool,
    /// Whether the loop's own retrain made the candidate.
    pub retrained: bool,
}

/// An open incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Incident {
    /// Its number.
    pub number: u64,
    /// The first changed row's place in time.
    pub changed_at: Option<f64>,
    /// Whether the loop has given up and a person must look.
    pub escalated: bool,
    /// The version promoted since, which ends the incident.
    pub resolved_by: Option<u32>,
}

/// A retrain in progress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retraining {
    /// Its number.
    pub number: u64,
    /// First and last place in time (the last excluded) of the rows to learn from.
    pub window: Option<(f64, f64)>,
    /// Labelled rows when it began; the last `holdout` of them are the gate's.
    pub labelled: u64,
    /// Rows kept for the gate.
    pub holdout: u64,
    /// The candidate, once there is one.
    pub candidate: Option<u32>,
}

/// A version that may be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PendingRelease {
    /// The version.
    pub version: u32,
    /// Whether a person forced it past the gate.
    pub forced: bool,
    /// Whether the loop's own retrain made it.
    pub retrained: bool,
}

/// When to learn next from the relation that holds now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetrainPlan {
    /// Labelled rows before the change.
    pub changed_after: u64,
    /// Labelled rows since the change that the next retrain needs, as a multiple of the
    /// configured minimum: doubles with every attempt.
    pub factor: u64,
    /// What the next retrain is for.
    pub trigger: Trigger,
}

/// The stages of a model's life; after the last one it begins again.
pub const LIFECYCLE: [&str; 7] = [
    "collect",
    "preprocess",
    "train",
    "evaluate",
    "deploy",
    "monitor",
    "retrain",
];

/// What a model is doing, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No version serves yet.
    Empty,
    /// The champion serves and is watched.
    Watching,
    /// Labels are gathered for the next retrain.
    Collecting,
    /// A candidate is being made.
    Retraining,
    /// A candidate serves beside the champion.
    Canary,
    /// The loop has given up; a person must look.
    Escalated,
}

impl Phase {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Watching => "watching",
            Self::Collecting => "collecting",
            Self::Retraining => "retraining",
            Self::Canary => "canary",
            Self::Escalated => "escalated",
        }
    }
}

impl ModelState {
    /// What the model is doing.
    pub fn phase(&self) -> Phase {
        if self.champion.is_none() {
            Phase::Empty
        } else if self.rollout.is_some() {
            Phase::Canary
        } else if self.retraining.is_some() {
            Phase::Retraining
        } else if self
            .incident
            .as_ref()
            .is_some_and(|incident| incident.escalated)
        {
            Phase::Escalated
        } else if self.incident.is_some() {
            Phase::Collecting
        } else {
            Phase::Watching
        }
    }

    /// Takes one event in.
    pub fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Released { version, .. } => {
                self.champion = Some(*version);
                self.champion_since = event.position.labelled;
            }
            EventKind::DriftNoticed { columns } => {
                self.drifted_columns
                    .extend(columns.iter().map(|drift| drift.column.clone()));
            }
            EventKind::DriftSubsided { columns } => {
                self.drifted_columns
                    .retain(|column| !columns.contains(column));
            }
            EventKind::IncidentOpened {
                incident,
                changed_after,
                changed_at,
                ..
            } => {
                self.incidents = *incident;
                self.incident = Some(Incident {
                    number: *incident,
                    changed_at: *changed_at,
                    escalated: false,
                    resolved_by: None,
                });
                self.retrain = Some(RetrainPlan {
                    changed_after: *changed_after,
                    factor: 1,
                    trigger: Trigger::Incident(*incident),
                });
            }
            EventKind::IncidentResolved { .. } => self.incident = None,
            EventKind::Escalated { .. } => {
                if let Some(incident) = &mut self.incident {
                    incident.escalated = true;
                }
                self.retrain = None;
            }
            EventKind::RetrainStarted {
                retrain,
                window,
                holdout,
                ..
            } => {
                self.retrains = *retrain;
                self.retraining = Some(Retraining {
                    number: *retrain,
                    window: *window,
                    labelled: event.position.labelled,
                    holdout: *holdout,
                    candidate: None,
                });
            }
            EventKind::RetrainFailed { .. } => {
                self.retraining = None;
                self.wait_for_twice_the_rows();
            }
            EventKind::RetrainFinished { version, .. } => {
                if let Some(retraining) = &mut self.retraining {
                    retraining.candidate = Some(*version);
                }
            }
            EventKind::GateChecked {
                version, passed, ..
            } => {
                // Also said of a version that a person wants to release.
                let own = self
                    .retraining
                    .take_if(|own| own.candidate == Some(*version))
                    .is_some();
                if *passed {
                    self.pending_release = Some(PendingRelease {
                        version: *version,
                        forced: false,
                        retrained: own,
                    });
                } else {
                    // It may have passed once and be damaged since.
                    self.pending_release
                        .take_if(|pending| pending.version == *version);
                    if own {
                        self.wait_for_twice_the_rows();
                    }
                }
            }
            EventKind::GateOverridden { version, .. } => {
                self.pending_release = Some(PendingRelease {
                    version: *version,
                    forced: true,
                    retrained: false,
                });
            }
            EventKind::RolloutStarted {
                rollout,
                candidate,
                champion,
                weight,
                forced,
            } => {
                self.rollouts += 1;
                let pending = self.pending_release.take();
                self.rollout = Some(RolloutState {
                    name: rollout.clone(),
                    candidate: *candidate,
                    champion: *champion,
                    weight: *weight,
                    forced: *forced,
                    retrained: pending.is_some_and(|pending| pending.retrained),
                });
            }
            EventKind::RolloutAdvanced { weight, .. } => {
                if let Some(rollout) = &mut self.rollout {
                    rollout.weight = *weight;
                }
            }
            EventKind::Promoted { version, .. } => {
                self.rollout = None;
                self.champion = Some(*version);
                self.champion_since = event.position.labelled;
                if let Some(incident) = &mut self.incident {
                    incident.resolved_by = Some(*version);
                }
                // Learn again when the rows since the change have doubled: O(log n) retrains.
                self.wait_for_twice_the_rows();
                if let Some(plan) = &mut self.retrain {
                    plan.trigger = Trigger::Consolidation;
                }
            }
            EventKind::RolledBack { .. } => {
                // What people released says nothing about the loop's own candidates.
                let own = self.rollout.take().is_some_and(|rollout| rollout.retrained);
                if own {
                    self.wait_for_twice_the_rows();
                }
            }
        }
    }

    fn wait_for_twice_the_rows(&mut self) {
        if let Some(plan) = &mut self.retrain {
            plan.factor *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use ketch_serving::Counts;

    use super::*;
    use crate::event::{ColumnDrift, Position};

    fn apply(state: &mut ModelState, kind: EventKind) {
        let sequence = 1;
        let position = Position {
            served: 900,
            labelled: 900,
            observed_at: None,
        };
        state.apply(&Event {
            sequence,
            at: Timestamp::UNIX_EPOCH,
            actor: "loop".to_owned(),
            position,
            kind,
        });
    }

    fn after(kinds: impl IntoIterator<Item = EventKind>) -> ModelState {
        let mut state = ModelState::default();
        for kind in kinds {
            apply(&mut state, kind);
        }
        state
    }

    fn released() -> EventKind {
        EventKind::Released {
            version: 1,
            reason: "first".to_owned(),
        }
    }

    fn incident(number: u64) -> EventKind {
        EventKind::IncidentOpened {
            incident: number,
            detector: "adwin".to_owned(),
            loss_before: 0.1,
            loss_after: 0.4,
            changed_after: 600,
            changed_at: Some(600.0),
            drifted_columns: Vec::new(),
        }
    }

    fn started() -> EventKind {
        EventKind::RetrainStarted {
            retrain: 1,
            trigger: Trigger::Incident(1),
            window: None,
            rows: 300,
            holdout: 75,
        }
    }

    fn finished(version: u32) -> EventKind {
        EventKind::RetrainFinished {
            retrain: 1,
            version,
            run: "run".to_owned(),
            commit: "commit".to_owned(),
            seconds: 1.0,
        }
    }

    fn gate(version: u32, passed: bool) -> EventKind {
        EventKind::GateChecked {
            version,
            passed,
            rows: 75,
            candidate: None,
            champion: None,
            difference: None,
            reasons: Vec::new(),
        }
    }

    fn rollout(candidate: u32, forced: bool) -> EventKind {
        EventKind::RolloutStarted {
            rollout: "rollout-1".to_owned(),
            candidate,
            champion: 1,
            weight: 10,
            forced,
        }
    }

    fn promoted(version: u32) -> EventKind {
        EventKind::Promoted {
            rollout: "rollout-1".to_owned(),
            version,
            previous: 1,
            counts: Counts::default(),
            safe: 1.0,
        }
    }

    fn rolled_back(version: u32) -> EventKind {
        EventKind::RolledBack {
            rollout: "rollout-1".to_owned(),
            version,
            champion: 1,
            reason: "worse".to_owned(),
            counts: Counts::default(),
            worse: 100.0,
        }
    }

    fn factor(state: &ModelState) -> u64 {
        state.retrain.as_ref().unwrap().factor
    }

    #[test]
    fn the_phases_of_a_turn() {
        let mut state = ModelState::default();
        assert_eq!(state.phase(), Phase::Empty);
        for (kind, phase) in [
            (released(), Phase::Watching),
            (incident(1), Phase::Collecting),
            (started(), Phase::Retraining),
            (finished(2), Phase::Retraining),
            (gate(2, true), Phase::Collecting),
            (rollout(2, false), Phase::Canary),
            (promoted(2), Phase::Collecting),
            (
                EventKind::IncidentResolved {
                    incident: 1,
                    version: 2,
                },
                Phase::Watching,
            ),
        ] {
            let name = kind.name();
            apply(&mut state, kind);
            assert_eq!(state.phase(), phase, "after {name}");
        }
        assert_eq!(state.champion, Some(2));
        assert_eq!(state.champion_since, 900);
        let plan = state.retrain.unwrap();
        assert_eq!((plan.factor, plan.trigger), (2, Trigger::Consolidation));
        assert_eq!(plan.changed_after, 600, "the relation began where it began");
    }

    #[test]
    fn a_promotion_says_that_the_incident_is_over_before_the_journal_does() {
        let state = after([released(), incident(1), rollout(2, false), promoted(2)]);
        assert_eq!(state.incident.unwrap().resolved_by, Some(2));
    }

    #[test]
    fn every_failure_doubles_the_rows_that_the_next_retrain_needs() {
        let begin = || vec![released(), incident(1), started()];
        let failed = EventKind::RetrainFailed {
            retrain: 1,
            reason: "no".to_owned(),
        };
        let state = after(begin().into_iter().chain([failed]));
        assert_eq!((factor(&state), &state.retraining), (2, &None));
        let state = after(begin().into_iter().chain([finished(2), gate(2, false)]));
        assert_eq!((factor(&state), &state.retraining), (2, &None));
        assert_eq!(state.pending_release, None);
        let state = after(begin().into_iter().chain([
            finished(2),
            gate(2, true),
            rollout(2, false),
            rolled_back(2),
        ]));
        assert_eq!((factor(&state), state.champion), (2, Some(1)));
        // A new incident begins anew.
        let mut state = state;
        apply(&mut state, incident(2));
        assert_eq!(factor(&state), 1);
    }

    #[test]
    fn what_people_force_says_nothing_about_the_loops_own_candidates() {
        let forced = EventKind::GateOverridden {
            version: 7,
            reason: "trust me".to_owned(),
        };
        let mut state = after([released(), incident(1), gate(7, false), forced]);
        assert_eq!(factor(&state), 1, "not the loop's own candidate");
        let pending = PendingRelease {
            version: 7,
            forced: true,
            retrained: false,
        };
        assert_eq!(state.pending_release, Some(pending));
        apply(&mut state, rollout(7, true));
        assert_eq!(state.pending_release, None);
        apply(&mut state, rolled_back(7));
        assert_eq!((factor(&state), &state.rollout), (1, &None));
        // Nor does a person's version that passed the gate and failed on live traffic.
        for kind in [gate(8, true), rollout(8, false), rolled_back(8)] {
            apply(&mut state, kind);
        }
        assert_eq!((factor(&state), state.rollout), (1, None));
    }

    #[test]
    fn a_passed_version_that_no_longer_loads_is_not_released() {
        let state = after([released(), gate(2, true), gate(3, false)]);
        assert!(state.pending_release.is_some(), "another version's");
        let state = after([released(), gate(2, true), gate(2, false)]);
        assert_eq!(state.pending_release, None);
    }

    #[test]
    fn an_escalated_incident_waits_for_a_person() {
        let escalated = EventKind::Escalated {
            incident: 1,
            reason: "no".to_owned(),
        };
        let mut state = after([released(), incident(1), escalated]);
        assert_eq!((state.phase(), &state.retrain), (Phase::Escalated, &None));
        apply(&mut state, rollout(2, true));
        apply(&mut state, promoted(2));
        assert_eq!(state.retrain, None, "a person's version is left alone");
        assert_eq!(state.incident.unwrap().resolved_by, Some(2));
    }

    #[test]
    fn drifted_columns_come_and_go() {
        let noticed = EventKind::DriftNoticed {
            columns: ["a", "b"]
                .map(|column| ColumnDrift {
                    column: column.to_owned(),
                    statistic: 0.5,
                    q_value: 0.001,
                })
                .to_vec(),
        };
        let subsided = EventKind::DriftSubsided {
            columns: vec!["a".to_owned()],
        };
        let state = after([released(), noticed, subsided]);
        assert_eq!(state.drifted_columns, BTreeSet::from(["b".to_owned()]));
        assert_eq!(state.phase(), Phase::Watching, "a notice, not an alarm");
    }
}
