use ketch_project::{Force, ProjectError, ReproMode, ReproOptions, StageOutcome, repro, status};
use ketch_store::Silent;

use crate::sandbox::{Recorder, Sandbox, outcomes, reasons};

/// `prepare` reads data and a parameter, `train` reads its output; both count their runs.
const PIPELINE: &str = "\
stages:
  train:
    cmd: echo train >> runs; tr a-z A-Z < prepared.txt > model.txt; echo '{\"accuracy\":0.5}' > metrics.json
    deps:
    - prepared.txt
    outs:
    - model.txt
    metrics:
    - metrics.json:
        cache: false
  prepare:
    cmd: echo prepare >> runs; head -c $(sed -n 's/.*size..\\([0-9]*\\).*/\\1/p' params.yaml) raw.txt > prepared.txt
    deps:
    - raw.txt
    params:
    - prepare.size
    outs:
    - prepared.txt
";

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", PIPELINE);
    sandbox.write("params.yaml", "# rows\nprepare:\n  size: 5 # bytes\n");
    sandbox.write("raw.txt", "hello world\n");
    sandbox
}

fn runs(sandbox: &Sandbox) -> Vec<String> {
    sandbox.read("runs").lines().map(str::to_owned).collect()
}

#[test]
fn runs_in_order_then_has_nothing_to_do() {
    let sandbox = project();
    let report = sandbox.repro();
    assert_eq!(
        outcomes(&report),
        [("prepare", StageOutcome::Ran), ("train", StageOutcome::Ran)]
    );
    assert_eq!(reasons(&report, "train"), ["never run"]);
    assert_eq!(sandbox.read("model.txt"), "HELLO");
    assert_eq!(sandbox.read(".gitignore"), "/prepared.txt\n/model.txt\n");
    assert!(
        sandbox
            .read(".ketch/logs/train.log")
            .starts_with("$ echo train")
    );
    assert_eq!(sandbox.read(".ketch/.gitignore"), "*\n");

    let lock = sandbox.read("dvc.lock");
    let again = sandbox.repro();
    assert!(!again.changed());
    assert_eq!(sandbox.read("dvc.lock"), lock);
    assert_eq!(runs(&sandbox), ["prepare", "train"]);
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
}

#[test]
fn says_why() {
    let sandbox = project();
    sandbox.repro();

    sandbox.write("params.yaml", "prepare:\n  size: 7\n");
    let report = sandbox.repro();
    assert_eq!(reasons(&report, "prepare"), ["params prepare.size 5 → 7"]);
    assert_eq!(
        reasons(&report, "train"),
        ["dependency prepared.txt modified"]
    );

    sandbox.write("raw.txt", "other words\n");
    assert_eq!(
        reasons(&sandbox.repro(), "prepare"),
        ["dependency raw.txt modified"]
    );

    sandbox.write("dvc.yaml", PIPELINE.replace("a-z A-Z", "a-y A-Y"));
    let report = sandbox.repro();
    assert_eq!(reasons(&report, "train"), ["command changed"]);
    assert_eq!(report.stages[0].outcome, StageOutcome::Unchanged);

    sandbox.write("model.txt", "edited");
    let report = sandbox.repro();
    assert_eq!(reasons(&report, "train"), ["output model.txt modified"]);
    assert_eq!(
        report.stages[1].outcome,
        StageOutcome::Restored,
        "the cache has the result"
    );
    assert_eq!(sandbox.read("model.txt"), "OTHER W");
}

#[test]
fn the_run_cache_brings_old_results_back() {
    let sandbox = project();
    sandbox.repro();
    let first = sandbox.read("dvc.lock");
    sandbox.write("params.yaml", "prepare:\n  size: 7\n");
    sandbox.repro();
    assert_eq!(runs(&sandbox).len(), 4);

    sandbox.write("params.yaml", "prepare:\n  size: 5\n");
    let report = sandbox.repro();
    assert_eq!(
        outcomes(&report),
        [
            ("prepare", StageOutcome::Restored),
            ("train", StageOutcome::Restored)
        ]
    );
    assert_eq!(runs(&sandbox).len(), 4, "nothing was run");
    assert_eq!(sandbox.read("dvc.lock"), first);
    assert_eq!(sandbox.read("model.txt"), "HELLO");
    assert_eq!(
        sandbox.read("metrics.json"),
        "{\"accuracy\":0.5}\n",
        "uncached metrics too"
    );

    let report = sandbox
        .try_repro(&ReproOptions {
            force: Force::Yes,
            ..ReproOptions::default()
        })
        .unwrap();
    assert_eq!(reasons(&report, "train"), ["forced"]);
    assert_eq!(
        runs(&sandbox).len(),
        6,
        "forcing does not ask the run cache"
    );
}

