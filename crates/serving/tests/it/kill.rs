//! Processes that end in the middle of their work: this test binary, started again as a child.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use camino::Utf8Path;
use ketch_serving::{Label, LabelOutcome, LogOptions, read_labelled, read_predictions};

use crate::support::{Room, at, infer, open_in, request, serving};

/// Tells a child which folder to work in.
const FOLDER: &str = "KETCH_TEST_SERVING_FOLDER";

#[expect(
    clippy::disallowed_methods,
    reason = "how this test talks to itself in another process"
)]
fn folder() -> Option<String> {
    std::env::var(FOLDER).ok()
}

fn child(test: &str, room: &Room) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(FOLDER, room.path.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn label(id: &str) -> Label {
    Label {
        request_id: id.to_owned(),
        row: 0,
        label: 1.0,
    }
}

/// Answers and labels until it is killed, and says which labels were taken in.
#[test]
fn child_that_answers_and_labels() {
    let Some(folder) = folder() else { return };
    let log = LogOptions {
        roll_rows: 32,
        ..LogOptions::default()
    };
    let (endpoint, recovered) = serving(Utf8Path::new(&folder), log);
    let begin = recovered.predictions.len();
    let mut out = std::io::stdout();
    for number in begin.. {
        let id = format!("r{number}");
        infer(&endpoint, &id, request(&[vec![0.5; 20]])).unwrap();
        // Every third prediction goes without, as in life.
        if number % 3 == 0 {
            continue;
        }
        let outcome = endpoint.label(&[label(&id)], at(0)).unwrap();
        assert!(
            matches!(outcome[..], [LabelOutcome::Joined(_)]),
            "{outcome:?}"
        );
        writeln!(out, "taken {id}").unwrap();
        out.flush().unwrap();
    }
}

fn read_until_killed(mut child: Child, after: usize, taken: &mut BTreeSet<String>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    // The harness prints lines of its own.
    while let Some(line) = lines.next() {
        let line = line.unwrap();
        if let Some((_, id)) = line.split_once("taken ") {
            taken.insert(id.to_owned());
            seen += 1;
        }
        if seen == after {
            child.kill().unwrap();
            // What was in the pipe was acknowledged too.
            for line in lines.by_ref().map_while(Result::ok) {
                if let Some((_, id)) = line.split_once("taken ") {
                    taken.insert(id.to_owned());
                }
            }
            break;
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(seen, after, "the child ended by itself: {status}");
    assert!(!status.success());
}

#[test]
fn every_acknowledged_label_outlives_a_kill() {
    let room = Room::new();
    let mut taken = BTreeSet::new();
    // Before, at and after the rolling of parts, and the last one as soon as it begins.
    for after in [7, 22, 64, 131, 1] {
        let started = child("kill::child_that_answers_and_labels", &room)
            .spawn()
            .unwrap();
        read_until_killed(started, after, &mut taken);
        let joined: BTreeSet<String> = read_labelled(&room.predictions(), &room.labels())
            .unwrap()
            .into_iter()
            .map(|row| row.prediction.request_id)
            .collect();
        let lost: Vec<_> = taken.difference(&joined).collect();
        assert!(lost.is_empty(), "lost after {after}: {lost:?}");
        // At most the label that was being written when the process ended.
        assert!(joined.len() <= taken.len() + 1);
        taken = joined;
    }
    assert!(taken.len() >= 225, "{}", taken.len());
    let (_, recovered) = open_in(&room.path, LogOptions::default());
    assert_eq!(recovered.labelled.len(), taken.len());
    let logged: BTreeSet<_> = recovered
        .predictions
        .iter()
        .map(|record| &record.request_id)
        .collect();
    assert_eq!(
        logged.len(),
        recovered.predictions.len(),
        "none is there twice"
    );
}

/// Answers while its files may not grow any more.
#[test]
fn child_on_a_full_disk() {
    let Some(folder) = folder() else { return };
    let log = LogOptions {
        maximum_queue_bytes: 400_000,
        ..LogOptions::default()
    };
    let (endpoint, _) = serving(Utf8Path::new(&folder), log);
    let mut refused = 0;
    let mut joined = 0;
    for number in 0..2_000 {
        let id = format!("r{number}");
        infer(&endpoint, &id, request(&[vec![0.5; 20]])).unwrap();
        if number % 10 == 0 {
            match endpoint.label(&[label(&id)], at(0)) {
                Ok(outcome) => joined += usize::from(matches!(outcome[0], LabelOutcome::Joined(_))),
                Err(_) => refused += 1,
            }
        }
    }
    let statistics = endpoint.log_statistics();
    assert!(
        refused > 0 && joined > 0,
        "{refused} refused, {joined} joined"
    );
    assert!(statistics.dropped > 0, "{statistics:?}");
    println!("answered, joined {joined} written {}", statistics.written);
}

#[cfg(unix)]
#[test]
fn a_full_disk_stops_no_answer_and_damages_nothing() {
    let room = Room::new();
    let inner = child("kill::child_on_a_full_disk", &room);
    // A limit on the size of files stands for a full disk: writes fail half-way.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(FOLDER, room.path.as_str())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (_, figures) = text.split_once("answered, joined ").unwrap();
    let figures: Vec<usize> = figures
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let joined = read_labelled(&room.predictions(), &room.labels()).unwrap();
    assert_eq!(joined.len(), figures[0]);
    let logged = read_predictions(&room.predictions()).unwrap().1;
    let expected: Vec<_> = (0..logged.len())
        .map(|number| format!("r{number}"))
        .collect();
    let ids: Vec<_> = logged.into_iter().map(|record| record.request_id).collect();
    assert_eq!(
        ids, expected,
        "a beginning of what was answered, none twice"
    );
    assert!(ids.len() >= figures[1]);

    // And when there is room again, everything goes on.
    let (endpoint, recovered) = serving(&room.path, LogOptions::default());
    assert_eq!(recovered.labelled.len(), joined.len());
    infer(&endpoint, "again", request(&[vec![0.5; 20]])).unwrap();
    assert!(matches!(
        endpoint.label(&[label("again")], at(0)).unwrap()[..],
        [LabelOutcome::Joined(_)]
    ));
}
