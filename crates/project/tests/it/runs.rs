//! The run cache on remotes, by ketch and by DVC 3.67.1.

use camino::Utf8PathBuf;
use ketch_project::{RemoteChoice, StageOutcome, fetch_runs, push_runs};
use ketch_store::Silent;

use crate::interop::Dvc;
use crate::sandbox::{Sandbox, outcomes};

/// A stage that has run with two inputs.
fn ran_twice() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp in.txt out.txt\n    deps: [in.txt]\n    outs: [out.txt]\n",
    );
    sandbox.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n",
    );
    for content in ["first", "second"] {
        sandbox.write("in.txt", content);
        sandbox.repro();
    }
    sandbox
}

fn files(sandbox: &Sandbox) -> Vec<Utf8PathBuf> {
    let root = sandbox.outside().join("store");
    let mut found = Vec::new();
    let mut pending = vec![root.clone()];
    while let Some(folder) = pending.pop() {
        for entry in folder.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// What is not there any more comes out of the run cache instead of running again.
fn assert_restored(sandbox: &Sandbox) {
    sandbox.write("in.txt", "first");
    let report = sandbox.repro();
    assert_ne!(outcomes(&report), [("copy", StageOutcome::Ran)]);
    assert_eq!(sandbox.read("out.txt"), "first");
}

#[test]
fn results_are_sent_and_fetched_with_their_outputs() {
    let sandbox = ran_twice();
    let choice = RemoteChoice::default();
    let sent = push_runs(&sandbox.open(), &choice, &Silent).unwrap();
    assert_eq!((sent.runs, sent.present, sent.transfer.objects), (2, 0, 2));
    assert!(sent.is_complete());
    let again = push_runs(&sandbox.open(), &choice, &Silent).unwrap();
    assert_eq!((again.runs, again.present), (0, 2));
    sandbox.remove(".dvc/cache");
    let got = fetch_runs(&sandbox.open(), &choice, &Silent).unwrap();
    assert_eq!((got.runs, got.transfer.objects), (2, 2));
    assert_restored(&sandbox);
}

#[test]
fn dvc_uses_what_ketch_sent_and_the_other_way_round() {
    let (ours, theirs) = (ran_twice(), ran_twice());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    push_runs(&ours.open(), &RemoteChoice::default(), &Silent).unwrap();
    dvc.run(&theirs.root, &["push", "--quiet", "--run-cache"]);
    // The same results. DVC sends no outputs of runs but the last, which makes the others useless.
    let (sent, by_dvc) = (files(&ours), files(&theirs));
    let runs = |files: &[Utf8PathBuf]| -> Vec<Utf8PathBuf> {
        let runs = files.iter().filter(|path| path.starts_with("runs"));
        runs.cloned().collect()
    };
    assert_eq!(runs(&sent), runs(&by_dvc));
    assert_eq!((runs(&sent).len(), sent.len(), by_dvc.len()), (2, 4, 3));
    // DVC can write again over what ketch left.
    dvc.run(&ours.root, &["push", "--quiet", "--run-cache"]);
    for sandbox in [&ours, &theirs] {
        sandbox.remove(".dvc/cache");
        sandbox.remove("out.txt");
    }
    let got = fetch_runs(&theirs.open(), &RemoteChoice::default(), &Silent).unwrap();
    assert_eq!((got.runs, got.damaged.len()), (2, 0));
    assert_eq!((got.transfer.objects, got.transfer.missing.len()), (1, 1));
    dvc.run(&ours.root, &["pull", "--quiet", "--run-cache"]);
    ours.write("in.txt", "first");
    let text = dvc.run(&ours.root, &["repro", "--pull"]);
    assert!(text.contains("is cached"), "{text}");
}

#[test]
fn results_that_are_not_what_they_say_are_left_out() {
    let sandbox = ran_twice();
    let choice = RemoteChoice::default();
    push_runs(&sandbox.open(), &choice, &Silent).unwrap();
    let result = files(&sandbox)
        .into_iter()
        .find(|path| path.starts_with("runs"))
        .unwrap();
    let place = sandbox.outside().join("store").join(&result);
    let text = fs_err::read_to_string(&place).unwrap();
    fs_err::write(&place, text.replace("cp in.txt", "rm -rf x")).unwrap();
    fs_err::write(sandbox.outside().join("store/runs/readme"), "mine").unwrap();
    sandbox.remove(".dvc/cache");
    let got = fetch_runs(&sandbox.open(), &choice, &Silent).unwrap();
    assert_eq!(got.runs, 1);
    assert_eq!(got.damaged.len(), 2);
    assert!(got.damaged.contains(&result) && got.damaged.contains(&"runs/readme".into()));
    assert!(!got.is_complete() && !sandbox.root.join(".dvc/cache").join(result).exists());
}
