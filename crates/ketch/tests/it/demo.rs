//! The demo from its first line to its last, once undisturbed, and once killed over and over.

use std::process::Command;
use std::sync::LazyLock;

use camino::Utf8Path;
use ketch_testkit::{CommandOutput, TestProject, kill_after_line, peer};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::demo_support::{Going, NO_INDEX, events, processes_in, real_demo, wait_until};
use crate::up::Up;

/// How a demo ended: its summary, and its audit log.
struct Ending {
    summary: Value,
    journal: Vec<Value>,
}

/// The demo that nobody disturbs, told once for both tests; none without the peers.
static UNDISTURBED: LazyLock<Option<Ending>> = LazyLock::new(tell_undisturbed);

#[test]
fn a_model_is_taken_through_a_drift() {
    LazyLock::force(&UNDISTURBED);
}

fn tell_undisturbed() -> Option<Ending> {
    let (project, python) = real_demo()?;
    let dvc = peer("dvc/bin/dvc")?;
    let demo = project.ketch([
        "demo",
        ".",
        "--short",
        "--exit",
        "--port",
        "0",
        "--json",
        "--python",
        python.as_str(),
    ]);
    let summary = kept_promises(&demo.success());
    let journal = journal(&project);

    git_has_it_all(&project);
    the_audit_log_names_the_villain(&journal);
    every_answer_is_logged(&project, &python, &summary);
    a_prediction_is_traced_to_its_commit(&project, &summary, &journal);
    one_version_is_the_champion(&project, &summary);
    real_dvc_finds_nothing_to_do(&project, &dvc);
    the_champion_serves_again(&project, &summary);
    a_changed_audit_log_is_noticed(&project);
    Some(Ending { summary, journal })
}

/// What every demo promises, killed or not; returns its summary.
fn kept_promises(output: &CommandOutput) -> Value {
    let mut events = events(output);
    let summary = events.pop().expect("a last line");
    let number = |key: &str| {
        let value = summary[key].as_f64();
        value.unwrap_or_else(|| panic!("no number `{key}`: {summary}"))
    };
    assert_eq!(summary["event"], "summary");
    assert!(number("auc_before_drift") > 0.75, "{summary}");
    assert!(number("auc_static_after_drift") < 0.5, "{summary}");
    assert!(number("auc_recovered") > 0.75, "{summary}");
    assert!(
        (12_000.0..12_500.0).contains(&number("incident_row")),
        "{summary}"
    );
    assert_eq!(summary["false_alarms_before_drift"], 0);
    assert_eq!(summary["days"], 4_200);
    assert_eq!(summary["rolled_back"], true);
    assert_eq!(summary["log_dropped"], 0);
    assert_eq!(summary["unwatched"], 0);
    let steps = summary["steps"].as_array().expect("the steps");
    let names: Vec<_> = steps.iter().map(|step| &step["step"]).collect();
    assert_eq!(
        names,
        [
            "python",
            "project",
            "pipeline",
            "register",
            "serve",
            "replay",
            "look_back"
        ]
    );
    let took: f64 = steps[1..]
        .iter()
        .filter_map(|step| step["seconds"].as_f64())
        .sum();
    assert!((took - number("seconds")).abs() < 1e-6, "{summary}");
    summary
}

fn git_has_it_all(project: &TestProject) {
    let status = project.git(["status", "--porcelain"]).success();
    assert_eq!(status.stdout, "", "{status}");
    let _ = project.git(["fsck", "--strict"]).success();
    let worktrees = project.git(["worktree", "list"]).success();
    assert_eq!(worktrees.stdout.lines().count(), 1, "{worktrees}");
    assert!(!project.path(".ketch/server.json").exists());
}

fn the_audit_log_names_the_villain(journal: &[Value]) {
    let forced = find(journal, "gate_overridden");
    assert_eq!(forced["actor"], "villain");
    assert_eq!(forced["reason"], "it did well on my laptop");
    let back = find(journal, "rolled_back");
    assert_eq!(back["actor"], "loop");
    assert_eq!(back["version"], forced["version"]);
    let reason = back["reason"].as_str().expect("a reason");
    assert!(
        reason.starts_with("the canary is worse than the champion: wrong answers: canary "),
        "{reason}"
    );
}

