//! Day by day: is it going to rain? A week later: did it?

use ketch_control::{
    CandidateOptions, EventKind, ModelHandle, Phase, SystemClock, list_versions, make_candidate,
};
use ketch_dvc::yaml::Value;
use ketch_project::Project;
use ketch_tracking::TrackingStore;

use super::{
    client::Client,
    error::DemoError,
    narrator::Narrator,
    story::{LABEL_DELAY, MODEL, Story, villain_window},
    weather::Weather,
};
use crate::exit::CommandError;

/// Name of the villain's run, and of the villain.
pub(super) const VILLAIN: &str = "villain";

/// What the villain says.
const REASON: &str = "it did well on my laptop";

/// Days between two looks at how it goes.
const LOOK_EVERY: u64 = 20;

pub(super) struct Replay<'a> {
    pub(super) project: &'a Project,
    pub(super) tracking: &'a TrackingStore,
    pub(super) handle: &'a ModelHandle,
    pub(super) client: &'a Client,
    pub(super) weather: &'a Weather,
    pub(super) narrator: &'a Narrator,
    pub(super) story: Story,
}

impl Replay<'_> {
    /// Replays every day that has not been replayed, the villain's included.
    ///
    /// The days wait for the loop: in truth a retrain takes less than a day.
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let snapshot = self.handle.snapshot();
        let first = snapshot
            .observed_at
            .map_or(self.story.today, |day| day as u64 + 1);
        let mut labelled = self.story.today + snapshot.labelled;
        let mut villain_acted = snapshot
            .events
            .iter()
            .any(|event| matches!(event.kind, EventKind::GateOverridden { .. }));
        if first > self.story.today {
            self.narrator.detail(&format!("going on with day {first}"));
            // The day that was cut short ends as it would have.
            self.evening(first - 1, &mut labelled, &mut villain_acted)?;
        }
        for day in first..self.story.end {
            self.client.predict(self.weather, day)?;
            self.evening(day, &mut labelled, &mut villain_acted)?;
        }
        while labelled < self.story.end {
            self.client.label(self.weather, labelled)?;
            labelled += 1;
        }
        self.handle.settle()?;
        Ok(())
    }

    /// What follows a day's question: the labels that are known by now, the loop's work, a look at
    /// how it goes. Done again, it does nothing new.
    fn evening(
        &self,
        day: u64,
        labelled: &mut u64,
        villain_acted: &mut bool,
    ) -> Result<(), CommandError> {
        while *labelled + LABEL_DELAY <= day {
            self.client.label(self.weather, *labelled)?;
            *labelled += 1;
        }
        self.handle.settle()?;
        if day.is_multiple_of(LOOK_EVERY) {
            let snapshot = self.handle.snapshot();
            self.narrator
                .progress(day, self.story.end, &snapshot.quality);
            let idle = matches!(snapshot.phase, Phase::Watching | Phase::Collecting);
            if !*villain_acted && day >= self.story.villain_day && idle {
                self.act_the_villain(day)?;
                *villain_acted = true;
            }
        }
        Ok(())
    }

    /// Trains on turned labels and forces the result past the gate, as a person could.
    fn act_the_villain(&self, day: u64) -> Result<(), CommandError> {
        let made = list_versions(self.tracking, MODEL)?;
        let version = match made.iter().find(|version| version.run_name == VILLAIN) {
            Some(version) => version.version,
            None => self.train_on_turned_labels(day)?,
        };
        self.narrator.part("deploy");
        self.narrator.detail(&format!(
            "the villain trained version {version} on turned labels and asks for its release"
        ));
        if self.client.deploy(version, VILLAIN, None)?.is_err() {
            self.narrator.detail("refused; the villain insists");
        }
        if let Err(refusal) = self.client.deploy(version, VILLAIN, Some(REASON))? {
            return Err(DemoError::Ending { reason: refusal }.into());
        }
        self.narrator.part("monitor");
        Ok(())
    }

    fn train_on_turned_labels(&self, day: u64) -> Result<u32, CommandError> {
        let (first, last) = villain_window(day);
        let number = |day: u64| Value::Int(i64::try_from(day).unwrap_or(i64::MAX));
        let params = [
            ("prepare.first_day".to_owned(), number(first)),
            ("prepare.last_day".to_owned(), number(last)),
            ("prepare.label_noise".to_owned(), Value::Float(1.0)),
        ];
        let options = CandidateOptions {
            model: MODEL,
            name: VILLAIN,
            params: &params,
            reason: "labels turned round",
            user: VILLAIN,
        };
        let made = make_candidate(
            self.project,
            self.tracking,
            &options,
            &SystemClock,
            self.narrator,
        )?;
        Ok(made.version)
    }
}
