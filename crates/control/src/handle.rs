//! A model's loop in a thread of its own, and how others talk to it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use camino::Utf8PathBuf;
use ketch_monitoring::drift::DriftReport;
use ketch_project::Project;
use ketch_serving::{
    Endpoint, EndpointOptions, FeatureColumn, FeatureKind, Label, LabelOutcome, LabelledPrediction,
    LogOptions, LogStatistics, PredictionObserver, PredictionRecord,
};
use ketch_tracking::TrackingStore;
use serde::Serialize;

use crate::{
    clock::Clock,
    error::ControlError,
    event::Event,
    gate::GateReport,
    history::History,
    journal::Journal,
    model_loop::ModelLoop,
    monitor::{Monitor, QualityPoint},
    paths::ModelPaths,
    registration::model_config,
    state::{ModelState, Phase},
};

/// Messages that may wait for the loop, for example while it retrains.
const QUEUE: usize = 100_000;

/// Hears what the loop does.
pub trait LoopReporter: Send + Sync {
    /// An event was journalled and has taken effect.
    fn event(&self, model: &str, event: &Event);

    /// A step failed; the loop tries again with the next labels.
    fn failed(&self, model: &str, error: &ControlError);
}

/// How a loop is started.
pub struct LoopOptions {
    /// The project.
    pub project: Project,
    /// The model's name in `ketch.toml`.
    pub model: String,
    /// The tracking database.
    pub tracking: Utf8PathBuf,
    /// In tests: where the identifiers of new runs come from.
    pub seed: Option<u64>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Hears what the loop does.
    pub reporter: Arc<dyn LoopReporter>,
}

/// A model that is served, watched and kept good.
pub struct ModelHandle {
    endpoint: Arc<Endpoint>,
    clock: Arc<dyn Clock>,
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for ModelHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ModelHandle")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What became of labels that arrived together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LabelSummary {
    /// Joined with their predictions.
    pub joined: usize,
    /// There already, with the same value.
    pub duplicate: usize,
    /// There already, with another value. The log has both and the new one counts from now on;
    /// what was decided on the old one stays decided.
    pub corrected: usize,
    /// Identifiers without a prediction.
    pub unknown: Vec<String>,
}

/// Everything a page shows of a model.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The model's name.
    pub model: String,
    /// What it is doing.
    pub phase: Phase,
    /// Where it is in its life.
    pub state: ModelState,
    /// Rows answered.
    pub served: u64,
    /// Rows with labels.
    pub labelled: u64,
    /// The latest row's place in time.
    pub observed_at: Option<f64>,
    /// The quality curve.
    pub quality: Vec<QualityPoint>,
    /// The last comparison with the reference.
    pub drift: Option<DriftReport>,
    /// The audit log.
    pub events: Vec<Event>,
    /// Counters of the prediction log.
    pub log: LogStatistics,
    /// Rows that the monitor did not see because its queue was full.
    pub unwatched: u64,
    /// The last step that failed, until one succeeds.
    pub failure: Option<String>,
}

enum Message {
    Served(Box<PredictionRecord>),
    Labelled(Vec<LabelledPrediction>),
    Deploy {
        version: u32,
        actor: String,
        force: Option<String>,
        reply: SyncSender<Result<GateReport, ControlError>>,
    },
    RollBack {
        actor: String,
        reason: String,
        reply: SyncSender<Result<Option<String>, ControlError>>,
    },
    Settle(SyncSender<()>),
    Stop,
}

#[derive(Debug, Default)]
struct Shared {
    view: Mutex<View>,
    unwatched: AtomicU64,
}

#[derive(Debug, Default)]
struct View {
    state: ModelState,
    served: u64,
    labelled: u64,
    observed_at: Option<f64>,
    quality: Vec<QualityPoint>,
    drift: Option<DriftReport>,
    events: Vec<Event>,
    failure: Option<String>,
}

