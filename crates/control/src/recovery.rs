//! Taking up where the journal and the logs end.

use ketch_serving::{PredictionRecord, Recovered, Variant};

use crate::{
    error::ControlError,
    event::{Event, EventKind},
    model_loop::{LOOP, ModelLoop, Step, chain},
};

impl ModelLoop {
    /// Replays what the journal and the logs hold: labels and events in the order in which they
    /// came. Nothing is decided anew for the past.
    pub(crate) fn recover(
        &mut self,
        events: Vec<Event>,
        recovered: Recovered,
    ) -> Result<(), ControlError> {
        let mut events = events.into_iter().peekable();
        for row in recovered.labelled {
            while let Some(event) =
                events.next_if(|event| event.position.labelled <= self.history.labelled())
            {
                self.take_in(event);
            }
            self.absorb(row);
        }
        for event in events {
            self.take_in(event);
        }
        self.load_routed_versions()?;
        self.replay_drift(&recovered.predictions)?;
        // A rollback takes effect before it is journalled, so a crash may have come between.
        if self.rollout.is_some()
            && let Some(step @ Step::RollBack { .. }) = self.next_step()
        {
            self.take_step(step)?;
        }
        self.endpoint.publish(self.routing(&self.state)?);
        Ok(())
    }

    /// The drift window in progress, and the last full one since the champion's release: a crash
    /// may have come before what it shows was journalled.
    fn replay_drift(&mut self, predictions: &[PredictionRecord]) -> Result<(), ControlError> {
        let since = self.champion_served();
        let rows: Vec<_> = predictions
            .iter()
            .filter(|record| record.variant != Variant::Pinned)
            .collect();
        self.served = rows.len() as u64;
        self.observed_at = rows.iter().rev().find_map(|record| record.observed_at);
        let full = self.served.saturating_sub(since) / self.config.monitor.window;
        let begin = since + full.saturating_sub(1) * self.config.monitor.window;
        for record in rows
            .iter()
            .skip(usize::try_from(begin).unwrap_or(usize::MAX))
        {
            self.monitor.served(record);
        }
        self.notice_drift()
    }

    fn load_routed_versions(&mut self) -> Result<(), ControlError> {
        if let Some(champion) = self.state.champion {
            self.load(champion)?;
            let reference = self.references.get(&champion).cloned();
            self.monitor.set_reference(reference.unwrap_or_default());
        }
        if let Some(rollout) = self.state.rollout.clone()
            && let Err(error) = self.load(rollout.candidate)
        {
            let reason = format!("it does not load after a restart: {}", chain(&error));
            self.roll_back(LOOP, &reason)?;
        }
        let released = |event: &Event| match &event.kind {
            EventKind::Released { version, .. } | EventKind::Promoted { version, .. } => {
                Some(*version)
            }
            _ => None,
        };
        let earlier: Vec<u32> = self.events.iter().filter_map(released).collect();
        for version in earlier {
            // Only for requests that name it. What is long out of service may be gone for good,
            // and must not keep the champion from answering.
            let _ = self.load(version);
        }
        Ok(())
    }

    fn champion_served(&self) -> u64 {
        let release = self.events.iter().rev().find(|event| {
            matches!(
                event.kind,
                EventKind::Released { .. } | EventKind::Promoted { .. }
            )
        });
        release.map_or(0, |event| event.position.served)
    }
}
