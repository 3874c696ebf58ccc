//! The reconciler of one model: compares what should be with what is, and takes one step at a
//! time until they agree. Every step is in the journal before it has an effect, so that a crash
//! anywhere resumes where it was.

use std::{collections::BTreeMap, sync::Arc};

use ketch_monitoring::drift::{DriftReport, Reference};
use ketch_project::{ModelConfig, Project};
use ketch_serving::{
    Canary, Endpoint, LabelledPrediction, LoadedModel, PredictionRecord, Rollout, RolloutOptions,
    RoutingTable, Verdict,
};
use ketch_store::Silent;
use ketch_tracking::{Alias, ChangeNote, ErrorKind, ModelName, TrackingStore};

use crate::{
    candidate::{CandidateOptions, make_candidate},
    clock::Clock,
    error::ControlError,
    event::{ColumnDrift, Event, EventKind, Position, Trigger, rates},
    gate::{GateReport, check_gate},
    handle::LoopReporter,
    history::History,
    journal::Journal,
    monitor::{Alarm, Monitor},
    registration::milliseconds,
    state::{ModelState, PendingRelease, Retraining},
    versions::list_versions,
};

/// The actor of what the loop does by itself.
pub(crate) const LOOP: &str = "loop";

/// A retrain needs at most this many times the configured minimum of labelled rows; after that
/// the loop has learnt what there is to learn, or needs a person.
const MAXIMUM_FACTOR: u64 = 8;

/// Labelled rows on which a version that a person wants to release is compared.
const GATE_ROWS: u64 = 365;

pub(crate) struct ModelLoop {
    pub(crate) project: Project,
    pub(crate) model: String,
    pub(crate) config: ModelConfig,
    pub(crate) tracking: TrackingStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reporter: Arc<dyn LoopReporter>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) journal: Journal,
    pub(crate) state: ModelState,
    pub(crate) monitor: Monitor,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) history: History,
    pub(crate) loaded: BTreeMap<u32, Arc<LoadedModel>>,
    /// The data that each version in memory learnt from, by column.
    pub(crate) references: BTreeMap<u32, Reference>,
    /// Where the registry's alias points, as far as this process has moved it.
    pub(crate) alias: Option<u32>,
    pub(crate) events: Vec<Event>,
    pub(crate) served: u64,
    pub(crate) observed_at: Option<f64>,
}

/// What the loop does next.
pub(crate) enum Step {
    RollBack {
        reason: String,
        worse: f64,
    },
    Promote {
        safe: f64,
    },
    Advance {
        weight: u8,
    },
    StartRollout(PendingRelease),
    CheckGate {
        version: u32,
        retraining: Retraining,
    },
    Retrain(Retraining),
    OpenIncident(Alarm),
    ResolveIncident {
        incident: u64,
        version: u32,
    },
    PointAlias {
        version: u32,
    },
    PlanRetrain,
    Escalate {
        incident: u64,
    },
}

impl ModelLoop {
    /// Releases the version with the alias `champion` when none serves yet.
    pub(crate) fn release_first(&mut self) -> Result<(), ControlError> {
        if self.state.champion.is_some() {
            return Ok(());
        }
        let name: ModelName = self.model.parse()?;
        let version = self
            .tracking
            .model_version_by_alias(&name, &champion_alias()?)
            .map_err(|error| match error.kind() {
                // An unknown alias is an invalid parameter in MLflow's words.
                ErrorKind::ResourceDoesNotExist | ErrorKind::InvalidParameterValue => {
                    ControlError::NothingRegistered {
                        model: self.model.clone(),
                    }
                }
                _ => error.into(),
            })?;
        self.load(version.version)?;
        self.record(
            LOOP,
            EventKind::Released {
                version: version.version,
                reason: "the registry's champion".to_owned(),
            },
        )
    }

    /// Takes a served row in.
    pub(crate) fn served(&mut self, record: &PredictionRecord) -> Result<(), ControlError> {
        self.served += 1;
        self.observed_at = record.observed_at.or(self.observed_at);
        if self.monitor.served(record).is_some() {
            self.notice_drift()?;
        }
        Ok(())
    }

    /// Journals what the last full window shows that is not known yet.
    pub(crate) fn notice_drift(&mut self) -> Result<(), ControlError> {
        let Some(report) = self.monitor.report() else {
            return Ok(());
        };
        let (noticed, subsided) = drift_changes(report, &self.state);
        if !noticed.is_empty() {
            self.record(LOOP, EventKind::DriftNoticed { columns: noticed })?;
        }
        if !subsided.is_empty() {
            self.record(LOOP, EventKind::DriftSubsided { columns: subsided })?;
        }
        Ok(())
    }

