//! Push, fetch, pull and the state of remotes; beside DVC and alone.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{
    AddOptions, Moved, Patience, Project, ProjectError, PullOptions, RemoteChoice, RemoteState,
    SharedSettings, SkipReason, TransferSelection, add, fetch, pull, push, remote_status, status,
};
use ketch_store::Silent;

use crate::interop::Dvc;
use crate::sandbox::{Sandbox, hermetic};

/// For the victims of the tests that kill: the project to work on.
const ROOT: &str = "KETCH_TEST_TRANSFER_ROOT";

/// A project with a directory, a file and a remote beside it.
pub(crate) fn with_data(files: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    for number in 0..files {
        sandbox.write(
            &format!("data/{}/{number}", number % 5),
            format!("content {number}"),
        );
    }
    sandbox.write("data/empty", "");
    sandbox.write("model.bin", "a model");
    for target in ["data", "model.bin"] {
        add_data(&sandbox.open(), target);
    }
    sandbox.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n",
    );
    sandbox.commit("data");
    sandbox
}

pub(crate) fn add_data(project: &Project, target: &str) {
    let options = AddOptions {
        targets: vec![project.root().join(target)],
    };
    add(project, &options, &Silent).unwrap();
}

pub(crate) fn push_all(project: &Project) -> Moved {
    push(project, &TransferSelection::default(), &Silent).unwrap()
}

pub(crate) fn forget(sandbox: &Sandbox) {
    for path in [".dvc/cache", "data", "model.bin"] {
        sandbox.remove(path);
    }
}

pub(crate) fn states(sandbox: &Sandbox) -> Vec<(String, RemoteState)> {
    remote_status(&sandbox.open(), &TransferSelection::default())
        .unwrap()
        .outputs
        .into_iter()
        .map(|output| (output.path.into_string(), output.state))
        .collect()
}

#[test]
fn there_and_back() {
    let sandbox = with_data(20);
    let both = |state| vec![("data".to_owned(), state), ("model.bin".to_owned(), state)];
    assert_eq!(states(&sandbox), both(RemoteState::New));
    assert_eq!(push_all(&sandbox.open()).objects(), 23);
    assert_eq!(push_all(&sandbox.open()).objects(), 0);
    assert_eq!(states(&sandbox), both(RemoteState::InSync));

    forget(&sandbox);
    assert_eq!(states(&sandbox), both(RemoteState::Deleted));
    let one = TransferSelection {
        targets: vec!["model.bin.dvc".to_owned()],
        ..TransferSelection::default()
    };
    assert_eq!(fetch(&sandbox.open(), &one, &Silent).unwrap().objects(), 1);
    assert!(!sandbox.exists("model.bin"), "only into the cache");
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(report.fetch.objects(), 22);
    assert!(report.fetch.is_complete());
    assert_eq!(report.checkout.restored, ["data", "model.bin"]);
    assert_eq!(sandbox.read("data/3/13"), "content 13");
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());

    forget(&sandbox);
    fs_err::remove_dir_all(sandbox.outside().join("store")).unwrap();
    assert_eq!(states(&sandbox), both(RemoteState::Missing));
    let report = fetch(&sandbox.open(), &TransferSelection::default(), &Silent).unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.remotes[0].transfer.missing.len(), 2);
    assert!(!push_all(&sandbox.open()).is_complete());
}

