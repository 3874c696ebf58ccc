//! Releases and rollbacks that people ask for, and versions that cannot be had.

use std::io::Write as _;

use ketch_control::{ControlError, EventKind, Phase};
use ketch_serving::Variant;

use crate::{
    fixture::{Fixture, Running, Setup, names, serve_and_label},
    stream::{Row, Stream},
};

/// A project with a version 2 that answers the opposite, and 200 rows served.
fn with_a_bad_version() -> (Fixture, Running, Vec<Row>) {
    let fixture = Fixture::new(Setup::default());
    assert_eq!(fixture.register_flipped(), 2);
    let running = fixture.start();
    let rows = Stream::steady(3, 1_000).rows();
    running.feed(&rows[..200]);
    (fixture, running, rows)
}

#[test]
fn a_bad_version_is_refused_and_when_forced_rolled_back_by_itself() {
    let (fixture, running, rows) = with_a_bad_version();
    let refused = running.handle.deploy(2, "anna", None).unwrap_err();
    let ControlError::GateRefuses {
        version: 2,
        reasons,
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(reasons.len(), 2, "every rule is told: {reasons:?}");
    assert!(refused.hint().unwrap().contains("--force"));
    assert_eq!(running.routed(), (1, None));
    assert_eq!(names(&fixture.journal()), ["released", "gate_checked"]);

    let report = running
        .handle
        .deploy(2, "mallory", Some("trust me"))
        .unwrap();
    assert!(!report.passed);
    assert_eq!(running.routed(), (1, Some((2, 20))));
    assert_eq!(running.handle.snapshot().phase, Phase::Canary);

    let before = fixture.alias();
    let mut canaries = 0;
    for row in &rows[200..] {
        let answer = serve_and_label(&running.handle, row);
        canaries += u64::from(answer.variant == Variant::Canary);
        if running.routed().1.is_none() {
            break;
        }
        assert_eq!(
            running.routed(),
            (1, Some((2, 20))),
            "it never gets more traffic"
        );
    }
    assert_eq!(running.routed(), (1, None));
    assert_eq!(fixture.alias(), before, "the alias never moved");

    let events = fixture.journal();
    assert_eq!(
        names(&events)[2..],
        [
            "gate_checked",
            "gate_overridden",
            "rollout_started",
            "rolled_back"
        ]
    );
    let actors: Vec<_> = events[2..]
        .iter()
        .map(|event| event.actor.as_str())
        .collect();
    assert_eq!(actors, ["mallory", "mallory", "mallory", "loop"]);
    let EventKind::GateOverridden { reason, .. } = &events[3].kind else {
        panic!("{:?}", events[3]);
    };
    assert_eq!(reason, "trust me");
    let EventKind::RolledBack {
        version: 2,
        champion: 1,
        reason,
        counts,
        worse,
        ..
    } = &events[5].kind
    else {
        panic!("{:?}", events[5]);
    };
    assert!(reason.starts_with("the canary is worse than the champion: wrong answers: canary "));
    assert!(*worse >= 100.0);
    assert_eq!(counts.canary, canaries);
    assert!(counts.canary_bad > counts.canary / 2, "{counts:?}");

    // A person may try it again, under a new name, and take it back again.
    running
        .handle
        .deploy(2, "mallory", Some("once more"))
        .unwrap();
    assert_eq!(running.routed(), (1, Some((2, 20))));
    let again = running.handle.snapshot().state.rollout.unwrap();
    assert_eq!((again.name.as_str(), again.forced), ("rollout-2", true));
    running.no_failures();
    running.stop();
}

#[test]
fn people_take_a_rollout_back_and_cannot_start_two() {
    let (fixture, running, rows) = with_a_bad_version();
    // With nothing in progress there is nothing to take back.
    let nothing = running.handle.roll_back("anna", "just in case").unwrap();
    assert_eq!(nothing, None);
    assert_eq!(names(&fixture.journal()), ["released"]);

    running
        .handle
        .deploy(2, "mallory", Some("trust me"))
        .unwrap();
    running.feed(&rows[200..210]);
    let second = running
        .handle
        .deploy(2, "anna", Some("me too"))
        .unwrap_err();
    assert!(
        matches!(&second, ControlError::RolloutInProgress { rollout, version: 2 } if rollout == "rollout-1"),
        "{second}"
    );
    assert!(second.hint().unwrap().contains("ketch rollback"));

    let taken_back = running.handle.roll_back("anna", "it smells").unwrap();
    assert_eq!(taken_back.as_deref(), Some("rollout-1"));
    assert_eq!(running.routed(), (1, None));
    let events = fixture.journal();
    let last = events.last().unwrap();
    assert_eq!(last.actor, "anna");
    let EventKind::RolledBack {
        reason,
        version: 2,
        champion: 1,
        ..
    } = &last.kind
    else {
        panic!("{last:?}");
    };
    assert_eq!(reason, "it smells");

    let own = running.handle.deploy(1, "anna", None).unwrap_err();
    assert!(
        matches!(own, ControlError::AlreadyChampion { version: 1 }),
        "{own}"
    );
    let unknown = running.handle.deploy(9, "anna", None).unwrap_err();
    assert!(
        matches!(unknown, ControlError::UnknownVersion { version: 9, .. }),
        "{unknown}"
    );
    assert!(unknown.hint().is_some());
    assert_eq!(
        fixture.journal(),
        events,
        "what was refused leaves no trace"
    );
    running.stop();
}

#[test]
fn a_good_version_is_released_by_a_person_through_the_gate() {
    let fixture = Fixture::new(Setup::default());
    assert_eq!(fixture.register_flipped(), 2);
    let running = fixture.start();
    // The relation has turned round already: version 2 is right.
    let rows = Stream::inverting(5, 600, 0).rows();
    running.feed(&rows[..40]);
    let report = running.handle.deploy(2, "anna", None).unwrap();
    assert!(report.passed, "{report:?}");
    running.feed(&rows[40..]);
    assert_eq!(running.routed(), (2, None));
    let events = fixture.journal();
    assert_eq!(
        names(&events),
        [
            "released",
            "gate_checked",
            "rollout_started",
            "rollout_advanced",
            "promoted"
        ]
    );
    assert_eq!(events[1].actor, "anna");
    running.stop();
}

#[test]
fn a_version_whose_artifact_is_missing_or_damaged_never_sees_traffic() {
    let (fixture, running, rows) = with_a_bad_version();
    let artifact = fixture.artifact(2);
    let whole = fs_err::read(&artifact).unwrap();
    for damage in [None, Some(&whole[..whole.len() / 2])] {
        fs_err::remove_file(&artifact).unwrap();
        if let Some(bytes) = damage {
            fs_err::File::create(&artifact)
                .unwrap()
                .write_all(bytes)
                .unwrap();
        }
        let error = running
            .handle
            .deploy(2, "mallory", Some("trust me"))
            .unwrap_err();
        assert!(matches!(error, ControlError::Store(_)), "{error}");
        assert_eq!(running.routed(), (1, None));
        if damage.is_none() {
            fs_err::write(&artifact, &whole).unwrap();
        }
    }
    running.feed(&rows[200..260]);
    assert_eq!(names(&fixture.journal()), ["released"]);
    running.stop();
}
