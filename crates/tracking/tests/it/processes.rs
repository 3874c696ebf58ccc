//! Several processes on one database, and processes that are killed while they write.
//!
//! The children are this test binary again, running one of the ignored tests below.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_tracking::{Alias, ModelName, RunId, TrackingStore};
use rusqlite::Connection;

use crate::support::{Place, metric, new_version, note, start};

const DATABASE: &str = "KETCH_TRACKING_TEST_DATABASE";
const BATCH: i64 = 5;

/// The path that the parent gave; none when somebody runs the ignored tests by hand.
#[expect(
    clippy::disallowed_methods,
    reason = "how a parent test talks to its child"
)]
fn given() -> Option<Utf8PathBuf> {
    std::env::var(DATABASE).ok().map(Utf8PathBuf::from)
}

fn acknowledge(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {text}").unwrap();
    out.flush().unwrap();
}

fn spawn(test: &str, database: &Utf8Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("processes::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn names() -> (ModelName, Alias) {
    ("rain".parse().unwrap(), "champion".parse().unwrap())
}

#[test]
#[ignore = "a child of `what_was_acknowledged_survives_a_kill`"]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = given() else { return };
    let store = TrackingStore::open(&path).unwrap();
    let (rain, champion) = names();
    store.register_model(&rain, 1).unwrap();
    loop {
        let run = start(&store).id;
        acknowledge(&format!("run {run}"));
        for step in 0..40 {
            let batch: Vec<_> = (0..BATCH)
                .map(|n| metric(&format!("m{n}"), n as f64, step, step))
                .collect();
            store.log_metrics(&run, &batch).unwrap();
            acknowledge(&format!("step {run} {step}"));
        }
        store.log_params(&run, &[("p", "1"), ("q", "2")]).unwrap();
        let version = store
            .create_model_version(&new_version(&rain, &run, 1))
            .unwrap()
            .version;
        acknowledge(&format!("version {version}"));
        store
            .set_alias(&rain, &champion, version, &note(i64::from(version)))
            .unwrap();
        acknowledge(&format!("alias {version}"));
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let place = Place::new();
    let mut acknowledged = Vec::new();
    // The same database each time: every child also finds what the kill before it left behind.
    for lines in [1, 30, 120, 400, 57, 211] {
        let (mut child, mut out) = spawn("child_that_writes_until_it_is_killed", &place.database());
        let mut text = String::new();
        let mut seen = 0;
        while seen < lines {
            let start = text.len();
            assert_ne!(
                out.read_line(&mut text).unwrap(),
                0,
                "the child ended: {text}"
            );
            seen += usize::from(text[start..].contains("ack "));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        out.read_to_string(&mut text).unwrap();
        let whole = &text[..text.rfind('\n').unwrap()];
        acknowledged.extend(
            whole
                .lines()
                .filter_map(|line| Some(line.split_once("ack ")?.1.to_owned())),
        );
        verify(&place, &acknowledged);
    }
    assert!(acknowledged.len() >= 819);
}

fn verify(place: &Place, acknowledged: &[String]) {
    let store = place.open();
    check_integrity(&place.database());
    let (rain, champion) = names();
    let mut steps: BTreeMap<RunId, i64> = BTreeMap::new();
    let mut pointed = None;
    for line in acknowledged {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["run", run] => {
                store.run(&run.parse().unwrap()).unwrap();
            }
            ["step", run, step] => {
                steps.insert(run.parse().unwrap(), step.parse().unwrap());
            }
            ["version", version] => {
                let version = store
                    .model_version(&rain, version.parse().unwrap())
                    .unwrap();
                assert_eq!(store.run(&version.run_id).unwrap().params.len(), 2);
            }
            ["alias", version] => pointed = Some(version.parse::<u32>().unwrap()),
            _ => panic!("{line}"),
        }
    }
    for (run, last) in steps {
        let latest = store.run(&run).unwrap().metrics;
        let kept = latest["m0"].step;
        assert!(
            kept >= last,
            "{run}: step {last} was acknowledged, {kept} is there"
        );
        for key in 0..BATCH {
            let key = format!("m{key}");
            let history: Vec<_> = store
                .metric_history(&run, &key)
                .unwrap()
                .iter()
                .map(|point| point.step)
                .collect();
            assert_eq!(
                history,
                (0..=kept).collect::<Vec<_>>(),
                "{run} {key}: half a batch"
            );
            assert_eq!(latest[&key].step, kept);
        }
    }
    if let Some(pointed) = pointed {
        let present = store
            .model_version_by_alias(&rain, &champion)
            .unwrap()
            .version;
        assert!(present >= pointed);
        let history = store.alias_history(&rain, &champion).unwrap();
        assert_eq!(history.last().unwrap().to, Some(present));
    }
}

fn check_integrity(database: &Utf8Path) {
    let connection = Connection::open(database).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    assert!(
        !connection
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .exists([])
            .unwrap()
    );
}

#[test]
#[ignore = "a child of `processes_that_write_at_once_all_succeed`"]
fn child_that_writes_its_share() {
    let Some(path) = given() else { return };
    let store = TrackingStore::open(&path).unwrap();
    let (rain, champion) = names();
    store.register_model(&rain, 1).unwrap();
    let run = start(&store).id;
    for number in 0..50 {
        store
            .log_metrics(&run, &[metric("loss", 1.0, number, number)])
            .unwrap();
        let new = new_version(&rain, &run, number.unsigned_abs());
        let version = store.create_model_version(&new).unwrap().version;
        store
            .set_alias(&rain, &champion, version, &note(number))
            .unwrap();
        acknowledge(&format!("{version}"));
    }
}

#[test]
fn processes_that_write_at_once_all_succeed() {
    let place = Place::new();
    // They also make the database at once: nobody opened it before.
    let children: Vec<_> = (0..3)
        .map(|_| spawn("child_that_writes_its_share", &place.database()))
        .collect();
    let mut versions = Vec::new();
    for (mut child, mut out) in children {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        let made = text
            .lines()
            .filter_map(|line| line.split_once("ack ")?.1.parse::<u32>().ok());
        versions.extend(made);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=150).collect::<Vec<_>>());

    check_integrity(&place.database());
    let store = place.open();
    let (rain, champion) = names();
    let experiments = store.experiments().unwrap();
    assert_eq!(experiments.len(), 1);
    for run in store.runs(experiments[0].id).unwrap() {
        assert_eq!(store.metric_history(&run.id, "loss").unwrap().len(), 50);
    }
    let history = store.alias_history(&rain, &champion).unwrap();
    assert!(
        history.windows(2).all(|pair| pair[0].to == pair[1].from),
        "the chain is broken"
    );
    let present = store
        .model_version_by_alias(&rain, &champion)
        .unwrap()
        .version;
    assert_eq!(history.last().unwrap().to, Some(present));
}
