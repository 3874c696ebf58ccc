//! The loop turning by itself: a change of the relation, and its absence.

use ketch_control::{EventKind, Phase, Trigger, list_versions};

use crate::{
    fixture::{Fixture, MODEL, Setup, label_of, names, serve},
    stream::Stream,
};

const CHANGE: usize = 600;

#[test]
fn a_change_is_noticed_learnt_gated_and_released() {
    let fixture = Fixture::new(Setup {
        change: CHANGE - 40,
        ..Setup::default()
    });
    let head = fixture.git(&["rev-parse", "HEAD"]);
    let files = fixture.git(&["ls-files", "--stage"]);
    // Work in progress of the user, which is nobody's business.
    fs_err::write(fixture.root.join("notes.txt"), "mine\n").unwrap();

    let running = fixture.start();
    let rows = Stream::inverting(1, 1_700, CHANGE).rows();
    running.feed(&rows[..CHANGE]);
    assert_eq!(names(&fixture.journal()), ["released"], "too early");
    running.feed(&rows[CHANGE..]);
    running.no_failures();

    let events = fixture.journal();
    assert_eq!(
        names(&events),
        [
            "released",
            "incident_opened",
            // With the first rows since the change.
            "retrain_started",
            "retrain_finished",
            "gate_checked",
            "rollout_started",
            "rollout_advanced",
            "promoted",
            "incident_resolved",
            // With twice as many, a better one.
            "retrain_started",
            "retrain_finished",
            "gate_checked",
            "rollout_started",
            "rollout_advanced",
            "promoted",
            // With four and eight times as many the same one again, which is no better.
            "retrain_started",
            "retrain_finished",
            "gate_checked",
            "retrain_started",
            "retrain_finished",
            "gate_checked",
        ]
    );
    assert_eq!(*running.recorder.events.lock().unwrap(), events);

    let EventKind::IncidentOpened {
        changed_after,
        changed_at,
        loss_before,
        loss_after,
        ..
    } = &events[1].kind
    else {
        panic!("{:?}", events[1]);
    };
    assert!(
        changed_after.abs_diff(CHANGE as u64) <= 20,
        "{changed_after}"
    );
    assert_eq!(*changed_at, Some(*changed_after as f64));
    assert!(loss_before < loss_after, "{loss_before} {loss_after}");
    assert!(
        events[1].position.labelled < CHANGE as u64 + 100,
        "{:?}",
        events[1].position
    );

    let started: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::RetrainStarted {
                trigger,
                window,
                rows,
                holdout,
                ..
            } => Some((trigger.clone(), window.unwrap(), *rows, *holdout)),
            _ => None,
        })
        .collect();
    for (number, (trigger, (first, last), rows, holdout)) in started.iter().enumerate() {
        let expected = if number == 0 {
            Trigger::Incident(1)
        } else {
            Trigger::Consolidation
        };
        assert_eq!(*trigger, expected);
        assert_eq!(*first, *changed_after as f64);
        assert_eq!(*holdout, rows.div_ceil(4));
        assert_eq!(
            last - first,
            (rows - holdout) as f64,
            "the gate's rows are not learnt from"
        );
        assert!(*rows >= 100 << number, "{rows} rows for retrain {number}");
    }
    let gates: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::GateChecked {
                version,
                passed,
                rows,
                ..
            } => Some((*version, *passed, *rows)),
            _ => None,
        })
        .collect();
    let holdouts: Vec<_> = started.iter().map(|(_, _, _, holdout)| *holdout).collect();
    assert_eq!(
        gates,
        [
            (2, true, holdouts[0]),
            (3, true, holdouts[1]),
            (4, false, holdouts[2]),
            (5, false, holdouts[3])
        ]
    );
    let weights: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::RolloutStarted { weight, .. }
            | EventKind::RolloutAdvanced { weight, .. } => Some(weight),
            _ => None,
        })
        .collect();
    assert_eq!(weights, [20, 50, 20, 50]);

    // The registry's alias went along, and says why.
    let (champion, history) = fixture.alias();
    assert_eq!((champion, running.routed()), (3, (3, None)));
    assert_eq!(
        history[1..],
        [
            ("loop".to_owned(), "rollout-1 promoted it".to_owned()),
            ("loop".to_owned(), "rollout-2 promoted it".to_owned())
        ]
    );
    let versions = list_versions(&fixture.tracking(), MODEL).unwrap();
    let champions: Vec<_> = versions
        .iter()
        .map(|row| (row.version, row.champion))
        .collect();
    assert_eq!(
        champions,
        [(5, false), (4, false), (3, true), (2, false), (1, false)]
    );

    // Each candidate is on a branch of its own, with its parameters; the user's files are untouched.
    let EventKind::RetrainFinished { commit, .. } = &events[3].kind else {
        panic!("{:?}", events[3]);
    };
    let branch = format!("refs/heads/ketch/{MODEL}/retrain-1");
    assert_eq!(fixture.git(&["rev-parse", &branch]).trim(), commit);
    assert_eq!(versions[3].commit.as_deref(), Some(commit.as_str()));
    let params = fixture.git(&["show", &format!("{branch}:params.yaml")]);
    let (_, (first, last), _, _) = &started[0];
    assert!(
        params.contains(&format!("first_row: {first}\n  last_row: {last}\n")),
        "{params}"
    );
    assert_eq!(fixture.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(fixture.git(&["ls-files", "--stage"]), files);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "?? notes.txt\n");
    assert_eq!(fixture.git(&["worktree", "list"]).lines().count(), 1);

    let snapshot = running.handle.snapshot();
    assert_eq!(snapshot.phase, Phase::Watching);
    assert_eq!((snapshot.served, snapshot.labelled), (1_700, 1_700));
    assert_eq!((snapshot.unwatched, snapshot.log.dropped), (0, 0));
    assert_eq!(snapshot.observed_at, Some(1_699.0));
    let quality = snapshot.quality.last().unwrap();
    assert_eq!(quality.labelled, 1_700);
    assert!(quality.roc_auc.unwrap() > 0.9, "{quality:?}");
    let worst = snapshot.quality.iter().filter_map(|point| point.roc_auc);
    assert!(
        worst.fold(1.0, f64::min) < 0.75,
        "the curve shows the change"
    );
    running.stop();
}

