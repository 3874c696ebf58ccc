//! Files that are not what was written: the journal, and versions' files in the cache.

use camino::Utf8Path;
use fs_err as fs;
use ketch_control::{ControlError, EventKind};

use crate::{
    fixture::{Fixture, Setup, names, serve_and_label},
    stream::{Row, Stream},
};

#[test]
fn a_changed_journal_is_refused_with_its_line_and_a_way_out() {
    let fixture = Fixture::new(Setup::default());
    fixture.register_flipped();
    let running = fixture.start();
    running.feed(&Stream::steady(9, 50).rows());
    running
        .handle
        .deploy(2, "mallory", Some("trust me"))
        .unwrap();
    running.stop();
    let path = fixture.paths().journal;
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 4);

    let changed = whole.replacen("trust me", "trust Eve", 1);
    let removed: String = whole
        .split_inclusive('\n')
        .enumerate()
        .filter(|(line, _)| *line != 1)
        .map(|(_, line)| line)
        .collect();
    let rubbish = whole.replacen('\n', "\n\u{fffd}{}\n", 1);
    for (damaged, line) in [(changed, 3), (removed, 2), (rubbish, 2)] {
        fs::write(&path, &damaged).unwrap();
        let error = fixture.try_start().err().unwrap();
        assert!(
            matches!(&error, ControlError::JournalDamaged { line: found, .. } if *found == line),
            "{error}, not line {line}"
        );
        assert!(
            error.to_string().starts_with(&format!("{path}:{line}: ")),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("restore"));
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "left as it is");
    }

    // Half a last line is what a crash leaves; nothing acted on it.
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    let running = fixture.start();
    running.handle.settle().unwrap();
    assert_eq!(
        running.routed(),
        (1, Some((2, 20))),
        "the forced release is taken up"
    );
    assert_eq!(
        names(&fixture.journal()),
        [
            "released",
            "gate_checked",
            "gate_overridden",
            "rollout_started"
        ]
    );
    assert_eq!(fixture.journal()[3].actor, "mallory");
    running.stop();
}

fn truncate(path: &Utf8Path) {
    let bytes = fs::read(path).unwrap();
    // Objects are read-only, and may be links.
    fs::remove_file(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// A project whose loop has promoted version 2 and has been stopped, and its rows.
fn promoted() -> (Fixture, Vec<Row>) {
    let fixture = Fixture::new(Setup {
        change: 260,
        ..Setup::default()
    });
    let running = fixture.start();
    let rows = Stream::inverting(61, 1_500, 300).rows();
    let end = rows
        .iter()
        .position(|row| {
            serve_and_label(&running.handle, row);
            running.routed().0 == 2
        })
        .unwrap();
    running.stop();
    // The next retrain may have come with the same row.
    fixture.cut_journal(9);
    assert_eq!(
        fixture.journal().last().unwrap().kind.name(),
        "incident_resolved"
    );
    (fixture, rows[end + 1..].to_vec())
}

#[test]
fn a_candidate_damaged_before_its_gate_is_refused_and_the_loop_goes_on() {
    // The process died before the gate, or after it and before the rollout.
    for last in ["retrain_finished", "gate_checked"] {
        let (fixture, rows) = promoted();
        fixture.cut_journal_after(last);
        let cut = fixture.journal().len();
        truncate(&fixture.artifact(2));
        let running = fixture.start();
        running.handle.settle().unwrap();
        let (champion, canary) = running.routed();
        assert_eq!(champion, 1);
        assert!(canary.is_none_or(|(version, _)| version > 2), "{canary:?}");
        let refused = fixture.journal().remove(cut);
        let EventKind::GateChecked {
            version: 2,
            passed: false,
            reasons,
            ..
        } = &refused.kind
        else {
            panic!("{refused:?}");
        };
        assert!(reasons[0].starts_with("it does not load: "), "{reasons:?}");
        for row in &rows {
            assert_ne!(serve_and_label(&running.handle, row).version, 2);
        }
        let champion = running.routed().0;
        assert!(
            champion > 2,
            "another candidate came: {:?}",
            names(&fixture.journal())
        );
        running.no_failures();
        running.stop();
    }
}

#[test]
fn a_canary_damaged_before_a_restart_is_rolled_back() {
    let (fixture, rows) = promoted();
    fixture.cut_journal_after("rollout_advanced");
    truncate(&fixture.artifact(2));
    let running = fixture.start();
    assert_eq!(running.routed(), (1, None));
    let last = fixture
        .journal()
        .into_iter()
        .rfind(|event| event.kind.name() == "rolled_back")
        .unwrap();
    assert_eq!(last.actor, "loop");
    let EventKind::RolledBack {
        reason,
        version: 2,
        champion: 1,
        ..
    } = &last.kind
    else {
        panic!("{last:?}");
    };
    assert!(
        reason.starts_with("it does not load after a restart: "),
        "{reason}"
    );
    assert_eq!(serve_and_label(&running.handle, &rows[0]).version, 1);
    running.stop();
}

#[test]
fn a_version_out_of_service_may_be_gone() {
    let (fixture, rows) = promoted();
    fs::remove_file(fixture.artifact(1)).unwrap();
    let running = fixture.start();
    assert_eq!(running.routed(), (2, None));
    assert_eq!(serve_and_label(&running.handle, &rows[0]).version, 2);
    running.stop();
    // Without the champion itself there is nothing to serve.
    truncate(&fixture.artifact(2));
    let error = fixture.try_start().err().unwrap();
    assert!(matches!(error, ControlError::Store(_)), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_retrain_whose_object_is_damaged_in_the_cache_never_serves_it() {
    let fixture = Fixture::new(Setup {
        change: 260,
        ..Setup::default()
    });
    // The first retrain will make the very same bytes.
    assert_eq!(fixture.register_weak(), 2);
    truncate(&fixture.artifact(2));
    let running = fixture.start();
    let rows = Stream::inverting(62, 900, 300).rows();
    running.feed(&rows);
    running.no_failures();
    let events = fixture.journal();
    let outcome = &events[3].kind;
    assert!(
        matches!(
            outcome,
            EventKind::RetrainFailed { .. } | EventKind::RetrainFinished { .. }
        ),
        "{outcome:?}"
    );
    assert!(
        running.routed().0 > 2,
        "a sound one serves: {:?}",
        names(&events)
    );
    running.stop();
}

#[test]
fn a_rollback_cut_off_before_it_was_journalled_comes_before_any_answer() {
    let fixture = Fixture::new(Setup::default());
    fixture.register_flipped();
    let running = fixture.start();
    let rows = Stream::steady(63, 400).rows();
    running.feed(&rows[..100]);
    running
        .handle
        .deploy(2, "mallory", Some("trust me"))
        .unwrap();
    let end = rows[100..]
        .iter()
        .position(|row| {
            serve_and_label(&running.handle, row);
            running.routed().1.is_none()
        })
        .unwrap();
    running.stop();
    let events = fixture.journal();
    assert_eq!(events.last().unwrap().kind.name(), "rolled_back");
    fixture.cut_journal(events.len() - 1);

    let running = fixture.start();
    // Before the loop's thread has had its turn.
    assert_eq!(running.routed(), (1, None));
    let again = fixture.journal();
    assert_eq!(again.len(), events.len());
    assert_eq!(again.last().unwrap().kind, events.last().unwrap().kind);
    assert_eq!(
        again.last().unwrap().position,
        events.last().unwrap().position
    );
    assert_eq!(
        serve_and_label(&running.handle, &rows[101 + end]).version,
        1
    );
    running.stop();
}