    /// Takes a labelled row in and acts on it.
    pub(crate) fn labelled(&mut self, row: LabelledPrediction) -> Result<(), ControlError> {
        self.absorb(row);
        self.reconcile()
    }

    /// Takes steps until there is none to take.
    pub(crate) fn reconcile(&mut self) -> Result<(), ControlError> {
        while let Some(step) = self.next_step() {
            self.take_step(step)?;
        }
        Ok(())
    }

    /// Releases a version that a person names: through the gate, or past it.
    pub(crate) fn deploy(
        &mut self,
        version: u32,
        actor: &str,
        force: Option<String>,
    ) -> Result<GateReport, ControlError> {
        if let Some(rollout) = &self.state.rollout {
            return Err(ControlError::RolloutInProgress {
                rollout: rollout.name.clone(),
                version: rollout.candidate,
            });
        }
        if self.state.champion == Some(version) {
            return Err(ControlError::AlreadyChampion { version });
        }
        let last = self.history.labelled();
        let report = self.gate(version, last.saturating_sub(GATE_ROWS), last)?;
        self.record(actor, report.event(version))?;
        match force {
            _ if report.passed => {}
            Some(reason) => self.record(actor, EventKind::GateOverridden { version, reason })?,
            None => {
                return Err(ControlError::GateRefuses {
                    version,
                    reasons: report.reasons,
                });
            }
        }
        self.reconcile()?;
        Ok(report)
    }

    /// Takes a rollout in progress back, because a person says so.
    /// The rollout that was taken back, if one was in progress.
    pub(crate) fn roll_back(
        &mut self,
        actor: &str,
        reason: &str,
    ) -> Result<Option<String>, ControlError> {
        let rollout = self.state.rollout.as_ref().map(|state| state.name.clone());
        let worse = self
            .rollout
            .as_ref()
            .map_or(1.0, |rollout| rollout.e_values().0);
        self.finish_rollout(actor, reason, worse)?;
        Ok(rollout)
    }

    pub(crate) fn absorb(&mut self, row: LabelledPrediction) {
        self.monitor.labelled(&row, self.history.labelled());
        if let (Some(rollout), Some(state)) = (&mut self.rollout, &self.state.rollout)
            && row.prediction.rollout.as_ref() == Some(&state.name)
        {
            rollout.observe(row.prediction.variant, row.is_wrong().into());
        }
        self.history.push(row);
    }

    pub(crate) fn next_step(&mut self) -> Option<Step> {
        if let Some(rollout) = &self.rollout {
            return match rollout.verdict() {
                Verdict::Wait => None,
                Verdict::Advance { weight } => Some(Step::Advance { weight }),
                Verdict::Promote { safe } => Some(Step::Promote { safe }),
                Verdict::RollBack { worse, counts } => Some(Step::RollBack {
                    reason: rates(&counts),
                    worse,
                }),
            };
        }
        if let Some(pending) = self.state.pending_release {
            return Some(Step::StartRollout(pending));
        }
        if let Some(retraining) = self.state.retraining.clone() {
            return Some(match retraining.candidate {
                Some(version) => Step::CheckGate {
                    version,
                    retraining,
                },
                None => Step::Retrain(retraining),
            });
        }
        if let Some(alarm) = self.monitor.take_alarm()
            && self.state.incident.is_none()
        {
            return Some(Step::OpenIncident(alarm));
        }
        if let Some(incident) = &self.state.incident
            && let Some(version) = incident.resolved_by
        {
            return Some(Step::ResolveIncident {
                incident: incident.number,
                version,
            });
        }
        if let Some(version) = self.state.champion
            && self.alias != Some(version)
        {
            return Some(Step::PointAlias { version });
        }
        let plan = self.state.retrain.as_ref()?;
        if plan.factor > MAXIMUM_FACTOR {
            let incident = self
                .state
                .incident
                .as_ref()
                .filter(|incident| !incident.escalated)?;
            return Some(Step::Escalate {
                incident: incident.number,
            });
        }
        let since = self.history.labelled().saturating_sub(plan.changed_after);
        let needed = self.config.retrain.minimum_labels.max(1) * plan.factor;
        (since >= needed).then_some(Step::PlanRetrain)
    }

