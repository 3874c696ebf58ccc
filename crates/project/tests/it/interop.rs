//! Against DVC itself: what either writes, the other believes.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{AddOptions, ReproOptions, StageOutcome, add, repro, status};
use ketch_store::{PathLock, Silent};
use ketch_testkit::peer;

use crate::sandbox::{Sandbox, hermetic, outcomes};

/// DVC in one directory, with nothing of the machine's own configuration.
pub(crate) struct Dvc {
    program: Utf8PathBuf,
    home: Utf8PathBuf,
}

impl Dvc {
    /// DVC with its part for a storage: `s3`, `gs` or `webdav`.
    pub(crate) fn find_with(sandbox: &Sandbox, part: &str) -> Option<Self> {
        let python = peer("dvc/bin/python")?;
        let found = Command::new(python)
            .args(["-c", &format!("import dvc_{part}")])
            .output()
            .unwrap();
        if !found.status.success() {
            // The same message, and in CI the same failure, as for any other peer.
            let _ = peer(&format!("dvc/with dvc-{part}"));
            return None;
        }
        Self::find(sandbox)
    }

    pub(crate) fn find(sandbox: &Sandbox) -> Option<Self> {
        let home = sandbox.outside().join("home");
        fs_err::create_dir_all(&home).unwrap();
        peer("dvc/bin/dvc").map(|program| Self { program, home })
    }

    pub(crate) fn run(&self, root: &Utf8Path, arguments: &[&str]) -> String {
        let (success, text) = self.try_run(root, arguments);
        assert!(success, "dvc {arguments:?}: {text}");
        text
    }

    pub(crate) fn fail(&self, root: &Utf8Path, arguments: &[&str]) -> String {
        let (success, text) = self.try_run(root, arguments);
        assert!(!success, "dvc {arguments:?}: {text}");
        text
    }

