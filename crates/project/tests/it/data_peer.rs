//! Data commands against DVC 3.67.1: the same steps by either tool, and what each sees after them.

use ketch_project::{
    AddOptions, CheckoutOptions, DataStatusOptions, Depth, DiffOptions, Overwrite, RecordOptions,
    add, checkout, data_status, diff, record, status,
};
use ketch_store::Silent;
use serde_json::{Value, json};

use crate::interop::{Dvc, assert_same};
use crate::sandbox::Sandbox;

/// Lists in the order of their text: DVC's depends on how it walks.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

/// Both see the same in the state that the project is in.
pub(crate) fn assert_agreement(dvc: &Dvc, sandbox: &Sandbox, what: &str) {
    let project = sandbox.open();
    let parse = |text: &str| -> Value {
        sorted(serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{what}: {text}")))
    };
    let report = diff(&project, &DiffOptions::default(), &Silent).unwrap();
    let ours = if report.is_empty() {
        json!({})
    } else {
        sorted(serde_json::to_value(report).unwrap())
    };
    let theirs = parse(&dvc.run(&sandbox.root, &["diff", "--json", "--show-hash"]));
    assert_eq!(ours, theirs, "{what}: diff");
    let mut depths = vec![(Depth::Files, Some("--granular"))];
    if !what.starts_with("turn") {
        depths.push((Depth::Outputs, None));
    }
    for (depth, flag) in depths {
        let options = DataStatusOptions {
            depth,
            ..DataStatusOptions::default()
        };
        let mut report = data_status(&project, &options, &Silent).unwrap();
        report.untracked.clear();
        let ours = sorted(serde_json::to_value(report).unwrap());
        let mut arguments = vec!["data", "status", "--json", "--unchanged"];
        arguments.extend(flag);
        let theirs = parse(&dvc.run(&sandbox.root, &arguments));
        assert_eq!(ours, theirs, "{what}: data status {depth:?}");
    }
    if what.contains("not in the cache") || what.starts_with("turn") {
        // DVC's status says that too; ours is about what differs.
        return;
    }
    let clean = status(&project, &Silent).unwrap().is_clean();
    let theirs = parse(&dvc.run(&sandbox.root, &["status", "--json"]));
    assert_eq!(clean, theirs == json!({}), "{what}: {theirs}");
}

pub(crate) fn prepared() -> Option<(Sandbox, Sandbox, Dvc)> {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let dvc = Dvc::find(&theirs)?;
    for sandbox in [&ours, &theirs] {
        sandbox.write("data/a", "a");
        sandbox.write("data/deep/b.txt", "bb");
        sandbox.write("data/same", "a");
        sandbox.write("single.csv", "1,2\n");
        sandbox.write(
            "dvc.yaml",
            "stages:\n  make:\n    cmd: mkdir out && cp single.csv out/copy && echo 1 > n.json\n    deps: [single.csv]\n    outs:\n    - out\n    metrics:\n    - n.json: {cache: false}\n",
        );
    }
    Some((ours, theirs, dvc))
}

pub(crate) fn add_ours(sandbox: &Sandbox, target: &str) {
    let options = AddOptions {
        targets: vec![target.into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
}

#[test]
fn both_see_and_record_the_same() {
    let Some((ours, theirs, dvc)) = prepared() else {
        return;
    };
    for target in ["data", "single.csv"] {
        add_ours(&ours, target);
        dvc.run(&theirs.root, &["add", "--quiet", target]);
    }
    ours.repro();
    dvc.run(&theirs.root, &["repro", "--quiet"]);
    assert_same(&ours.root, &theirs.root);
    assert_agreement(&dvc, &theirs, "before the first commit");
    for sandbox in [&ours, &theirs] {
        sandbox.commit("first");
    }
    assert_agreement(&dvc, &theirs, "committed");

    for sandbox in [&ours, &theirs] {
        sandbox.write("data/a", "changed");
        sandbox.write("data/new/n", "new");
        sandbox.remove("data/same");
        sandbox.write("out/copy", "by hand");
    }
    assert_agreement(&dvc, &theirs, "changed");
    let recorded = record(&ours.open(), &RecordOptions::default(), &Silent).unwrap();
    assert_eq!(recorded.recorded, ["data", "out"]);
    dvc.run(&theirs.root, &["commit", "--quiet", "--force"]);
    assert_same(&ours.root, &theirs.root);
    assert_agreement(&dvc, &theirs, "recorded");

    for sandbox in [&ours, &theirs] {
        sandbox.git(&["checkout", "--quiet", "--", "."]);
    }
    assert_agreement(&dvc, &theirs, "the files of the first commit");
    let report = checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!(report.restored, ["data", "out"]);
    dvc.run(&theirs.root, &["checkout", "--quiet"]);
    assert_same(&ours.root, &theirs.root);
    assert_agreement(&dvc, &theirs, "checked out");

    // A rename, of one file and of all of a directory; and what is gone.
    for sandbox in [&ours, &theirs] {
        let data = sandbox.root.join("data");
        fs_err::rename(data.join("deep"), data.join("shallow")).unwrap();
        sandbox.remove("single.csv");
        sandbox.remove("out");
    }
    assert_agreement(&dvc, &theirs, "renamed and removed");
}

#[test]
fn a_cache_that_lost_something_is_seen_alike() {
    let Some((_, sandbox, dvc)) = prepared() else {
        return;
    };
    for target in ["data", "single.csv"] {
        add_ours(&sandbox, target);
    }
    sandbox.remove("dvc.yaml");
    sandbox.commit("first");
    let project = sandbox.open();
    let lost = ketch_store::hash_bytes(b"bb");
    fs_err::remove_file(project.cache().object_path(&lost)).unwrap();
    assert_agreement(&dvc, &sandbox, "a file is not in the cache");
    // A lost manifest DVC knows still, from its own index.
}

#[test]
fn revisions_and_targets_are_compared_alike() {
    let Some((_, sandbox, dvc)) = prepared() else {
        return;
    };
    // An output that was never made: DVC shows it as deleted, without a hash.
    sandbox.remove("dvc.yaml");
    for target in ["data", "single.csv"] {
        add_ours(&sandbox, target);
    }
    sandbox.commit("first");
    sandbox.write("data/a", "changed");
    fs_err::rename(
        sandbox.root.join("single.csv"),
        sandbox.root.join("other.csv"),
    )
    .unwrap();
    sandbox.remove("single.csv.dvc");
    add_ours(&sandbox, "data");
    add_ours(&sandbox, "other.csv");
    sandbox.commit("second");
    for (arguments, from, to, targets) in [
        (&["HEAD~1", "HEAD"][..], "HEAD~1", Some("HEAD"), vec![]),
        (&["HEAD~1"], "HEAD~1", None, vec![]),
        (&["HEAD", "HEAD"], "HEAD", Some("HEAD"), vec![]),
        (
            &["HEAD~1", "--targets", "data"],
            "HEAD~1",
            None,
            vec!["data"],
        ),
    ] {
        let options = DiffOptions {
            from: Some(from.to_owned()),
            to: to.map(str::to_owned),
            targets: targets.into_iter().map(str::to_owned).collect(),
            ..DiffOptions::default()
        };
        let report = diff(&sandbox.open(), &options, &Silent).unwrap();
        let empty = report.is_empty();
        let mut ours = serde_json::to_value(report).unwrap();
        let mut all = vec!["diff", "--json", "--show-hash"];
        all.extend(arguments);
        let mut theirs: Value = serde_json::from_str(dvc.run(&sandbox.root, &all).trim()).unwrap();
        if empty {
            ours = json!({});
        }
        for value in [&mut ours, &mut theirs] {
            value.as_object_mut().unwrap().remove("not in cache");
        }
        assert_eq!(sorted(ours), sorted(theirs), "{arguments:?}");
    }
}

#[test]
fn what_dvc_recorded_comes_back_out_of_the_trash() {
    let Some((_, sandbox, dvc)) = prepared() else {
        return;
    };
    dvc.run(&sandbox.root, &["add", "--quiet", "data"]);
    sandbox.write("data/a", "precious");
    sandbox.write("data/extra", "precious too");
    let options = CheckoutOptions {
        overwrite: Overwrite::Force,
        trash: Some("now".to_owned()),
        ..CheckoutOptions::default()
    };
    let report = checkout(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!(report.trashed, ["data/a", "data/extra"]);
    assert_eq!(sandbox.read("data/a"), "a");
    assert!(!sandbox.exists("data/extra"));
    assert_eq!(sandbox.read(".ketch/trash/now/data/a"), "precious");
    assert_eq!(sandbox.read(".ketch/trash/now/data/extra"), "precious too");
}