    pub(crate) fn take_step(&mut self, step: Step) -> Result<(), ControlError> {
        match step {
            Step::RollBack { reason, worse } => {
                let reason = format!("the canary is worse than the champion: {reason}");
                self.finish_rollout(LOOP, &reason, worse)
            }
            Step::Promote { safe } => self.promote(safe),
            Step::Advance { weight } => self.advance(weight),
            Step::StartRollout(pending) => self.start_rollout(pending),
            Step::CheckGate {
                version,
                retraining,
            } => {
                if let Err(error) = self.load(version) {
                    return self.refuse_unloadable(version, &error);
                }
                let first = retraining.labelled.saturating_sub(retraining.holdout);
                let report = self.gate(version, first, retraining.labelled)?;
                self.record(LOOP, report.event(version))
            }
            Step::Retrain(retraining) => self.retrain(&retraining),
            Step::OpenIncident(alarm) => self.record(
                LOOP,
                EventKind::IncidentOpened {
                    incident: self.state.incidents + 1,
                    detector: "ADWIN on the labelled loss".to_owned(),
                    loss_before: alarm.before,
                    loss_after: alarm.after,
                    changed_after: alarm.changed_after,
                    changed_at: alarm.changed_at,
                    drifted_columns: self.state.drifted_columns.iter().cloned().collect(),
                },
            ),
            Step::ResolveIncident { incident, version } => {
                self.record(LOOP, EventKind::IncidentResolved { incident, version })
            }
            Step::PointAlias { version } => self.point_alias(version),
            Step::PlanRetrain => self.plan_retrain(),
            Step::Escalate { incident } => self.record(
                LOOP,
                EventKind::Escalated {
                    incident,
                    reason: format!(
                        "no candidate was better on up to {MAXIMUM_FACTOR} times the minimum of \
                         labelled rows"
                    ),
                },
            ),
        }
    }

    fn plan_retrain(&mut self) -> Result<(), ControlError> {
        let Some(plan) = &self.state.retrain else {
            return Ok(());
        };
        let labelled = self.history.labelled();
        let rows = labelled.saturating_sub(plan.changed_after);
        let holdout = (rows as f64 * self.config.retrain.holdout).ceil() as u64;
        let places = |first, last| {
            let rows = self.history.between(first, last);
            rows.into_iter()
                .filter_map(|row| row.prediction.observed_at)
        };
        let kept_from = labelled.saturating_sub(holdout);
        // Labels come in any order: what the gate will ask about must not have been learnt.
        let window = places(plan.changed_after, kept_from)
            .next()
            .zip(places(kept_from, labelled).reduce(f64::min));
        let trigger = match (&self.state.incident, &plan.trigger) {
            (Some(incident), _) => Trigger::Incident(incident.number),
            (None, trigger) => trigger.clone(),
        };
        let retrain = self.state.retrains + 1;
        self.record(
            LOOP,
            EventKind::RetrainStarted {
                retrain,
                trigger,
                window,
                rows,
                holdout,
            },
        )
    }

    fn retrain(&mut self, retraining: &Retraining) -> Result<(), ControlError> {
        let number = retraining.number;
        let started = self.clock.now();
        let name = format!("retrain-{number}");
        let made = match self.made_before_a_crash(number, &name) {
            Ok(Some(made)) => Ok(made),
            Ok(None) => self.window_params(retraining).and_then(|params| {
                let made = make_candidate(
                    &self.project,
                    &self.tracking,
                    &CandidateOptions {
                        model: &self.model,
                        name: &name,
                        params: &params,
                        reason: &format!("retrain {number} of the loop"),
                        user: LOOP,
                    },
                    self.clock.as_ref(),
                    &Silent,
                )?;
                Ok((made.version, made.run, Some(made.commit)))
            }),
            Err(error) => Err(error),
        };
        let kind = match made {
            Ok((version, run, commit)) => match self.load(version) {
                Ok(_) => EventKind::RetrainFinished {
                    retrain: number,
                    version,
                    run,
                    commit: commit.unwrap_or_default(),
                    seconds: self.clock.now().duration_since(started).as_secs_f64(),
                },
                Err(error) => EventKind::RetrainFailed {
                    retrain: number,
                    reason: chain(&error),
                },
            },
            Err(error) => EventKind::RetrainFailed {
                retrain: number,
                reason: chain(&error),
            },
        };
        self.record(LOOP, kind)
    }