/// What another program finds in the Parquet files.
fn every_answer_is_logged(project: &TestProject, python: &Utf8Path, summary: &Value) {
    const LOOK: &str = "
import glob, json
import pyarrow, pyarrow.parquet
files = sorted(glob.glob('.ketch/predictions/model=rain/*.parquet'))
table = pyarrow.concat_tables(pyarrow.parquet.read_table(file) for file in files)
rows = [row for row in table.to_pylist() if row['variant'] != 'pinned']
inputs = [name for name in table.column_names if name.startswith('input.')]
print(json.dumps({
    'rows': len(rows),
    'requests': len({row['request_id'] for row in rows}),
    'first': min(row['request_id'] for row in rows),
    'last': max(row['request_id'] for row in rows),
    'versions': sorted({row['version'] for row in rows}),
    'inputs': len(inputs),
    'incomplete': sum(any(row[name] is None for name in inputs) for row in rows),
    'answered': sum(row['predicted'] in (0.0, 1.0) and 0 <= row['score'] <= 1 for row in rows),
}))";
    let looked = project
        .command(python)
        .args(["-c", LOOK])
        .output()
        .expect("a process");
    let looked = CommandOutput::from(looked).success();
    let found: Value = serde_json::from_str(&looked.stdout).expect("JSON");
    let champion = summary["champion"].as_u64().expect("a version");
    let versions: Vec<u64> = serde_json::from_value(found["versions"].clone()).expect("a list");
    assert!(
        versions.contains(&1) && versions.contains(&champion),
        "{found}"
    );
    // The villain's was tried, so it answered somebody.
    assert!(
        versions.iter().any(|version| *version > champion),
        "{found}"
    );
    let expected = json!({
        "rows": 4_200,
        "requests": 4_200,
        "first": "day-11000",
        "last": "day-15199",
        "versions": versions,
        "inputs": 8,
        "incomplete": 0,
        "answered": 4_200,
    });
    assert_eq!(found, expected);
}

fn a_prediction_is_traced_to_its_commit(project: &TestProject, summary: &Value, journal: &[Value]) {
    let request = summary["request"].as_str().expect("a request");
    let told = project.ketch(["why", request]).success();
    let chain = project.ketch(["why", request, "--json"]).success();
    let chain: Value = serde_json::from_str(&chain.stdout).expect("JSON");
    let commit = chain["run"]["lineage"]["commit"]
        .as_str()
        .expect("a commit");
    assert!(told.stdout.contains(commit), "{told}");
    assert_eq!(chain["version"]["version"], summary["champion"]);

    // The commit holds the window of days that the loop says it learnt from.
    let finished = journal.iter().find(|event| {
        event["event"] == "retrain_finished" && event["version"] == summary["champion"]
    });
    let finished = finished.expect("the retrain that made the champion");
    assert_eq!(finished["commit"], commit);
    let started = journal.iter().find(|event| {
        event["event"] == "retrain_started" && event["retrain"] == finished["retrain"]
    });
    let window = &started.expect("its beginning")["window"];
    let params = project
        .git(["show", &format!("{commit}:params.yaml")])
        .success();
    for (key, place) in [("first_day", 0), ("last_day", 1)] {
        let day = window[place].as_f64().expect("a day").to_string();
        let lines = params.stdout.lines().map(str::split_whitespace);
        let mut lines = lines.map(|words| words.take(2).collect::<Vec<_>>());
        assert!(
            lines.any(|words| words == [&format!("{key}:"), &day]),
            "{key} {day}: {params}"
        );
    }
    let unknown = project.ketch(["why", "day-99999"]).failure(3);
    assert!(unknown.stderr.contains("`day-99999`"), "{unknown}");
}

fn one_version_is_the_champion(project: &TestProject, summary: &Value) {
    let listed = project.ketch(["model", "list", "--json"]).success();
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).expect("JSON");
    let champions: Vec<_> = listed
        .iter()
        .filter(|row| row["aliases"] == json!(["champion"]))
        .map(|row| &row["version"])
        .collect();
    assert_eq!(champions, [&summary["champion"]]);
    // The first one, the retrained ones and the villain's.
    let retrains = summary["retrains"].as_u64().expect("a number");
    assert_eq!(listed.len() as u64, retrains + 2);
}

fn real_dvc_finds_nothing_to_do(project: &TestProject, dvc: &Utf8Path) {
    let status = project
        .command(dvc)
        .arg("status")
        .output()
        .expect("a process");
    let status = CommandOutput::from(status).success();
    assert_eq!(status.stdout, "Data and pipelines are up to date.\n");
    let ours = project.ketch(["status", "--quiet"]).success();
    assert_eq!(ours.stdout, "");
}

fn the_champion_serves_again(project: &TestProject, summary: &Value) {
    let up = Up::start(project);
    assert_eq!(up.started["models"], json!({ "rain": summary["champion"] }));
    let question = json!({
        "id": "tomorrow",
        "parameters": { "day": 15_200 },
        "inputs": [{ "name": "X", "shape": [1, 8], "datatype": "FP32", "data": [0, 0, 0, 0, 0, 0, 0, 0] }],
    });
    let (status, answer) = up.post("/v2/models/rain/infer", &question);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["model_version"],
        summary["champion"].to_string(),
        "{answer}"
    );
    assert_eq!(up.end(Signal::TERM), Some(0));
    let told = project.ketch(["why", "tomorrow"]).success();
    assert!(told.stdout.contains("the truth is not known yet"), "{told}");
}

