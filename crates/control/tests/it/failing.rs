//! A pipeline that does not give a candidate.

use ketch_control::{EventKind, Phase};

use crate::{
    fixture::{Fixture, Setup, names, serve},
    stream::Stream,
};

#[test]
fn failed_retrains_wait_for_twice_the_rows_and_end_with_a_person() {
    let fixture = Fixture::new(Setup {
        fails: true,
        ..Setup::default()
    });
    let running = fixture.start();
    let rows = Stream::inverting(31, 1_700, 300).rows();
    running.feed(&rows[..1_600]);
    // A failed pipeline is no failure of the loop.
    running.no_failures();
    let events = fixture.journal();
    assert_eq!(
        names(&events),
        [
            "released",
            "incident_opened",
            "retrain_started",
            "retrain_failed",
            "retrain_started",
            "retrain_failed",
            "retrain_started",
            "retrain_failed",
            "retrain_started",
            "retrain_failed",
            "escalated",
        ]
    );
    let EventKind::IncidentOpened { changed_after, .. } = events[1].kind else {
        panic!("{:?}", events[1]);
    };
    for (attempt, event) in events[2..10].iter().step_by(2).enumerate() {
        let since = event.position.labelled - changed_after;
        assert_eq!(since, 100 << attempt, "attempt {attempt}");
    }
    let EventKind::RetrainFailed { reason, .. } = &events[3].kind else {
        panic!("{:?}", events[3]);
    };
    assert!(
        reason.contains("`train`") && reason.contains("exited with 1"),
        "which stage and how: {reason}"
    );
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");

    let snapshot = running.handle.snapshot();
    assert_eq!(snapshot.phase, Phase::Escalated);
    assert!(snapshot.state.incident.is_some());
    // It goes on answering, also after a restart, and does not call twice.
    running.stop();
    let running = fixture.start();
    assert_eq!(running.handle.snapshot().phase, Phase::Escalated);
    assert_eq!(serve(&running.handle, &rows[1_600]).version, 1);
    running.feed(&rows[1_601..]);
    assert_eq!(fixture.journal(), events);
    running.stop();
}
