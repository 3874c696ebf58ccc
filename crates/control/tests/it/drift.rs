//! Inputs that move while the relation stays: worth a notice, not an alarm.

use ketch_control::EventKind;

use crate::{
    fixture::{Fixture, Setup, names},
    stream::Stream,
};

#[test]
fn moved_inputs_are_noticed_and_nothing_is_retrained() {
    let fixture = Fixture::new(Setup::default());
    let running = fixture.start();
    let rows = Stream {
        moved: 500..1_000,
        ..Stream::steady(21, 2_000)
    }
    .rows();
    running.feed(&rows[..100]);
    let report = running.handle.snapshot().drift.expect("a window is full");
    assert_eq!(report.drifted().count(), 0);
    running.feed(&rows[100..750]);
    assert_eq!(names(&fixture.journal()), ["released", "drift_noticed"]);
    let noticed = fixture.journal().remove(1);
    assert_eq!(noticed.position.served, 600, "at the first full window");
    let EventKind::DriftNoticed { columns } = &noticed.kind else {
        panic!("{noticed:?}");
    };
    assert_eq!(columns.len(), 1);
    assert_eq!(columns[0].column, "x0");
    assert!(
        columns[0].statistic > 0.3 && columns[0].q_value < 0.01,
        "{columns:?}"
    );

    // A restart neither forgets it nor says it again, in the middle of a window too.
    let before = running.handle.snapshot();
    running.stop();
    let running = fixture.start();
    let after = running.handle.snapshot();
    assert_eq!(after.state, before.state);
    assert_eq!(after.state.drifted_columns.len(), 1);
    assert_eq!(
        after.drift, before.drift,
        "the last comparison is still shown"
    );
    running.feed(&rows[750..]);
    let events = fixture.journal();
    assert_eq!(
        names(&events),
        ["released", "drift_noticed", "drift_subsided"]
    );
    assert_eq!(events[2].position.served, 1_100);
    let snapshot = running.handle.snapshot();
    assert_eq!(snapshot.drift.unwrap().drifted().count(), 0);
    assert_eq!((snapshot.state.incidents, snapshot.state.retrains), (0, 0));
    running.no_failures();
    running.stop();
}