    /// The candidate (version, run, commit) of a retrain that was registered, but not journalled,
    /// when a crash came. An older journal's retrain of the same number does not count.
    fn made_before_a_crash(
        &self,
        number: u64,
        name: &str,
    ) -> Result<Option<(u32, String, Option<String>)>, ControlError> {
        let begun = self.events.iter().rev().find_map(|event| match event.kind {
            EventKind::RetrainStarted { retrain, .. } if retrain == number => Some(event.at),
            _ => None,
        });
        let Some(begun) = begun else { return Ok(None) };
        for row in list_versions(&self.tracking, &self.model)? {
            let run = self.tracking.run(&row.run.parse()?)?;
            if row.run_name == name && run.started_at_ms >= milliseconds(begun) {
                return Ok(Some((row.version, row.run, row.commit)));
            }
        }
        Ok(None)
    }

    /// The parameters that choose the rows to learn from; none when the pipeline has no such.
    fn window_params(
        &self,
        retraining: &Retraining,
    ) -> Result<Vec<(String, ketch_dvc::yaml::Value)>, ControlError> {
        let Some(names) = &self.config.retrain.window else {
            return Ok(Vec::new());
        };
        let Some((first, last)) = retraining.window else {
            return Err(ControlError::NoPlaceInTime {
                parameter: self.config.time.clone(),
            });
        };
        Ok(vec![
            (names.first.clone(), number(first)),
            (names.last.clone(), number(last)),
        ])
    }

    fn gate(&mut self, version: u32, first: u64, last: u64) -> Result<GateReport, ControlError> {
        let candidate = self.load(version)?;
        let champion = self
            .state
            .champion
            .map(|champion| self.load(champion))
            .transpose()?;
        let rows = self.history.between(first, last);
        check_gate(
            &self.config.gate,
            self.endpoint.features(),
            &rows,
            &candidate,
            champion.as_deref(),
        )
    }

    fn start_rollout(&mut self, pending: PendingRelease) -> Result<(), ControlError> {
        let Some(champion) = self.state.champion else {
            return Ok(());
        };
        if let Err(error) = self.load(pending.version) {
            return self.refuse_unloadable(pending.version, &error);
        }
        let forced = |event: &&Event| matches!(event.kind, EventKind::GateOverridden { .. });
        let actor = match self.events.iter().rev().find(forced) {
            Some(event) if pending.forced => event.actor.clone(),
            _ => LOOP.to_owned(),
        };
        self.record(
            &actor,
            EventKind::RolloutStarted {
                rollout: format!("rollout-{}", self.state.rollouts + 1),
                candidate: pending.version,
                champion,
                weight: self.config.rollout.steps.first().copied().unwrap_or(100),
                forced: pending.forced,
            },
        )
    }

    /// A candidate whose files went bad since it was made never sees traffic, and the loop goes on.
    fn refuse_unloadable(
        &mut self,
        version: u32,
        error: &ControlError,
    ) -> Result<(), ControlError> {
        let kind = EventKind::GateChecked {
            version,
            passed: false,
            rows: 0,
            candidate: None,
            champion: None,
            difference: None,
            reasons: vec![format!("it does not load: {}", chain(error))],
        };
        self.record(LOOP, kind)
    }

    fn advance(&mut self, weight: u8) -> Result<(), ControlError> {
        let (Some(state), Some(rollout)) = (&self.state.rollout, &self.rollout) else {
            return Ok(());
        };
        let kind = EventKind::RolloutAdvanced {
            rollout: state.name.clone(),
            weight,
            counts: rollout.counts(),
        };
        self.record(LOOP, kind)
    }

    fn promote(&mut self, safe: f64) -> Result<(), ControlError> {
        let (Some(state), Some(rollout)) = (self.state.rollout.clone(), &self.rollout) else {
            return Ok(());
        };
        let kind = EventKind::Promoted {
            rollout: state.name.clone(),
            version: state.candidate,
            previous: state.champion,
            counts: rollout.counts(),
            safe,
        };
        self.record(LOOP, kind)
    }

    fn finish_rollout(
        &mut self,
        actor: &str,
        reason: &str,
        worse: f64,
    ) -> Result<(), ControlError> {
        let (Some(state), Some(rollout)) = (self.state.rollout.clone(), &self.rollout) else {
            return Ok(());
        };
        let kind = EventKind::RolledBack {
            rollout: state.name,
            version: state.candidate,
            champion: state.champion,
            reason: reason.to_owned(),
            counts: rollout.counts(),
            worse,
        };
        self.record(actor, kind)
    }