    fn try_run(&self, root: &Utf8Path, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .current_dir(root)
            .env("HOME", &self.home)
            .env("DVC_NO_ANALYTICS", "1")
            // It would ask for the kind of every bucket by a protocol that no stand-in has.
            .env("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            .env("DVC_SITE_CACHE_DIR", self.home.join("site"))
            .env("DVC_GLOBAL_CONFIG_DIR", self.home.join("global"))
            .env("DVC_SYSTEM_CONFIG_DIR", self.home.join("system"));
        let output = hermetic(&mut command).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

/// Directories, nested parameters, an executable, uncached metrics, a list of commands, a working
/// directory, a value that needs quotes, and stages written in another order than they run.
fn write_pipeline(sandbox: &Sandbox) {
    sandbox.write(
        "dvc.yaml",
        "\
stages:
  evaluate:
    cmd:
    - wc -c < model/weights.txt > size.txt
    - 'echo \"{\\\"accuracy\\\": 0.75, \\\"size\\\": 3}\" > metrics.json'
    deps:
    - model
    - data/table.csv
    metrics:
    - metrics.json:
        cache: false
    plots:
    - size.txt
  train:
    cmd: \"mkdir -p model/deep && sh ./train.sh prepared.csv > model/weights.txt && echo 'a: b' > model/deep/info && touch model/empty\"
    deps:
    - train.sh
    - prepared.csv
    params:
    - train
    - prepare.last_row
    - other.toml:
      - solver.name
      - solver.tolerance
    outs:
    - model
  prepare:
    cmd: head -n 3 data/table.csv > prepared.csv
    deps:
    - data
    params:
    - prepare.first_row
    - prepare.last_row
    outs:
    - prepared.csv
  side:
    wdir: side
    cmd: echo \"${VALUE}\" > made.txt
    deps:
    - ../data/table.csv
    params:
    - settings.json:
    outs:
    - made.txt
"
        .replace("${", "\\${"),
    );
    sandbox.write(
        "params.yaml",
        "# what is tuned\nprepare: {first_row: 0, last_row: 12000}\ntrain:\n  rate: 1e-5\n  name: 'yes'\n  layers: [1, 2]\n  nested:\n    z: 1.0\n    a: null\n",
    );
    sandbox.write(
        "other.toml",
        "[solver]\nname = \"lbfgs\"\ntolerance = 0.0001\n",
    );
    sandbox.write("side/settings.json", "{\"b\": true, \"a\": \"ü\"}");
    sandbox.write("train.sh", "#!/bin/sh\ntr a-z A-Z < \"$1\"\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(sandbox.root.join("train.sh"), mode).unwrap();
    sandbox.write("data/table.csv", "x,y\n1,2\n3,4\n5,6\n");
    sandbox.write("data/more/ü \"q\".bin", [0, 255, 13, 10]);
    sandbox.write("data/empty", "");
}

/// Everything Git would see, with its content, and the cache's objects and results by name.
fn contents(root: &Utf8Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in directory.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            let name = path.strip_prefix(root).unwrap().to_string();
            if [".git", ".ketch", ".dvc/tmp", ".dvc/cache/tmp"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            // DVC leaves its own beside the objects.
            } else if !(name.starts_with(".dvc/cache") && path.extension() == Some("tmp")) {
                let bytes = fs_err::read(&path).unwrap();
                found.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn assert_same(ours: &Utf8Path, theirs: &Utf8Path) {
    let (ours, theirs) = (contents(ours), contents(theirs));
    let names = |list: &[(String, String)]| -> Vec<String> {
        list.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn both_make_the_same_files() {
    let ours = Sandbox::new();
    let theirs = Sandbox::bare();
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    write_pipeline(&ours);
    write_pipeline(&theirs);
    dvc.run(&theirs.root, &["init", "--quiet"]);
    assert_eq!(
        ours.git(&["ls-files"]),
        theirs.git(&["ls-files"]),
        "both stage the same files"
    );
    assert_same(&ours.root, &theirs.root);

    add(
        &ours.open(),
        &AddOptions {
            targets: vec!["data".into()],
        },
        &Silent,
    )
    .unwrap();
    dvc.run(&theirs.root, &["add", "--quiet", "data"]);
    assert_same(&ours.root, &theirs.root);

    ours.repro();
    dvc.run(&theirs.root, &["repro", "--quiet"]);
    assert_same(&ours.root, &theirs.root);

    // A second round over what is there, with the text of params.yaml changed.
    for sandbox in [&ours, &theirs] {
        let params = sandbox.read("params.yaml").replace("12000", "13000.5");
        sandbox.write("params.yaml", params);
        sandbox.write("data/table.csv", "x,y\n1,2\n3,5\n5,6\n");
    }
    add(
        &ours.open(),
        &AddOptions {
            targets: vec!["data".into()],
        },
        &Silent,
    )
    .unwrap();
    dvc.run(&theirs.root, &["add", "--quiet", "data"]);
    ours.repro();
    dvc.run(&theirs.root, &["repro", "--quiet"]);
    assert_same(&ours.root, &theirs.root);
}

#[test]
fn dvc_believes_ours() {
    let sandbox = Sandbox::new();
    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    write_pipeline(&sandbox);
    add(
        &sandbox.open(),
        &AddOptions {
            targets: vec!["data".into()],
        },
        &Silent,
    )
    .unwrap();
    sandbox.repro();
    assert_eq!(dvc.run(&sandbox.root, &["status", "--json"]).trim(), "{}");
    let text = dvc.run(&sandbox.root, &["repro"]);
    assert!(text.contains("up to date"), "{text}");

    // What ours put into the cache and the run cache serves DVC, without a command being run.
    let lock = sandbox.read("dvc.lock");
    for path in [
        "dvc.lock",
        "model",
        "prepared.csv",
        "size.txt",
        "metrics.json",
        "side/made.txt",
        "data",
    ] {
        sandbox.remove(path);
    }
    dvc.run(&sandbox.root, &["checkout", "data.dvc"]);
    let text = dvc.run(&sandbox.root, &["repro"]);
    assert!(!text.contains("Running stage"), "{text}");
    assert_eq!(
        text.matches("is cached - skipping run").count(),
        4,
        "{text}"
    );
    assert_eq!(sandbox.read("dvc.lock"), lock);
}

#[test]
fn ours_believes_dvc() {
    let sandbox = Sandbox::bare();
    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    write_pipeline(&sandbox);
    dvc.run(&sandbox.root, &["init", "--quiet"]);
    dvc.run(&sandbox.root, &["add", "--quiet", "data"]);
    dvc.run(&sandbox.root, &["repro", "--quiet"]);
    let before = contents(&sandbox.root);
    let state = status(&sandbox.open(), &Silent).unwrap();
    assert!(state.is_clean(), "{state:?}");
    assert!(!sandbox.repro().changed());
    assert_eq!(contents(&sandbox.root), before);

    let lock = sandbox.read("dvc.lock");
    for path in [
        "dvc.lock",
        "model",
        "prepared.csv",
        "size.txt",
        "metrics.json",
        "side/made.txt",
        "data",
    ] {
        sandbox.remove(path);
    }
    let report = repro(&sandbox.open(), &ReproOptions::default(), &Silent).unwrap();
    let restored: Vec<_> = outcomes(&report)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(restored, [StageOutcome::Restored; 4]);
    assert_eq!(sandbox.read("dvc.lock"), lock);
    assert_eq!(contents(&sandbox.root), before);
}

#[test]
fn dvc_respects_our_locks() {
    let sandbox = Sandbox::new();
    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    sandbox.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: touch out\n    outs: [out]\n",
    );
    let held = sandbox.open().lock().unwrap();
    let text = dvc.fail(&sandbox.root, &["status"]);
    assert!(text.contains("Unable to acquire lock"), "{text}");
    drop(held);

    let output = sandbox.root.join("out");
    let held =
        PathLock::acquire(&sandbox.root.join(".dvc"), "ketch repro a", &[], &[output]).unwrap();
    let text = dvc.fail(&sandbox.root, &["repro"]);
    assert!(
        text.contains("is busy") && text.contains("ketch repro a"),
        "{text}"
    );
    drop(held);
    dvc.run(&sandbox.root, &["repro", "--quiet"]);
    assert!(!sandbox.repro().changed());
}