/// Passes served rows on to the loop without ever blocking an answer.
struct Watch {
    sender: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl PredictionObserver for Watch {
    fn predicted(&self, record: &PredictionRecord) {
        if self
            .sender
            .try_send(Message::Served(Box::new(record.clone())))
            .is_err()
        {
            self.shared.unwatched.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Opens a model's logs and journal, takes up where they end, and starts its loop.
///
/// # Errors
/// When a file is damaged, nothing is registered, or the champion does not load.
pub fn start_model(options: LoopOptions) -> Result<ModelHandle, ControlError> {
    let LoopOptions {
        project,
        model,
        tracking,
        seed,
        clock,
        reporter,
    } = options;
    let config = model_config(&project, &model)?.clone();
    let tracking = TrackingStore::open(&tracking)?;
    let tracking = match seed {
        Some(seed) => tracking.with_seed(seed),
        None => tracking,
    };
    let paths = ModelPaths::new(&project.state_dir()?, &model);
    let features: Vec<_> = config
        .features
        .iter()
        .map(|name| FeatureColumn {
            name: name.clone(),
            kind: FeatureKind::Number,
        })
        .collect();
    let (endpoint, recovered) = Endpoint::open(&EndpointOptions {
        name: &model,
        predictions: &paths.predictions,
        labels: &paths.labels,
        features: &features,
        time_parameter: config.time.as_deref(),
        log: LogOptions::default(),
    })?;
    let endpoint = Arc::new(endpoint);
    let (journal, events) = Journal::open(&paths.journal)?;
    let mut model_loop = ModelLoop {
        monitor: Monitor::new(&config.monitor, &features),
        project,
        model,
        config,
        tracking,
        clock: Arc::clone(&clock),
        reporter,
        endpoint: Arc::clone(&endpoint),
        journal,
        state: ModelState::default(),
        rollout: None,
        history: History::default(),
        loaded: std::collections::BTreeMap::new(),
        references: std::collections::BTreeMap::new(),
        alias: None,
        events: Vec::new(),
        served: 0,
        observed_at: None,
    };
    model_loop.recover(events, recovered)?;
    model_loop.release_first()?;

    let (sender, receiver) = sync_channel(QUEUE);
    let shared = Arc::new(Shared::default());
    endpoint.observe(Arc::new(Watch {
        sender: sender.clone(),
        shared: Arc::clone(&shared),
    }));
    update_view(&shared, &model_loop);
    let thread_shared = Arc::clone(&shared);
    let thread = std::thread::Builder::new()
        .name("loop".to_owned())
        .spawn(move || run(model_loop, &receiver, &thread_shared))
        .map_err(|source| ControlError::Folder {
            path: paths.journal,
            source,
        })?;
    Ok(ModelHandle {
        endpoint,
        clock,
        sender,
        shared,
        thread: Mutex::new(Some(thread)),
    })
}

impl ModelHandle {
    /// Where requests are answered.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Takes labels in and hands them to the loop.
    pub fn label(&self, labels: &[Label]) -> Result<LabelSummary, ControlError> {
        let outcomes = self.endpoint.label(labels, self.clock.now())?;
        let mut summary = LabelSummary::default();
        let mut joined = Vec::new();
        for (label, outcome) in labels.iter().zip(outcomes) {
            match outcome {
                LabelOutcome::Joined(row) => joined.push(*row),
                LabelOutcome::Duplicate => summary.duplicate += 1,
                LabelOutcome::Corrected => summary.corrected += 1,
                LabelOutcome::Unknown => summary.unknown.push(label.request_id.clone()),
            }
        }
        summary.joined = joined.len();
        if !joined.is_empty() {
            self.send(Message::Labelled(joined))?;
        }
        Ok(summary)
    }

    /// Releases a version through the gate, or past it with a reason.
    ///
    /// # Errors
    /// [`ControlError::GateRefuses`] without a reason to force it.
    pub fn deploy(
        &self,
        version: u32,
        actor: &str,
        force: Option<&str>,
    ) -> Result<GateReport, ControlError> {
        self.ask(|reply| Message::Deploy {
            version,
            actor: actor.to_owned(),
            force: force.map(str::to_owned),
            reply,
        })?
    }

    /// Takes the rollout in progress back and gives its name. Without one nothing changes, so that
    /// a request whose answer was lost can be sent again.
    pub fn roll_back(&self, actor: &str, reason: &str) -> Result<Option<String>, ControlError> {
        self.ask(|reply| Message::RollBack {
            actor: actor.to_owned(),
            reason: reason.to_owned(),
            reply,
        })?
    }

    /// Waits until the loop has acted on everything sent before this call.
    pub fn settle(&self) -> Result<(), ControlError> {
        self.ask(Message::Settle)
    }

    /// What a page shows.
    pub fn snapshot(&self) -> Snapshot {
        let view = self
            .shared
            .view
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            model: self.endpoint.name().to_owned(),
            phase: view.state.phase(),
            state: view.state.clone(),
            served: view.served,
            labelled: view.labelled,
            observed_at: view.observed_at,
            quality: view.quality.clone(),
            drift: view.drift.clone(),
            events: view.events.clone(),
            log: self.endpoint.log_statistics(),
            unwatched: self.shared.unwatched.load(Ordering::Relaxed),
            failure: view.failure.clone(),
        }
    }

    /// Lets the loop finish what it is doing, then closes the logs.
    pub fn stop(&self) -> Result<(), ControlError> {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // Fails when the loop has stopped already.
            let _ = self.sender.send(Message::Stop);
            thread.join().map_err(|_| ControlError::Stopped)?;
        }
        self.endpoint.close()?;
        Ok(())
    }

    fn send(&self, message: Message) -> Result<(), ControlError> {
        self.sender.send(message).map_err(|_| ControlError::Stopped)
    }

    fn ask<T>(&self, message: impl FnOnce(SyncSender<T>) -> Message) -> Result<T, ControlError> {
        let (reply, answer) = sync_channel(1);
        self.send(message(reply))?;
        answer.recv().map_err(|_| ControlError::Stopped)
    }
}

fn run(mut model_loop: ModelLoop, receiver: &Receiver<Message>, shared: &Shared) {
    // What a crash cut short is taken up before anything new.
    let resumed = model_loop.reconcile();
    report(&model_loop, shared, resumed);
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Served(record) => match model_loop.served(&record) {
                // Says nothing about a step that failed.
                Ok(()) => update_view(shared, &model_loop),
                failed => report(&model_loop, shared, failed),
            },
            Message::Labelled(rows) => {
                for row in rows {
                    let result = model_loop.labelled(row);
                    report(&model_loop, shared, result);
                }
            }
            Message::Deploy {
                version,
                actor,
                force,
                reply,
            } => {
                let result = model_loop.deploy(version, &actor, force);
                update_view(shared, &model_loop);
                // The one who asked may have gone.
                let _ = reply.send(result);
            }
            Message::RollBack {
                actor,
                reason,
                reply,
            } => {
                let result = model_loop.roll_back(&actor, &reason);
                update_view(shared, &model_loop);
                let _ = reply.send(result);
            }
            Message::Settle(reply) => {
                let _ = reply.send(());
            }
            Message::Stop => return,
        }
    }
}

fn report(model_loop: &ModelLoop, shared: &Shared, result: Result<(), ControlError>) {
    if let Err(error) = &result {
        model_loop.reporter.failed(&model_loop.model, error);
    }
    let failure = result.err().map(|error| error.to_string());
    shared
        .view
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .failure = failure;
    update_view(shared, model_loop);
}

fn update_view(shared: &Shared, model_loop: &ModelLoop) {
    let mut view = shared.view.lock().unwrap_or_else(PoisonError::into_inner);
    view.served = model_loop.served;
    view.labelled = model_loop.history.labelled();
    view.observed_at = model_loop.observed_at;
    // Copied only when there is something new: this runs for every row.
    if view.quality.last() != model_loop.monitor.points().last() {
        view.quality = model_loop.monitor.points().to_vec();
    }
    if view.events.len() != model_loop.events.len() || view.state.champion.is_none() {
        view.events.clone_from(&model_loop.events);
        view.state = model_loop.state.clone();
    }
    if view.drift.as_ref() != model_loop.monitor.report() {
        view.drift = model_loop.monitor.report().cloned();
    }
}
