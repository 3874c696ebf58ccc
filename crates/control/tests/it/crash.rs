//! A process that dies, at every event and anywhere else, goes on as if nothing had been.
//!
//! The story runs once undisturbed in this process. Then it runs in child processes of which each
//! aborts right after its first event is durable and in force, or is killed from outside, and the
//! next one takes up where the logs end. The journals must tell the same story.

use std::{
    env,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use camino::Utf8Path;
use ketch_control::{
    ControlError, Event, EventKind, LoopReporter, ModelHandle, ModelPaths, ModelState, read_journal,
};
use ketch_project::Project;

use crate::{
    fixture::{Fixture, MODEL, Setup, label, routed, serve, start},
    stream::{Generator, Row, Stream},
};

/// The story of a child: `turn` or `fail`.
const STORY: &str = "KETCH_TEST_STORY";
/// The project's folder.
const ROOT: &str = "KETCH_TEST_ROOT";
/// Set: abort after the first event.
const ABORT: &str = "KETCH_TEST_ABORT";
/// The file that the training script makes before it stalls, once.
const STALL: &str = "KETCH_TEST_STALL";

/// Row at which a person forces a bad version.
const FORCED: usize = 450;
const CHANGE: usize = 600;

struct Story {
    stream: Stream,
    forced: Option<u32>,
}

fn story(name: &str) -> Story {
    match name {
        // Moved inputs, a forced bad version, the change, two candidates that pass the gate and
        // two that do not.
        "turn" => Story {
            stream: Stream {
                moved: 200..300,
                ..Stream::inverting(51, 1_600, CHANGE)
            },
            forced: Some(2),
        },
        // A pipeline that fails until a person is called.
        "fail" => Story {
            stream: Stream::inverting(52, 1_250, 300),
            forced: None,
        },
        other => panic!("no story `{other}`"),
    }
}

fn project(name: &str) -> Fixture {
    let fixture = Fixture::new(Setup {
        change: CHANGE - 40,
        fails: name == "fail",
    });
    if let Some(version) = story(name).forced {
        assert_eq!(fixture.register_flipped(), version);
    }
    fixture
}

/// Takes a story up where the logs end, and plays it to its end.
fn play(handle: &ModelHandle, story: &Story) {
    let rows = story.stream.rows();
    // Rows that arrive while the loop catches up would rightly stand elsewhere in its journal.
    handle.settle().unwrap();
    let begun = handle.snapshot();
    let (served, labelled) = (begun.served as usize, begun.labelled as usize);
    assert!(labelled <= served, "{labelled} labels for {served} rows");
    for row in &rows[labelled..served] {
        label_once(handle, row);
    }
    for row in &rows[served..] {
        if let Some(version) = story.forced
            && row.index == FORCED
            && !happened(handle, "gate_overridden")
        {
            handle.deploy(version, "mallory", Some("trust me")).unwrap();
        }
        serve(handle, row);
        label_once(handle, row);
    }
    handle.settle().unwrap();
}

fn label_once(handle: &ModelHandle, row: &Row) {
    assert_eq!(label(handle, row).joined, 1, "row {}", row.index);
}

fn happened(handle: &ModelHandle, name: &str) -> bool {
    let events = handle.snapshot().events;
    events.iter().any(|event| event.kind.name() == name)
}

#[derive(Default)]
struct Reporter {
    /// Abort after an event unless it repeats this one.
    aborts_unless: Option<Vec<Told>>,
}

impl LoopReporter for Reporter {
    fn event(&self, _: &str, event: &Event) {
        if let Some(repeated) = &self.aborts_unless
            && *repeated != told(std::slice::from_ref(event))
        {
            std::process::abort();
        }
    }

    fn failed(&self, _: &str, error: &ControlError) {
        panic!("{error}");
    }
}

/// What a child process runs.
#[test]
#[ignore = "started by the other tests of this module"]
#[expect(
    clippy::disallowed_methods,
    reason = "a test binary that starts itself has no other way to hand values over"
)]
fn child() {
    let root = env::var(ROOT).unwrap();
    let root = Utf8Path::new(&root);
    let paths = ModelPaths::new(&Project::open(root).unwrap().state_dir().unwrap(), MODEL);
    let exposed = |events: &[Event]| state(events).rollout.map_or(0, |rollout| rollout.weight);
    let before = read_journal(&paths.journal).unwrap();
    let last = before.last().map(std::slice::from_ref).unwrap_or_default();
    let reporter = Reporter {
        aborts_unless: env::var(ABORT).ok().map(|_| told(last)),
    };
    let handle = start(root, Arc::new(reporter)).unwrap();
    // The loop may have gone on already; then its journal says so.
    let weight = routed(&handle).1.map_or(0, |(_, weight)| weight);
    let now = read_journal(&paths.journal).unwrap();
    let allowed = exposed(&before).max(exposed(&now));
    assert!(
        weight <= allowed,
        "{weight} % where {allowed} % was decided"
    );
    assert!(handle.snapshot().labelled >= before.last().map_or(0, |event| event.position.labelled));
    play(&handle, &story(&env::var(STORY).unwrap()));
    handle.stop().unwrap();
}