#[test]
fn outputs_choose_their_remote_or_stay() {
    let sandbox = with_data(2);
    sandbox.write("stays.txt", "1");
    sandbox.write("other.txt", "2");
    for target in ["stays.txt", "other.txt"] {
        add_data(&sandbox.open(), target);
    }
    let append = |path: &str, line: &str| sandbox.write(path, sandbox.read(path) + line);
    append("stays.txt.dvc", "  push: false\n");
    append("other.txt.dvc", "  remote: second\n");
    // A stage's output says it in `dvc.yaml`, not in `dvc.lock`.
    sandbox.write(
        "dvc.yaml",
        "stages:\n  make:\n    cmd: echo made > made.txt; echo kept > kept.txt\n    outs:\n    - made.txt:\n        remote: second\n    - kept.txt:\n        push: false\n",
    );
    sandbox.repro();
    append(
        ".dvc/config",
        "['remote \"second\"']\n    url = ../../second\n",
    );

    let report = push_all(&sandbox.open());
    let skipped: Vec<_> = report
        .skipped
        .iter()
        .map(|skipped| (skipped.path.as_str(), skipped.reason))
        .collect();
    assert_eq!(
        skipped,
        [
            ("stays.txt", SkipReason::NotPushed),
            ("kept.txt", SkipReason::NotPushed)
        ]
    );
    let mut sent: Vec<_> = report
        .remotes
        .iter()
        .map(|to| (to.remote.as_str(), to.transfer.objects))
        .collect();
    sent.sort_unstable();
    assert_eq!(sent, [("second", 2), ("st", 5)]);

    let choice = |name: &str| TransferSelection {
        remote: RemoteChoice {
            name: Some(name.to_owned()),
            ..RemoteChoice::default()
        },
        ..TransferSelection::default()
    };
    // By name: everything without a remote of its own goes there too.
    let report = push(&sandbox.open(), &choice("second"), &Silent).unwrap();
    assert_eq!(report.objects(), 5);
    let error = push(&sandbox.open(), &choice("thrid"), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "there is no remote `thrid`");
    assert_eq!(error.hint().as_deref(), Some("there are: second, st"));
}

#[test]
fn says_what_is_wrong() {
    let sandbox = with_data(1);
    let fail = |targets: &[&str]| {
        let options = TransferSelection {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            ..TransferSelection::default()
        };
        push(&sandbox.open(), &options, &Silent).unwrap_err()
    };
    let error = fail(&["nothing"]);
    assert!(
        matches!(error, ProjectError::UnknownTarget { .. }),
        "{error}"
    );
    sandbox.write(".dvc/config", "");
    let error = fail(&[]);
    assert_eq!(error.to_string(), "no remote is configured");
    assert!(error.hint().unwrap().contains("ketch remote add"));

    // The user's own configuration counts, the project's files win.
    let global = sandbox.outside().join("global");
    fs_err::write(
        &global,
        "[core]\nremote = mine\n['remote \"mine\"']\nurl = mine\n",
    )
    .unwrap();
    let shared = SharedSettings {
        system: Some(sandbox.outside().join("no-such-file")),
        global: Some(global),
    };
    let options = TransferSelection::default();
    let push_with_shared = || {
        let project = Project::open_with(&sandbox.root, shared.clone(), Patience::default())?;
        push(&project, &options, &Silent)
    };
    assert_eq!(push_with_shared().unwrap().objects(), 4);
    assert!(sandbox.outside().join("mine/files/md5").is_dir());
    sandbox.write(
        ".dvc/config.local",
        "['remote \"mine\"']\nurl = gdrive://x\n",
    );
    let error = push_with_shared().unwrap_err();
    assert!(error.to_string().contains("gdrive://x"), "{error}");
    fs_err::write(sandbox.outside().join("global"), "nonsense").unwrap();
    let error = push_with_shared().unwrap_err();
    assert!(error.to_string().contains("global:1:1"), "{error}");
}

#[test]
fn objects_of_another_hash_are_left_alone_and_those_of_dvc_2_are_not() {
    let sandbox = with_data(1);
    let text = sandbox.read("model.bin.dvc");
    sandbox.write("model.bin.dvc", text.replace("hash: md5", "hash: sha256"));
    let report = push_all(&sandbox.open());
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.skipped[0].reason, SkipReason::UnknownHash);
    assert_eq!(report.objects(), 3);
    // Without a name it is DVC 2's, which no object here is of.
    sandbox.write("model.bin.dvc", text.replace("  hash: md5\n", ""));
    let report = push_all(&sandbox.open());
    assert!(report.skipped.is_empty() && !report.is_complete());
    assert!(report.remotes[0].transfer.missing[0].is_legacy());
}