fn a_changed_audit_log_is_noticed(project: &TestProject) {
    let path = ".ketch/journal/rain.jsonl";
    let log = project.read(path);
    project.write(path, log.replacen("\"villain\"", "\"nobody!\"", 1));
    let refused = project.ketch(["up", "--port", "0"]).failure(4);
    assert!(refused.stderr.contains("rain.jsonl:"), "{refused}");
    project.write(path, log);
}

/// The moments at which the second story is killed, one after another, as texts of the line on
/// which it happens; where there are two, the stage of that name is at work.
const KILLS: [(&str, Option<&str>); 16] = [
    (r#""step_started","step":"project""#, None),
    (r#""step_started","step":"pipeline""#, None),
    (r#""stage_started","stage":"train""#, Some("src/train.py")),
    (r#""stage_finished","stage":"evaluate""#, None),
    (r#""step_started","step":"register""#, None),
    (r#""step_started","step":"serve""#, None),
    (r#""step_started","step":"replay""#, None),
    (r#""event":"progress","day":12000"#, None),
    (r#""event":"incident_opened""#, None),
    (r#""event":"retrain_started""#, Some("src/")),
    (r#""event":"rollout_started""#, None),
    (r#""event":"rollout_advanced""#, None),
    (r#""event":"promoted""#, None),
    // The villain's.
    (r#""stage_started","stage":"train""#, Some("src/train.py")),
    (r#""event":"gate_overridden""#, None),
    (r#""step_started","step":"look_back""#, None),
];

#[test]
fn whatever_kills_it_it_goes_on_and_ends_the_same() {
    let Some((project, python)) = real_demo() else {
        return;
    };
    let _filters = project.bind_filters();
    let demo = |arguments: &[&str]| -> Command {
        let mut command = project.ketch_command();
        command.args(["demo", "--exit", "--port", "0", "--json"]);
        command.args(["--python", python.as_str()]).args(arguments);
        command
    };
    // Two failures that come before any kill: no packages, and then no data.
    let mut without_index = demo(&[".", "--short"]);
    without_index
        .envs(NO_INDEX)
        .env("KETCH_CACHE_DIR", project.home().join("empty"));
    let failed = CommandOutput::from(without_index.output().unwrap()).failure(4);
    assert!(failed.stderr.contains("--resume ."), "{failed}");
    let _ = kill_after_line(demo(&["--resume", "."]), r#""step":"python""#);
    let mut without_index = demo(&["--resume", "."]);
    without_index.envs(NO_INDEX);
    let failed = CommandOutput::from(without_index.output().unwrap()).failure(3);
    assert!(failed.stderr.contains("stage `collect` failed"), "{failed}");

    for (line, at_work) in KILLS {
        let mut going = Going::start(demo(&["--resume", "."]));
        going.wait_for(line);
        if let Some(stage) = at_work {
            let works = || {
                let all = processes_in(&project.root());
                all.iter().any(|process| process.contains(stage))
            };
            wait_until(&format!("{stage} works"), works);
            going.kill();
            // Nobody is left who would go on writing.
            let alone = || processes_in(&project.root()).is_empty();
            wait_until(&format!("{stage} ends with its ketch"), alone);
        } else {
            going.kill();
        }
    }
    let ending = demo(&["--resume", "."]).output().unwrap();
    let summary = kept_promises(&CommandOutput::from(ending).success());
    git_has_it_all(&project);

    let Some(undisturbed) = &*UNDISTURBED else {
        return;
    };
    let journal = journal(&project);
    assert_eq!(course(&journal), course(&undisturbed.journal));
    for key in [
        "incident_row",
        "change_row",
        "champion",
        "promotions",
        "rollback_labels",
        "auc_static_after_drift",
        "auc_recovered",
    ] {
        assert_eq!(summary[key], undisturbed.summary[key], "{key}");
    }
}

/// The events of the audit log, without their chain.
fn journal(project: &TestProject) -> Vec<Value> {
    let text = project.read(".ketch/journal/rain.jsonl");
    let event = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["event"].take();
    text.lines().map(event).collect()
}

fn find<'a>(journal: &'a [Value], name: &str) -> &'a Value {
    let mut named = journal.iter().filter(|event| event["event"] == name);
    named
        .next_back()
        .unwrap_or_else(|| panic!("no `{name}` in the audit log"))
}

/// What happened and how far the data had come, without what differs from run to run: times,
/// identifiers, commits (their dates) and everything that hangs on these.
fn course(journal: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let Value::String(name) = &event["event"] else {
            panic!("no event: {event}");
        };
        let place = &event["position"];
        format!(
            "{name} by {} after {} answers and {} labels",
            event["actor"], place["served"], place["labelled"]
        )
    };
    journal.iter().map(line).collect()
}