fn spawn(fixture: &Fixture, name: &str, more: &[(&str, &str)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored", "--nocapture"])
        .env(STORY, name)
        .env(ROOT, &fixture.root)
        .envs(more.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a child, and tells apart how it ended: well, killed, or with a failed assertion.
fn ended_well(child: Child) -> bool {
    let output = child.wait_with_output().unwrap();
    let status: ExitStatus = output.status;
    assert!(
        status.success() || status.code().is_none(),
        "{status}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    status.success()
}

/// An event's name, with the rows served and labelled before it.
type Told = (&'static str, u64, u64);

/// What happened where, without names and times; a person who never got an answer asks again, so
/// an event may be there twice in the same place.
fn told(events: &[Event]) -> Vec<Told> {
    let mut told: Vec<_> = events
        .iter()
        .map(|event| {
            let name = event.kind.name();
            let labelled = match event.kind {
                // These follow the served rows. One that a crash cut off is made up for at the
                // restart, when the row's label may be there already.
                EventKind::DriftNoticed { .. } | EventKind::DriftSubsided { .. } => 0,
                _ => event.position.labelled,
            };
            (name, event.position.served, labelled)
        })
        .collect();
    told.dedup();
    told
}

fn state(events: &[Event]) -> ModelState {
    let mut state = ModelState::default();
    for event in events {
        state.apply(event);
    }
    state
}

/// The journal of the undisturbed story, which three tests compare with.
fn undisturbed_turn() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| undisturbed("turn"))
}

fn undisturbed(name: &str) -> Vec<Event> {
    let fixture = project(name);
    let handle = start(&fixture.root, Arc::new(Reporter::default())).unwrap();
    play(&handle, &story(name));
    handle.stop().unwrap();
    fixture.journal()
}

fn assert_same_story(fixture: &Fixture, name: &str, expected: &[Event]) {
    let events = fixture.journal();
    assert_eq!(told(&events), told(expected));
    let places = events.iter().zip(1_u64..);
    assert!(places.clone().all(|(event, place)| event.sequence == place));
    let (ended, expected) = (state(&events), state(expected));
    assert_eq!(ended.incident, expected.incident);
    assert_eq!(ended.rollout, expected.rollout);
    assert_eq!(ended.retrain, expected.retrain);
    let running = fixture.start();
    let snapshot = running.handle.snapshot();
    let rows = story(name).stream.rows as u64;
    assert_eq!(
        (snapshot.served, snapshot.labelled),
        (rows, rows),
        "nothing lost"
    );
    assert_eq!(Some(fixture.alias().0), snapshot.state.champion);
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    running.stop();
}

fn abort_after_every_event(name: &str, expected: &[Event], kinds: &[&str]) {
    for kind in kinds {
        assert!(
            expected.iter().any(|event| event.kind.name() == *kind),
            "the story has no {kind}: {:?}",
            told(expected)
        );
    }
    let fixture = project(name);
    let mut aborted = 0;
    while !ended_well(spawn(&fixture, name, &[(ABORT, "1")])) {
        aborted += 1;
        assert_eq!(
            told(&fixture.journal()).len(),
            aborted,
            "one for each process"
        );
        assert!(aborted <= expected.len(), "{:?}", told(&fixture.journal()));
    }
    assert_eq!(aborted, expected.len());
    assert_same_story(&fixture, name, expected);
}

#[test]
fn a_turn_of_the_loop_that_aborts_after_every_event() {
    abort_after_every_event(
        "turn",
        undisturbed_turn(),
        &[
            "released",
            "drift_noticed",
            "drift_subsided",
            "gate_checked",
            "gate_overridden",
            "rollout_started",
            "rolled_back",
            "incident_opened",
            "retrain_started",
            "retrain_finished",
            "rollout_advanced",
            "promoted",
            "incident_resolved",
        ],
    );
}

#[test]
fn a_failing_pipeline_that_aborts_after_every_event() {
    abort_after_every_event(
        "fail",
        &undisturbed("fail"),
        &["retrain_failed", "escalated"],
    );
}

#[test]
fn killed_anywhere() {
    let expected = undisturbed_turn();
    let fixture = project("turn");
    let mut generator = Generator(1);
    let mut killed = 0;
    loop {
        let mut child = spawn(&fixture, "turn", &[]);
        if killed < 12 {
            let milliseconds = 30.0 + 300.0 * generator.uniform();
            std::thread::sleep(Duration::from_millis(milliseconds as u64));
            // SIGKILL; fails when the child has ended by itself.
            let _ = child.kill();
            killed += 1;
        }
        if ended_well(child) {
            break;
        }
    }
    assert_same_story(&fixture, "turn", expected);
}

#[test]
fn killed_in_the_middle_of_a_retrain() {
    let expected = undisturbed_turn();
    let fixture = project("turn");
    let mark = fixture.root.with_file_name("stalled");
    let mut child = spawn(&fixture, "turn", &[(STALL, mark.as_str())]);
    let begun = Instant::now();
    while !mark.exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no retrain");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    assert!(!ended_well(child));
    let last = fixture.journal().pop().unwrap();
    assert!(
        matches!(last.kind, EventKind::RetrainStarted { .. }),
        "{last:?}"
    );
    assert!(
        fixture.git(&["worktree", "list"]).lines().count() > 1,
        "left behind"
    );

    assert!(ended_well(spawn(
        &fixture,
        "turn",
        &[(STALL, mark.as_str())]
    )));
    assert_same_story(&fixture, "turn", expected);
}