#[test]
fn missing_outputs_come_out_of_the_cache() {
    let sandbox = project();
    sandbox.repro();
    sandbox.remove("prepared.txt");
    sandbox.remove("model.txt");
    sandbox.remove("metrics.json");
    let report = sandbox.repro();
    assert_eq!(
        outcomes(&report),
        [
            ("prepare", StageOutcome::CheckedOut),
            ("train", StageOutcome::CheckedOut)
        ]
    );
    assert_eq!(sandbox.read("model.txt"), "HELLO");
    assert_eq!(runs(&sandbox).len(), 2);
}

#[test]
fn a_lost_cache_is_filled_again() {
    let sandbox = project();
    sandbox.repro();
    fs_err::remove_dir_all(sandbox.root.join(".dvc/cache/files")).unwrap();
    assert!(!sandbox.repro().changed());
    sandbox.remove("model.txt");
    assert_eq!(sandbox.repro().stages[1].outcome, StageOutcome::CheckedOut);
}

#[test]
fn a_damaged_object_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = project();
    sandbox.repro();
    let project = sandbox.open();
    let (id, _) = ketch_store::hash_file(&sandbox.root.join("model.txt")).unwrap();
    let object = project.cache().object_path(&id);
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(&object, mode(0o644)).unwrap();
    fs_err::write(&object, "HEL").unwrap();
    fs_err::set_permissions(&object, mode(0o444)).unwrap();
    sandbox.remove("model.txt");
    let error = sandbox.try_repro(&ReproOptions::default()).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(error.hint().unwrap().contains("reproduce"), "{error}");
    assert!(!sandbox.exists("model.txt"));
}

#[test]
fn a_dry_run_only_looks() {
    let sandbox = project();
    let options = ReproOptions {
        mode: ReproMode::DryRun,
        ..ReproOptions::default()
    };
    let report = sandbox.try_repro(&options).unwrap();
    assert_eq!(
        outcomes(&report),
        [
            ("prepare", StageOutcome::WouldRun),
            ("train", StageOutcome::WouldRun)
        ]
    );
    assert!(!sandbox.exists("runs") && !sandbox.exists("dvc.lock"));

    sandbox.repro();
    sandbox.write("raw.txt", "changed\n");
    let report = sandbox.try_repro(&options).unwrap();
    assert_eq!(reasons(&report, "prepare"), ["dependency raw.txt modified"]);
    assert_eq!(reasons(&report, "train"), ["stage prepare runs before"]);
}

#[test]
fn targets_bring_what_they_need_and_no_more() {
    let sandbox = project();
    for target in ["prepare", "prepared.txt"] {
        let options = ReproOptions {
            targets: vec![target.into()],
            ..ReproOptions::default()
        };
        let report = sandbox.try_repro(&options).unwrap();
        assert_eq!(report.stages.len(), 1);
    }
    assert!(!sandbox.exists("model.txt"));
    let options = ReproOptions {
        targets: vec!["model.txt".into()],
        ..ReproOptions::default()
    };
    assert_eq!(sandbox.try_repro(&options).unwrap().stages.len(), 2);

    let options = ReproOptions {
        targets: vec!["trian".into()],
        ..ReproOptions::default()
    };
    let error = sandbox.try_repro(&options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no stage, output or `.dvc` file `trian`"
    );
    assert_eq!(error.hint().unwrap(), "did you mean `train`?");
}