#[test]
fn what_another_repository_has_is_left_to_it() {
    let sandbox = with_data(1);
    sandbox.write(
        "imported.txt.dvc",
        "\
md5: ff32de57484437b26e34fdcedf3b5ecf
frozen: true
deps:
- path: other.txt
  repo:
    url: ../elsewhere
    rev_lock: 07026f701a7f42e4dd0d3a1cbee5995492a316a4
outs:
- md5: 1a6f4bbd0b372c1ada6e8df16a6a703c
  size: 3
  hash: md5
  path: imported.txt
",
    );
    let report = push_all(&sandbox.open());
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.skipped[0].path, "imported.txt");
    assert_eq!(report.skipped[0].reason, SkipReason::Imported);
    assert!(report.is_complete());
    assert_eq!(
        states(&sandbox)
            .iter()
            .filter(|(path, _)| path == "imported.txt")
            .count(),
        0
    );
}

pub(crate) fn clone(sandbox: &Sandbox, name: &str) -> Utf8PathBuf {
    let target = sandbox.outside().join(name);
    sandbox.git(&["clone", "--quiet", ".", target.as_str()]);
    target
}

#[test]
fn dvc_pulls_what_ketch_pushed_and_the_other_way_round() {
    let sandbox = with_data(30);
    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    let in_sync = "in sync";
    assert!(!dvc.run(&sandbox.root, &["status", "-c"]).contains(in_sync));
    push_all(&sandbox.open());
    let text = dvc.run(&sandbox.root, &["status", "-c"]);
    assert!(text.contains(in_sync), "{text}");
    let text = dvc.run(&sandbox.root, &["push"]);
    assert!(text.contains("Everything is up to date"), "{text}");

    let theirs = clone(&sandbox, "theirs");
    dvc.run(&theirs, &["pull"]);
    let read = |path: &str| fs_err::read_to_string(theirs.join(path)).unwrap();
    assert_eq!(read("data/3/13"), "content 13");
    assert_eq!(read("model.bin"), "a model");

    // DVC changes and pushes, ketch fetches.
    fs_err::write(theirs.join("data/new"), "from DVC").unwrap();
    dvc.run(&theirs, &["add", "data"]);
    dvc.run(&theirs, &["push"]);
    sandbox.write("data.dvc", read("data.dvc"));
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(report.fetch.objects(), 2, "a file and a manifest");
    assert_eq!(sandbox.read("data/new"), "from DVC");
    assert!(
        states(&sandbox)
            .iter()
            .all(|(_, state)| *state == RemoteState::InSync)
    );
    assert_eq!(push_all(&sandbox.open()).objects(), 0);
    let text = dvc.run(&sandbox.root, &["status", "-c"]);
    assert!(text.contains(in_sync), "{text}");
}

/// Not a test of its own: what a test below starts and kills.
#[test]
#[ignore = "is started by another test of this module"]
fn pushing_victim() {
    push_all(&victims_project());
}

/// Not a test of its own: what a test below starts and kills.
#[test]
#[ignore = "is started by another test of this module"]
fn fetching_victim() {
    fetch(&victims_project(), &TransferSelection::default(), &Silent).unwrap();
}

fn victims_project() -> Project {
    #[expect(
        clippy::disallowed_methods,
        reason = "the other tests pass the project this way"
    )]
    let root = std::env::var(ROOT).unwrap();
    Project::open(&Utf8PathBuf::from(root)).unwrap()
}