    /// Journals what happens and makes it so. More exposure waits for the disk; less does not.
    fn record(&mut self, actor: &str, kind: EventKind) -> Result<(), ControlError> {
        let event = Event {
            sequence: self.journal.next_sequence(),
            at: self.clock.now(),
            actor: actor.to_owned(),
            position: Position {
                served: self.served,
                labelled: self.history.labelled(),
                observed_at: self.observed_at,
            },
            kind,
        };
        let mut intended = self.state.clone();
        intended.apply(&event);
        let table = self.routing(&intended)?;
        if matches!(event.kind, EventKind::RolledBack { .. }) {
            self.endpoint.publish(table);
            self.journal.append(&event)?;
        } else {
            self.endpoint.sync()?;
            self.journal.append(&event)?;
            self.endpoint.publish(table);
        }
        self.reporter.event(&self.model, &event);
        self.take_in(event);
        Ok(())
    }

    /// What an event means for the state in memory, when it happens and when it is replayed.
    pub(crate) fn take_in(&mut self, event: Event) {
        self.state.apply(&event);
        match &event.kind {
            EventKind::Released { version, .. } | EventKind::Promoted { version, .. } => {
                self.rollout = None;
                // In a replay it comes when the versions that serve now are loaded.
                let reference = self.references.get(version).cloned();
                self.monitor
                    .new_champion(*version, reference.unwrap_or_default());
            }
            EventKind::RolloutStarted { .. } => {
                let rollout = &self.config.rollout;
                self.rollout = Some(Rollout::new(RolloutOptions {
                    steps: rollout.steps.clone(),
                    minimum_labels: rollout.minimum_labels,
                    alpha: rollout.alpha,
                    margin: rollout.margin,
                }));
            }
            EventKind::RolloutAdvanced { .. } => {
                if let Some(rollout) = &mut self.rollout {
                    rollout.advance();
                }
            }
            EventKind::RolledBack { .. } => self.rollout = None,
            // An alarm that the incident answers must not open a second one.
            EventKind::IncidentOpened { .. } => drop(self.monitor.take_alarm()),
            _ => {}
        }
        self.events.push(event);
    }

    /// The routing table is a pure function of the state and the versions in memory.
    pub(crate) fn routing(&self, state: &ModelState) -> Result<RoutingTable, ControlError> {
        let version = |version: u32| {
            self.loaded
                .get(&version)
                .cloned()
                .ok_or_else(|| ControlError::UnknownVersion {
                    model: self.model.clone(),
                    version,
                })
        };
        let canary = state
            .rollout
            .as_ref()
            .map(|rollout| {
                Ok::<_, ControlError>(Canary {
                    model: version(rollout.candidate)?,
                    weight: rollout.weight,
                    rollout: rollout.name.clone(),
                })
            })
            .transpose()?;
        Ok(RoutingTable {
            champion: state.champion.map(version).transpose()?,
            canary,
            loaded: self.loaded.clone(),
        })
    }

    /// Lets the registry say what the journal has decided.
    fn point_alias(&mut self, version: u32) -> Result<(), ControlError> {
        let promotion = self
            .events
            .iter()
            .rev()
            .find_map(|event| match &event.kind {
                EventKind::Promoted {
                    rollout,
                    version: promoted,
                    ..
                } if *promoted == version => Some(format!("{rollout} promoted it")),
                _ => None,
            });
        let note = ChangeNote {
            at_ms: milliseconds(self.clock.now()),
            actor: LOOP.to_owned(),
            reason: promotion.unwrap_or_else(|| "it is the version that serves".to_owned()),
        };
        self.tracking
            .set_alias(&self.model.parse()?, &champion_alias()?, version, &note)?;
        self.alias = Some(version);
        Ok(())
    }
}

pub(crate) fn champion_alias() -> Result<Alias, ControlError> {
    Ok("champion".parse()?)
}

fn drift_changes(report: &DriftReport, state: &ModelState) -> (Vec<ColumnDrift>, Vec<String>) {
    let noticed = report
        .drifted()
        .filter(|column| !state.drifted_columns.contains(&column.column))
        .map(|column| ColumnDrift {
            column: column.column.clone(),
            statistic: column.values.map_or(0.0, |values| values.statistic),
            q_value: column.q_value.unwrap_or(1.0),
        })
        .collect();
    let drifted: Vec<_> = report
        .drifted()
        .map(|column| column.column.as_str())
        .collect();
    let subsided = state
        .drifted_columns
        .iter()
        .filter(|column| !drifted.contains(&column.as_str()))
        .cloned()
        .collect();
    (noticed, subsided)
}

/// A whole number stays one, so that a window of days is written as days.
fn number(value: f64) -> ketch_dvc::yaml::Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        ketch_dvc::yaml::Value::Int(value as i64)
    } else {
        ketch_dvc::yaml::Value::Float(value)
    }
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
