//! Collecting for several projects at once, each with a cache of its own.

use camino::Utf8PathBuf;
use ketch_project::{AddOptions, GcMode, GcOptions, Keep, Reachable, RemoteChoice, add, gc, push};
use ketch_store::{Silent, hash_bytes};

use crate::sandbox::Sandbox;

/// A project that tracks a directory.
fn with_directory() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "needed");
    sandbox.write("data/b", "needed too");
    let options = AddOptions {
        targets: vec!["data".into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
    sandbox
}

fn options(projects: Vec<Utf8PathBuf>, remote: Option<RemoteChoice>) -> GcOptions {
    GcOptions {
        keep: vec![Keep::Workspace],
        projects,
        reachable: Reachable::Collect,
        mode: GcMode::Quarantine,
        quarantine: "now".to_owned(),
        remote,
        ..GcOptions::default()
    }
}

#[test]
fn files_stay_whose_directory_another_project_knows_by_name_only() {
    let ours = with_directory();
    ours.commit("data");
    // Cloned, and never pulled: it has the .dvc file and nothing of the data.
    let other = Sandbox::new();
    other.write("data.dvc", ours.read("data.dvc"));
    other.commit("data");

    let report = gc(&ours.open(), &options(vec![other.root.clone()], None)).unwrap();

    assert_eq!(report.collected, Vec::new());
    for content in ["needed", "needed too"] {
        let id = hash_bytes(content.as_bytes());
        assert!(ours.open().cache().contains(&id), "{content}");
    }
}

#[test]
fn what_another_project_needs_of_a_remote_stays_there() {
    let ours = with_directory();
    let store = ours.outside().join("store");
    ours.write(
        ".dvc/config",
        format!("[core]\n    remote = st\n['remote \"st\"']\n    url = {store}\n"),
    );
    push(
        &ours.open(),
        &ketch_project::TransferSelection::default(),
        &Silent,
    )
    .unwrap();
    let other = Sandbox::new();
    other.write("data.dvc", ours.read("data.dvc"));
    other.commit("data");
    // We have no use for it any more; the list of its files is still in our cache.
    ours.remove("data.dvc");
    ours.commit("without");

    let named = options(vec![other.root.clone()], Some(RemoteChoice::default()));
    let report = gc(&ours.open(), &named).unwrap().remote.unwrap();

    assert_eq!(report.collected, Vec::new());
    assert_eq!(report.kept, 3);
    let there = |content: &str| {
        let id = hash_bytes(content.as_bytes());
        store.join(id.cache_path()).exists()
    };
    assert!(there("needed") && there("needed too"));

    // Of nobody's use, it goes.
    other.remove("data.dvc");
    other.commit("without");
    let report = gc(&ours.open(), &named).unwrap().remote.unwrap();
    assert_eq!((report.collected.len(), report.kept), (3, 0));
    assert!(report.collected[0].id.is_directory() && !there("needed"));
}