/// Starts a victim and kills it `delay` after `sign` appeared.
pub(crate) fn kill(sandbox: &Sandbox, victim: &str, sign: &Utf8Path, delay: Duration) {
    let mut victim = hermetic(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("transfer::{victim}"), "--ignored"])
            .env(ROOT, &sandbox.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
    .spawn()
    .unwrap();
    while !sign.exists() && victim.try_wait().unwrap().is_none() {
        sleep(Duration::from_micros(200));
    }
    sleep(delay);
    victim.kill().unwrap();
    victim.wait().unwrap();
}

/// Whatever has its final name is whole.
fn assert_objects_are_whole(store: &Utf8Path) {
    for path in objects(store) {
        let (id, _) = ketch_store::hash_file(&path).unwrap();
        let name = path.as_str().trim_end_matches(".dir");
        assert!(name.replace('/', "").ends_with(id.hex()), "{path}");
    }
}

#[test]
fn a_killed_push_is_never_believed() {
    let sandbox = with_data(600);
    let store = sandbox.outside().join("store");
    let dvc = Dvc::find(&sandbox);
    let manifest = |sandbox: &Sandbox| {
        let text = sandbox.read("data.dvc");
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("- md5: "))
            .unwrap()
            .to_owned();
        store.join(format!("files/md5/{}/{}", &id[..2], &id[2..]))
    };
    let mut cut_short = 0;
    for run in 0..20_u64 {
        // Half of them go on from where the one before was killed.
        if run % 2 == 0 && store.exists() {
            fs_err::remove_dir_all(&store).unwrap();
        }
        let delay = Duration::from_micros(run * 2_500);
        kill(&sandbox, "pushing_victim", &store.join("files/md5"), delay);

        let data = &remote_status(&sandbox.open(), &TransferSelection::default())
            .unwrap()
            .outputs[0];
        if manifest(&sandbox).exists() {
            assert_eq!(
                data.only_cache, 0,
                "run {run}: a manifest without its files"
            );
        } else {
            cut_short += 1;
            assert_eq!(data.state, RemoteState::New, "run {run}");
        }
        assert_objects_are_whole(&store);
        // DVC takes a second each time: some of the runs are enough.
        if let (Some(dvc), 0) = (&dvc, run % 4) {
            let believed = dvc
                .run(&sandbox.root, &["status", "-c", "data"])
                .contains("in sync");
            assert_eq!(believed, manifest(&sandbox).exists(), "run {run}");
        }
    }
    assert!(cut_short > 0, "no run was killed early enough");

    push_all(&sandbox.open());
    assert_eq!(push_all(&sandbox.open()).objects(), 0);
    if let Some(dvc) = dvc {
        let theirs = clone(&sandbox, "theirs");
        dvc.run(&theirs, &["pull"]);
        let read = fs_err::read_to_string(theirs.join("data/4/599")).unwrap();
        assert_eq!(read, "content 599");
    }
}

#[test]
fn a_killed_fetch_leaves_only_whole_objects() {
    let sandbox = with_data(600);
    push_all(&sandbox.open());
    forget(&sandbox);
    let cache = sandbox.root.join(".dvc/cache");
    let mut cut_short = 0;
    for run in 0..20_u64 {
        if run % 2 == 0 && cache.exists() {
            fs_err::remove_dir_all(&cache).unwrap();
        }
        let delay = Duration::from_micros(run * 2_500);
        kill(&sandbox, "fetching_victim", &cache.join("files/md5"), delay);
        assert_objects_are_whole(&cache.join("files"));
        let states = states(&sandbox);
        assert!(
            states
                .iter()
                .all(|(_, state)| matches!(state, RemoteState::Deleted | RemoteState::InSync))
        );
        cut_short += u32::from(states[0].1 == RemoteState::Deleted);
    }
    assert!(cut_short > 0, "no run was killed early enough");
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    assert_eq!(sandbox.read("data/4/599"), "content 599");
}

/// Every file that is not a leftover of a write.
fn objects(store: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![store.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = folder.read_dir_utf8() else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().into_path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.file_name().unwrap().starts_with(".ketch-tmp-") {
                found.push(path);
            }
        }
    }
    found
}
