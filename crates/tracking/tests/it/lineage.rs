//! Where a run comes from.

use ketch_tracking::{Artifact, CommitId, ErrorKind, RunLineage};

use crate::support::{Place, digest, shown, start};

fn commit(number: u64) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

fn lineage() -> RunLineage {
    let artifact = |path: &str, number| Artifact {
        path: path.into(),
        md5: digest(number),
        size: 7,
    };
    let mut directory = artifact("data/raw", 2);
    directory.md5 = format!("{}.dir", directory.md5).parse().unwrap();
    RunLineage {
        commit: Some(commit(1)),
        dirty: true,
        stage: Some("train".into()),
        command: "python train.py --depth 3".into(),
        inputs: vec![artifact("train.py", 1), directory],
        outputs: vec![artifact("model.onnx", 3)],
        environment: Some("{\"python\":\"3.12\"}".into()),
    }
}

#[test]
fn lineage_comes_back_as_it_was_recorded() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    assert_eq!(store.lineage(&run).unwrap(), None);
    store.record_lineage(&run, &lineage()).unwrap();
    store.record_lineage(&run, &lineage()).unwrap();
    assert_eq!(store.lineage(&run).unwrap(), Some(lineage()));

    let bare = RunLineage {
        commit: None,
        dirty: false,
        stage: None,
        command: String::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        environment: None,
    };
    let other = start(&store).id;
    store.record_lineage(&other, &bare).unwrap();
    assert_eq!(store.lineage(&other).unwrap(), Some(bare));
}

#[test]
fn recorded_lineage_does_not_change() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    store.record_lineage(&run, &lineage()).unwrap();
    let mut other = lineage();
    other.outputs[0].size = 8;
    let error = store.record_lineage(&run, &other).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place).replace(run.as_str(), "[RUN]"), @"
    run `[RUN]` has another lineage already
    kind: RESOURCE_ALREADY_EXISTS
    hint: start a new run for a new execution
    ");
    assert_eq!(store.lineage(&run).unwrap(), Some(lineage()));
}

#[test]
fn a_commit_leads_to_its_runs() {
    let place = Place::new();
    let store = place.open();
    let mut expected = Vec::new();
    for number in [1, 2, 1] {
        let run = start(&store).id;
        store
            .log_params(&run, &[("n", number.to_string())])
            .unwrap();
        store
            .record_lineage(
                &run,
                &RunLineage {
                    commit: Some(commit(number)),
                    ..lineage()
                },
            )
            .unwrap();
        if number == 1 {
            expected.push(store.run(&run).unwrap());
        }
    }
    expected.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(store.runs_by_commit(&commit(1)).unwrap(), expected);
    assert!(store.runs_by_commit(&commit(3)).unwrap().is_empty());
}

#[test]
fn bad_artifacts_are_refused_before_anything_is_written() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let changes: [fn(&mut RunLineage); 3] = [
        |lineage| lineage.inputs[0].path = "".into(),
        |lineage| lineage.outputs.push(lineage.outputs[0].clone()),
        |lineage| lineage.outputs[0].size = u64::MAX,
    ];
    for change in changes {
        let mut bad = lineage();
        change(&mut bad);
        let error = store.record_lineage(&run, &bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameterValue, "{error}");
    }
    assert_eq!(store.lineage(&run).unwrap(), None);
}