#[test]
fn a_failing_stage_says_how_and_leaves_no_record() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  bad:\n    cmd: echo half > out; for i in $(seq 30); do echo line $i; done; echo oops >&2; exit 3\n    outs:\n    - out\n",
    );
    let error = sandbox.try_repro(&ReproOptions::default()).unwrap_err();
    let ProjectError::StageFailed(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!((failure.stage.as_str(), failure.code), ("bad", Some(3)));
    assert_eq!(failure.tail.len(), 20);
    assert_eq!(failure.tail.last().unwrap(), "oops");
    assert_eq!(failure.tail[0], "line 12");
    assert!(error.to_string().ends_with("exited with 3"), "{error}");
    assert!(error.hint().unwrap().contains("bad.log"));
    let log = sandbox.read(".ketch/logs/bad.log");
    assert!(log.contains("line 1\n") && log.contains("oops"), "{log}");
    assert!(!sandbox.exists("dvc.lock"));
    // The lock was given back.
    sandbox.open().lock().unwrap();
}

#[test]
fn a_stage_that_makes_nothing_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  idle:\n    cmd: 'true'\n    outs:\n    - out\n",
    );
    let error = sandbox.try_repro(&ReproOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stage `idle` did not make its output `out`"
    );
    assert!(!sandbox.exists("dvc.lock"));
}

#[test]
fn outputs_are_gone_before_the_run_unless_they_persist() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  grow:\n    cmd: echo x >> plain; echo x >> kept\n    deps:\n    - input\n    outs:\n    - plain\n    - kept:\n        persist: true\n",
    );
    for round in 1..=3 {
        sandbox.write("input", format!("{round}"));
        sandbox.repro();
        assert_eq!(sandbox.read("plain"), "x\n");
        assert_eq!(sandbox.read("kept"), "x\n".repeat(round));
    }
}

#[test]
fn commands_know_where_they_are() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "sub/dvc.yaml",
        "stages:\n  where:\n    wdir: work\n    cmd:\n    - echo \"$DVC_ROOT $DVC_STAGE $EXTRA\"\n    - pwd >&2; echo \"\\${PATH%%:*} $VIRTUAL_ENV\"; touch out\n    outs:\n    - out\n",
    );
    sandbox.write("sub/work/keep", "");
    sandbox.write(".venv/bin/python", "");
    let recorder = Recorder::default();
    let options = ReproOptions {
        environment: vec![("EXTRA".into(), "with space".into())],
        ..ReproOptions::default()
    };
    repro(&sandbox.open(), &options, &recorder).unwrap();
    let root = &sandbox.root;
    let stage = "sub/dvc.yaml:where".to_owned();
    let lines = recorder.lines.lock().unwrap().clone();
    assert_eq!(
        lines,
        [
            (stage.clone(), format!("{root} {stage} with space")),
            (stage.clone(), format!("{root}/sub/work")),
            (stage, format!("{root}/.venv/bin {root}/.venv")),
        ]
    );
    assert_eq!(sandbox.read("sub/work/.gitignore"), "/out\n");
    assert!(sandbox.exists("sub/dvc.lock") && !sandbox.exists("dvc.lock"));
}

#[test]
fn always_changed_and_frozen_stages() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  tick:\n    cmd: echo tick >> ticks; date > now\n    always_changed: true\n    deps:\n    - input\n    outs:\n    - now\n  ice:\n    cmd: echo ice >> ticks; cp input cold\n    deps:\n    - input\n    outs:\n    - cold\n",
    );
    sandbox.write("input", "1");
    sandbox.repro();
    let report = sandbox.repro();
    assert_eq!(
        outcomes(&report),
        [
            ("tick", StageOutcome::Ran),
            ("ice", StageOutcome::Unchanged)
        ]
    );
    assert_eq!(reasons(&report, "tick"), ["always changed"]);

    let frozen = sandbox
        .read("dvc.yaml")
        .replace("cp input cold\n", "cp input cold\n    frozen: true\n");
    sandbox.write("dvc.yaml", frozen);
    sandbox.write("input", "2");
    assert_eq!(sandbox.repro().stages[1].outcome, StageOutcome::Unchanged);
    assert_eq!(sandbox.read("ticks").matches("ice").count(), 1);
}

#[test]
fn a_background_process_does_not_hold_up_the_end() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  leave:\n    cmd: yes & echo $! > pid; echo done\n    outs:\n    - pid\n",
    );
    let report = sandbox.repro();
    assert_eq!(report.stages[0].outcome, StageOutcome::Ran);
    let pid = sandbox.read("pid").trim().to_owned();
    std::process::Command::new("kill")
        .arg(pid)
        .status()
        .unwrap();
}