#[test]
fn the_change_is_placed_where_it_was() {
    // Nothing can be learnt, so the incident is all there is.
    let fixture = Fixture::new(Setup {
        fails: true,
        ..Setup::default()
    });
    for (seed, change) in [(2, 250), (3, 333), (4, 480), (5, 501)] {
        fixture.forget_rows();
        let running = fixture.start();
        running.feed(&Stream::inverting(seed, change + 80, change).rows());
        let events = fixture.journal();
        assert_eq!(
            names(&events),
            ["released", "incident_opened"],
            "seed {seed}"
        );
        let EventKind::IncidentOpened { changed_after, .. } = events[1].kind else {
            panic!("{:?}", events[1]);
        };
        assert!(
            changed_after.abs_diff(change as u64) <= 24,
            "seed {seed}: {changed_after}, not {change}"
        );
        running.stop();
    }
}

#[test]
fn without_a_change_there_is_no_incident() {
    let fixture = Fixture::new(Setup::default());
    for seed in [11, 12, 13] {
        fixture.forget_rows();
        let running = fixture.start();
        for together in Stream::steady(seed, 3_000).rows().chunks(20) {
            for row in together {
                serve(&running.handle, row);
            }
            let labels: Vec<_> = together.iter().map(label_of).collect();
            assert_eq!(running.handle.label(&labels).unwrap().joined, 20);
        }
        running.handle.settle().unwrap();
        assert_eq!(running.handle.snapshot().labelled, 3_000);
        running.no_failures();
        assert_eq!(names(&fixture.journal()), ["released"], "seed {seed}");
        running.stop();
    }
}
